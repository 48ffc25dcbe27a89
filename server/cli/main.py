"""The command line: `sentlog …`. It reads the environment, starts what is asked for, and says what happened.

What a command does is not here: each calls one function of the layer that does it.
"""

import asyncio
import os
import secrets
import sys
from datetime import UTC, datetime, timedelta
from typing import BinaryIO

import click

from domain.viewer import Right
from resolvers.ingest.ingest import Outcome
from server.cli.audit import audit
from server.cli.errors import complain, settings_here, spell, told, user_here, warn
from server.cli.progress import checking, chunks, importing, migrating, note
from server.cli.purge import purge
from server.cli.receipts import receipts
from server.settings.settings import Settings


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="sentlog")
def main() -> None:
    """The Sent Message Log of a school district: every message that was sent, who got it and who did not.

    Settings are read from variables SENTLOG_…; docs/settings.md has them all.
    """


main.add_command(audit)
main.add_command(purge)
main.add_command(receipts)


@main.command()
@click.option("--port", type=click.IntRange(1, 65_535), default=8000, show_default=True)
def demo(port: int) -> None:
    """Run a server with the log of Plainview Schools on this machine alone, and print a link to it.

    Everything is kept in the data folder's `demo`; delete that to begin anew.
    """
    from server.cli.demo import run

    with told():
        run(settings_here(), port=port, say=lambda line: click.echo(line))


@main.command()
@click.option("--port", type=click.IntRange(1, 65_535), help="Default: SENTLOG_PORT.")
@click.option("--host", help="Default: SENTLOG_HOST.")
@click.option(
    "--workers",
    type=click.IntRange(1, 64),
    default=1,
    show_default=True,
    help="More than one needs PostgreSQL.",
)
def serve(port: int | None, host: str | None, workers: int) -> None:
    """Run the server."""
    from server.process.serve import serve as run

    with told():
        run(settings_here(), host=host, port=port, workers=workers)


@main.command()
def worker() -> None:
    """Hand messages over, and do what else is done in the background, until told to stop.

    On PostgreSQL any number of workers share the work, on one machine or several; `serve` only answers requests there.
    On SQLite `serve` does it all.
    """
    from server.process.serve import work as run

    with told():
        run(settings_here())


@main.command()
def migrate() -> None:
    """Bring the database to the newest revision, and its rows to what that revision expects.

    First stop servers and workers of the release before. If it is killed, run it again: it goes on where it was.
    """
    from db import migrations
    from server.process.serve import with_engine

    async def run(settings: Settings) -> None:
        async with with_engine(settings) as engine:
            with migrating() as watch:
                await migrations.upgrade(engine, watch=watch)
            note.print(f"The database stands at revision {await migrations.current(engine)}.")

    with told():
        asyncio.run(run(settings_here()))


@main.command("import")
@click.argument("file", type=click.File("rb"))
def import_(file: BinaryIO) -> None:
    """Take the messages of FILE (NDJSON; - for standard input) into the log.

    What is in the log already is left alone, so that a broken import is simply run again. Exit status 1: something was
    refused; every refusal is listed with its line. An address that cannot be read is a warning: its delivery is FAILED, and
    the rest of the message goes out.
    """
    from resolvers.ingest.ingest import Uploader, ingest
    from server.process.app import utc_now
    from server.process.background import announcing
    from server.process.serve import ready_engine

    async def run(settings: Settings) -> Outcome:
        async with ready_engine(settings) as engine:
            with importing(file) as (bar, watch):
                return await ingest(
                    engine,
                    chunks(file, bar),
                    viewer=None,
                    clock=utc_now,
                    announce=announcing(settings, engine=engine, clock=utc_now),
                    watch=watch,
                    by=Uploader(f"os:{user_here()}", request_id=secrets.token_hex(8)),
                )

    with told():
        outcome = asyncio.run(run(settings_here()))
    for problem in outcome.problems:
        complain(spell(problem))
    if outcome.problem_count > len(outcome.problems):
        complain(f"… and {outcome.problem_count - len(outcome.problems)} more")
    for warning in outcome.warnings:
        warn(f"warning: {spell(warning)}")
    if outcome.warning_count > len(outcome.warnings):
        warn(f"… and {outcome.warning_count - len(outcome.warnings)} more warnings")
    note.print(
        f"{outcome.lines} lines: {outcome.accepted} messages with {outcome.recipients} recipients and "
        f"{outcome.deliveries} deliveries went in, {outcome.unchanged} were there already, {outcome.refused} were refused.",
        soft_wrap=True,
    )
    sys.exit(0 if outcome.is_clean else 1)


