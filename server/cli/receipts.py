"""`sentlog receipts`: list the receipts of providers that belong to no delivery."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from db.dispatch.receipts import unmatched
from db.dispatch.receipts.unmatched import KeptReceipt
from domain.masking import mask
from domain.receipts import MISMATCH_REASONS
from server.cli.errors import exit_on_error, settings_here
from server.cli.progress import note


@click.command()
@click.option(
    "--unmatched",
    "only_unmatched",
    is_flag=True,
    required=True,
    help="Those that belong to no delivery; the others are events of their delivery.",
)
@click.option(
    "--show-addresses", is_flag=True, help="Print the recipients' addresses; default: masked."
)
@click.option(
    "--limit",
    type=click.IntRange(1, 100_000),
    default=100,
    show_default=True,
    help="Print no more than these, the latest first.",
)
def receipts(only_unmatched: bool, show_addresses: bool, limit: int) -> None:
    """List the receipts of providers that belong to no delivery.

    A receipt is booked on the delivery whose key it carries, else on the one with the provider's id and the recipient's
    address. Where that is not exactly one delivery, the receipt changes nothing and is kept here for 30 days after it last
    came. Usual causes: a mail domain or a phone number that another program uses too, another database (a test system with
    the same account), a delivery that was purged or is not in the backup that was restored.
    """
    from server.process.serve import ready_database

    async def run() -> tuple[Sequence[KeptReceipt], int]:
        async with ready_database(settings_here()) as database, database.reading() as connection:
            rows = await unmatched.latest(connection, most=limit)
            return rows, await unmatched.count(connection)

    with exit_on_error():
        rows, count = asyncio.run(run())
    for one in rows:
        click.echo(_line(one, show_addresses=show_addresses))
    note.print(f"{count} unmatched receipts are kept; {len(rows)} are listed.", soft_wrap=True)


def _line(one: KeptReceipt, *, show_addresses: bool) -> str:
    """A receipt in one line: when it came last, its status, why it matches no delivery, and its values."""
    named = {
        "key": one.delivery_key,
        "id": one.reference,
        "address": one.address if show_addresses else mask(one.address),
        "happened": _moment(one.at),
        "code": one.code,
        "said": one.detail,
        "times": one.times if one.times > 1 else None,
    }
    words = "; ".join(f"{name} {value}" for name, value in named.items() if value is not None)
    status = one.status or "UNKNOWN"
    return f"{_moment(one.received_at)} {one.gateway} {status}: {MISMATCH_REASONS[one.reason]} ({_plain(words)})"


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%SZ")


def _plain(words: str) -> str:
    """The text without control characters, which could move a terminal's cursor: the id comes from the provider."""
    return "".join(sign if sign.isprintable() else " " for sign in words)
