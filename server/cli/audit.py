"""`sentlog audit …`: seal the audit, and verify that nobody has changed it."""

import asyncio
import sys

import click

from resolvers.audit.verify import SavedSeal
from server.cli.errors import exit_on_error, settings_here
from server.cli.progress import note


class SealOption(click.ParamType[SavedSeal]):
    """NUMBER:HASH, as `sentlog audit verify` prints it."""

    name = "NUMBER:HASH"

    def convert(
        self, value: str | SavedSeal, param: click.Parameter | None, ctx: click.Context | None
    ) -> SavedSeal:
        if isinstance(value, SavedSeal):
            return value
        number, _, hash = value.partition(":")
        if not (number.isascii() and number.isdigit() and len(hash) == 64):
            self.fail(
                f"{value!r} is no seal: it is written 12:9f86d0…, as an earlier check printed it.",
                param,
                ctx,
            )
        return SavedSeal(int(number), hash.lower())


@click.group()
def audit() -> None:
    """Seal and verify the audit: who looked at what, and who did what."""


@audit.command()
@click.option(
    "--kept",
    type=SealOption(),
    help="A seal that an earlier check printed; the chain must still contain it.",
)
def verify(kept: SavedSeal | None) -> None:
    """Follow the chain of seals over the audit, and print where it breaks.

    Keep the last seal, which is printed, outside the database, and pass it to the next check: an attacker with write access
    to the database could replace the whole chain, but not that copy. Exit status 1: the audit was changed.
    """
    from resolvers.audit.verify import VerifyResult, check
    from server.process.serve import ready_database

    async def run() -> VerifyResult:
        async with ready_database(settings_here()) as database:
            return await check(database, kept=kept)

    with exit_on_error():
        finding = asyncio.run(run())
    for fault in finding.faults:
        click.echo(fault)
    if finding.fault_count > len(finding.faults):
        click.echo(f"… and {finding.fault_count - len(finding.faults)} more")
    note.print(
        f"{finding.rows} rows under {finding.seals} seals: {finding.fault_count} faults."
        f" {finding.unsealed} rows are not sealed yet.",
        soft_wrap=True,
    )
    if finding.end is not None:
        note.print(f"The last seal: {finding.end.number}:{finding.end.hash}", soft_wrap=True)
    sys.exit(0 if finding.is_clean else 1)


@audit.command()
def seal() -> None:
    """Seal the complete entries now; servers and workers do so each minute."""
    from delivery.upkeep.audit_seals import seal_all
    from server.process.app import utc_now
    from server.process.serve import ready_database

    async def run() -> int:
        async with ready_database(settings_here()) as database:
            return await seal_all(database, clock=utc_now)

    with exit_on_error():
        rows = asyncio.run(run())
    note.print(f"{rows} rows were sealed.")
