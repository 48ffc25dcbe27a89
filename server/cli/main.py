"""The command line `sentlog …`: reads the environment and the options, calls one function, and prints the result."""

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
from server.cli.errors import exit_on_error, print_errors, settings_here, spell, user_here, warn
from server.cli.progress import check_bar, chunks, import_bar, migration_bar, note
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

    The data is in the folder `demo` of the data folder; delete that to start over.
    """
    from server.cli.demo import run

    with exit_on_error():
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

    with exit_on_error():
        run(settings_here(), host=host, port=port, workers=workers)


@main.command()
def worker() -> None:
    """Send messages and do the other background work, until SIGINT or SIGTERM.

    Needs PostgreSQL: any number of workers share the work, on one machine or several. On SQLite `serve` does this work.
    """
    from server.process.serve import work as run

    with exit_on_error():
        run(settings_here())


@main.command()
def migrate() -> None:
    """Migrate the database to the newest revision, and run its backfills.

    First stop servers and workers of the previous release. If it is killed, run it again: it continues where it stopped.
    """
    from db import migrations
    from server.process.serve import with_database

    async def run(settings: Settings) -> None:
        async with with_database(settings) as database:
            with migration_bar() as watch:
                await migrations.upgrade(database, watch=watch)
            note.print(f"The database is at revision {await migrations.current(database)}.")

    with exit_on_error():
        asyncio.run(run(settings_here()))


@main.command("import")
@click.argument("file", type=click.File("rb"))
def import_(file: BinaryIO) -> None:
    """Take the messages of FILE (NDJSON; - for standard input) into the log.

    Messages that are in the log already are skipped, so an interrupted import can be run again. Exit status 1: a message
    was refused; each refusal is listed with its line. An unreadable address is a warning: its delivery is FAILED, and the
    rest of the message goes out.
    """
    from resolvers.ingest.ingest import Uploader, ingest
    from server.process.app import utc_now
    from server.process.background import announcer
    from server.process.serve import ready_database

    async def run(settings: Settings) -> Outcome:
        async with ready_database(settings) as database:
            with import_bar(file) as (bar, watch):
                return await ingest(
                    database,
                    chunks(file, bar),
                    viewer=None,
                    clock=utc_now,
                    announce=announcer(settings, database=database, clock=utc_now),
                    watch=watch,
                    by=Uploader(f"os:{user_here()}", request_id=secrets.token_hex(8)),
                )

    with exit_on_error():
        outcome = asyncio.run(run(settings_here()))
    for problem in outcome.problems:
        print_errors(spell(problem))
    if outcome.problem_count > len(outcome.problems):
        print_errors(f"… and {outcome.problem_count - len(outcome.problems)} more")
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
    """Recount the whole log from its rows, and print each difference from the stored counters.

    Servers and workers may keep running. Exit status 1: there are differences.
    """
    from resolvers.audit import recount
    from server.process.serve import ready_database

    async def run(settings: Settings) -> recount.RecountResult:
        async with ready_database(settings) as database:
            with check_bar() as watch:
                return await recount.check(database, watch=watch)

    with exit_on_error():
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
    """Write made-up messages as NDJSON to standard output."""
    from server.process.app import utc_now
    from server.sample.generate import lines, live_lines

    try:
        if live:
            sample_lines = live_lines(
                messages=messages, recipients=recipients, seed=seed, starting=utc_now()
            )
        else:
            sample_lines = lines(messages=messages, recipients=recipients, seed=seed)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    out = sys.stdout.buffer
    try:
        for line in sample_lines:
            out.write(line)
        out.flush()
    except BrokenPipeError:  # the reader has closed the pipe
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
    help="May be given several times; default: all but those of services, INGEST_MESSAGES and READ_INBOX.",
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

    with exit_on_error():
        settings = for_signing(settings_here())
        of_services = {Right.INGEST_MESSAGES, Right.READ_INBOX}
        chosen = frozenset(map(Right, rights)) or frozenset(Right) - of_services
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