@main.command()
def check() -> None:
    """Count the whole log again from its rows, and print whatever does not follow from them.

    Servers and workers may go on meanwhile. Exit status 1: something was found.
    """
    from resolvers.audit.recount import Finding
    from resolvers.audit.recount import check as go_through
    from server.process.serve import ready_engine

    async def run(settings: Settings) -> Finding:
        async with ready_engine(settings) as engine:
            with checking() as watch:
                return await go_through(engine, watch=watch)

    with told():
        finding = asyncio.run(run(settings_here()))
    for fault in finding.faults:
        click.echo(fault)
    for message, what, stored, counted in finding.differences:
        click.echo(f"message {message}: {what} is {stored}, and {counted} when counted again")
    if finding.difference_count > len(finding.differences):
        click.echo(f"… and {finding.difference_count - len(finding.differences)} more")
    note.print(
        f"{finding.messages} messages: {finding.difference_count} differences,"
        f" {len(finding.faults)} faults of the database itself."
    )
    sys.exit(0 if finding.is_clean else 1)


@main.command()
@click.option("--messages", type=click.IntRange(min=1), default=1_000, show_default=True)
@click.option(
    "--recipients",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Of each message.",
)
@click.option(
    "--seed", type=int, default=1, show_default=True, help="The same seed gives the same file."
)
@click.option("--live", is_flag=True, help="Messages to be sent, not history.")
def generate(messages: int, recipients: int, seed: int, live: bool) -> None:
    """Write made-up messages as NDJSON to standard output, as many as wanted."""
    from server.process.app import utc_now
    from server.sample.generate import lines, live_lines

    try:
        if live:
            made = live_lines(
                messages=messages, recipients=recipients, seed=seed, starting=utc_now()
            )
        else:
            made = lines(messages=messages, recipients=recipients, seed=seed)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    out = sys.stdout.buffer
    try:
        for line in made:
            out.write(line)
        out.flush()
    except BrokenPipeError:  # whoever reads has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@main.command()
@click.option(
    "--id",
    "id_",
    default="demo-admin",
    show_default=True,
    help="The subject: `mine` finds what it sent.",
)
@click.option("--name", default="Administrator, System", show_default=True)
@click.option("--district", default="plainview", show_default=True)
@click.option(
    "--school", "schools", multiple=True, help="Limit to this school; may be given several times."
)
@click.option(
    "--right",
    "rights",
    multiple=True,
    type=click.Choice([right.value for right in Right]),
    help="May be given several times; default: all but INGEST_MESSAGES.",
)
@click.option("--hours", type=click.IntRange(1, 24 * 365), default=12, show_default=True)
def token(
    id_: str,
    name: str,
    district: str,
    schools: tuple[str, ...],
    rights: tuple[str, ...],
    hours: int,
) -> None:
    """Print a token for development, signed with the key of the settings or of the demo."""
    from server.auth.issue import for_signing, make_token

    with told():
        settings = for_signing(settings_here())
        chosen = frozenset(map(Right, rights)) or frozenset(Right) - {Right.INGEST_MESSAGES}
        click.echo(
            make_token(
                settings,
                id=id_,
                name=name,
                district=district,
                schools=frozenset(schools),
                rights=chosen,
                expires_in=timedelta(hours=hours),
                now=datetime.now(UTC),
            )
        )


@main.command()
def schema() -> None:
    """Print the GraphQL schema."""
    from schema.contract import SCHEMA

    click.echo(SCHEMA.as_str())
