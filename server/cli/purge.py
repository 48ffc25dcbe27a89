"""`sentlog purge`: remove the recipients of old messages, and keep the figures."""

import asyncio
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import click

from db.upkeep.purge import PurgePreview
from delivery.upkeep.purge import PurgeProgress, PurgeRun, preview_purge, run_purge
from domain.errors import BadUserInput
from server.cli.errors import exit_on_error, settings_here, user_here
from server.cli.progress import note, purge_bar
from server.settings.settings import Settings

SHORTEST: Final = timedelta(days=30)
"""The least age: receipts may arrive for days, and the figures that stay should be final."""


class Age(NamedTuple):
    """The age from which messages are purged: days, or calendar years."""

    number: int
    unit: str

    def before(self, now: datetime) -> datetime:
        """The moment before which messages are that old; a year before 29 February is 28 February."""
        if self.unit == "d":
            return now - timedelta(days=self.number)
        year = now.year - self.number
        is_leap_day = (now.month, now.day) == (2, 29)
        return now.replace(year=year, day=28) if is_leap_day else now.replace(year=year)


class AgeText(click.ParamType[Age]):
    """Parses `400d` or `2y`."""

    name = "AGE"

    def convert(
        self, value: str | Age, param: click.Parameter | None, ctx: click.Context | None
    ) -> Age:
        if isinstance(value, Age):
            return value
        read = re.fullmatch(r"([1-9]\d{0,4})([dy])", value, re.ASCII)
        if read is None or (read[2] == "y" and int(read[1]) > 100):
            self.fail(f"{value!r} is no age: write days or years, like 400d or 2y.", param, ctx)
        age = Age(int(read[1]), read[2])
        if age.unit == "d" and age.number < SHORTEST.days:
            self.fail(
                f"{value} is too short: for {SHORTEST.days} days providers may still say what became of a message.",
                param,
                ctx,
            )
        return age


@click.command()
@click.option(
    "--older-than",
    type=AgeText(),
    required=True,
    help="Least age of a message since it was created and sent: days or years, like 400d or 2y.",
)
@click.option("--district", help="Only this one, by the id of the sending system; default: all.")
@click.option("--dry-run", is_flag=True, help="Print what would be removed, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask for confirmation; for timers.")
def purge(older_than: Age, district: str | None, dry_run: bool, yes: bool) -> None:
    """Remove the recipients of old messages, the bodies and the reports; keep figures, subjects and senders.

    Unfinished messages are skipped. People and addresses without any message are removed, too, except numbers that opted out
    of texts. Servers and workers may keep running; run an interrupted purge again. The audit has an entry for each message.
    Backups are not changed.
    """
    from server.process.app import utc_now
    from server.process.background import report_place
    from server.process.serve import ready_database

    async def run(settings: Settings) -> None:
        async with ready_database(settings) as database:
            work = PurgeRun(
                database=database,
                reports=report_place(settings),
                before=older_than.before(utc_now()),
                district=district,
                by=f"os:{user_here()}",
                run=secrets.token_hex(8),
                clock=utc_now,
            )
            outlooks = await preview_purge(work)
            _show(outlooks, district)
            if dry_run:
                return
            messages = sum(one.messages for one in outlooks)
            if messages and not yes:
                click.confirm("This cannot be undone. Remove all that?", abort=True, err=True)
            with purge_bar(messages) as watch:
                progress = await run_purge(work, watch=watch)
            _sum_up(progress, work.run)

    with exit_on_error():
        asyncio.run(run(settings_here()))


def _show(outlooks: Sequence[PurgePreview], district: str | None) -> None:
    if not outlooks and district is not None:
        raise BadUserInput(f"The log has no district {district!r}. Check --district.")
    for one in outlooks:
        left = f"; {one.unfinished} have not ended and are left alone" if one.unfinished else ""
        click.echo(
            f"{one.district}: {one.messages} messages with {one.people} people in their lists"
            f" and {one.deliveries} deliveries{left}"
        )


def _sum_up(progress: PurgeProgress, run: str) -> None:
    if progress == PurgeProgress():
        note.print("Nothing was to be removed.")
        return
    resumed = f", and of {progress.resumed} begun earlier" if progress.resumed else ""
    note.print(
        f"The recipients of {progress.messages} messages{resumed} were removed: {progress.recipients} recipients and"
        f" {progress.deliveries} deliveries. The audit has each message, with the request id {run}.",
        soft_wrap=True,
    )
