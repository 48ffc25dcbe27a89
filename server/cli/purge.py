"""`sentlog purge`: remove the recipients of old messages, and keep the figures."""

import asyncio
import re
import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

import click

from db.upkeep.purge import Found
from delivery.upkeep.purge import Progress, Purge, carry_out, outlook
from domain.errors import BadUserInput
from server.cli.errors import settings_here, told, user_here
from server.cli.progress import note, purging
from server.settings.settings import Settings

SHORTEST: Final = timedelta(days=30)
"""What providers say of a message may come for days: figures that are to be kept should be the last ones."""


class Age(NamedTuple):
    """How old a message is whose time is over: so many days, or years by the calendar."""

    number: int
    unit: str

    def before(self, now: datetime) -> datetime:
        """Since when a message is that old; the 29th of February was a year ago on the 28th."""
        if self.unit == "d":
            return now - timedelta(days=self.number)
        year = now.year - self.number
        is_leap_day = (now.month, now.day) == (2, 29)
        return now.replace(year=year, day=28) if is_leap_day else now.replace(year=year)


class AgeText(click.ParamType[Age]):
    """`400d` or `2y`."""

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
    help="Since when a message was created and sent: days or years, like 400d or 2y.",
)
@click.option("--district", help="Only this one, by the id of the sending system; default: all.")
@click.option("--dry-run", is_flag=True, help="Print what would be removed, and change nothing.")
@click.option("--yes", is_flag=True, help="Do not ask: for a timer.")
def purge(older_than: Age, district: str | None, dry_run: bool, yes: bool) -> None:
    """Remove the recipients of old messages, what these said and their reports; figures, subjects and senders stay.

    Messages that have not ended are left alone. People and addresses of whom no message is left go too, but for numbers that
    asked for no more texts. Servers and workers may go on meanwhile; what breaks off is simply run again. The audit has an
    entry for each message. Backups are not touched.
    """
    from server.process.app import utc_now
    from server.process.background import report_place
    from server.process.serve import ready_engine

    async def run(settings: Settings) -> None:
        async with ready_engine(settings) as engine:
            work = Purge(
                engine=engine,
                reports=report_place(settings),
                before=older_than.before(utc_now()),
                district=district,
                by=f"os:{user_here()}",
                run=secrets.token_hex(8),
                clock=utc_now,
            )
            found = await outlook(work)
            _show(found, district)
            if dry_run:
                return
            messages = sum(one.messages for one in found)
            if messages and not yes:
                click.confirm("This cannot be undone. Remove all that?", abort=True, err=True)
            with purging(messages) as watch:
                progress = await carry_out(work, watch=watch)
            _sum_up(progress, work.run)

    with told():
        asyncio.run(run(settings_here()))


def _show(found: Sequence[Found], district: str | None) -> None:
    if not found and district is not None:
        raise BadUserInput(f"The log has no district {district!r}. Check --district.")
    for one in found:
        left = f"; {one.unfinished} have not ended and are left alone" if one.unfinished else ""
        click.echo(
            f"{one.district}: {one.messages} messages with {one.people} people in their lists"
            f" and {one.deliveries} deliveries{left}"
        )


def _sum_up(progress: Progress, run: str) -> None:
    if progress == Progress():
        note.print("Nothing was to be removed.")
        return
    resumed = f", and of {progress.resumed} begun earlier" if progress.resumed else ""
    note.print(
        f"The recipients of {progress.messages} messages{resumed} were removed: {progress.recipients} recipients and"
        f" {progress.deliveries} deliveries. The audit has each message, with the request id {run}.",
        soft_wrap=True,
    )
