"""`sentlog audit …`: seal what was written down of looks and acts, and check that nobody has changed it."""

import asyncio
import sys

import click

from resolvers.audit.verify import Kept
from server.cli.errors import settings_here, told
from server.cli.progress import note


class KeptSeal(click.ParamType[Kept]):
    """NUMBER:HASH, as `sentlog audit verify` prints it."""

    name = "NUMBER:HASH"

    def convert(
        self, value: str | Kept, param: click.Parameter | None, ctx: click.Context | None
    ) -> Kept:
        if isinstance(value, Kept):
            return value
        number, _, hash = value.partition(":")
        if not (number.isascii() and number.isdigit() and len(hash) == 64):
            self.fail(
                f"{value!r} is no seal: it is written 12:9f86d0…, as an earlier check printed it.",
                param,
                ctx,
            )
        return Kept(int(number), hash.lower())


@click.group()
def audit() -> None:
    """Who looked or acted: the record that nobody may change."""


@audit.command()
@click.option(
    "--kept",
    type=KeptSeal(),
    help="A seal that an earlier check printed: it has to be there still, and the same.",
)
def verify(kept: Kept | None) -> None:
    """Follow the chain of seals over the audit, and print where it breaks.

    Keep the last seal, which is printed, outside the database, and give it to the next check: whoever owns the database
    could make a whole new chain, but not that one. Exit status 1: something was changed, removed or added.
    """
    from resolvers.audit.verify import Finding, check
    from server.process.serve import ready_engine

    async def run() -> Finding:
        async with ready_engine(settings_here()) as engine:
            return await check(engine, kept=kept)

    with told():
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
    """Seal now what is complete; servers and workers do so by themselves, each minute."""
    from delivery.upkeep.audit_seals import seal_all
    from server.process.app import utc_now
    from server.process.serve import ready_engine

    async def run() -> int:
        async with ready_engine(settings_here()) as engine:
            return await seal_all(engine, clock=utc_now)

    with told():
        rows = asyncio.run(run())
    note.print(f"{rows} rows were sealed.")
