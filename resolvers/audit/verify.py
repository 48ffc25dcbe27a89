"""Verifies the audit against its seals: finds entries that were changed, removed, added or moved.

`domain.chain` defines the seals. An attacker who bypasses the triggers could replace the whole chain; only a seal that was
kept outside the database (`kept`) reveals that.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from db.audit import seals
from db.connect.database import Database
from domain import chain
from domain.chain import AuditSeal

TOGETHER: Final = 100
"""Seals per read."""

MOST_LISTED: Final = 1_000
"""Maximum faults to list; all are counted."""


class SavedSeal(NamedTuple):
    """A seal that was saved outside the database."""

    number: int
    hash: str


@dataclass(slots=True)
class VerifyResult:
    """The result so far."""

    seals: int = 0
    rows: int = 0
    """Sealed entries."""
    unsealed: int = 0
    """Entries without a seal yet."""
    end: AuditSeal | None = None
    """The last seal of the chain, to be kept outside the database."""
    faults: list[str] = field(default_factory=list)
    """The first ones, in the order of the chain."""
    fault_count: int = 0

    @property
    def is_clean(self) -> bool:
        return self.fault_count == 0

    def add(self, *faults: str) -> None:
        self.fault_count += len(faults)
        self.faults += faults[: MOST_LISTED - len(self.faults)]


Watch = Callable[[VerifyResult], None]
"""A function that is called with the growing result."""


async def check(
    database: Database, *, kept: SavedSeal | None = None, watch: Watch = lambda finding: None
) -> VerifyResult:
    """Verify the chain from its beginning; `watch` is called after each batch of seals.

    Entries that are added meanwhile do no harm: they come after the sealed ones.
    """
    finding = VerifyResult()
    was_there = kept is None
    while True:
        before = finding.end
        async with database.reading() as connection:
            sealed = await seals.after(
                connection, 0 if before is None else before.number, most=TOGETHER
            )
            for link in sealed:
                # One row more than sealed is enough to detect additional rows.
                rows = await seals.rows(
                    connection, before, until=link.last_id, most=link.row_count + 1
                )
                finding.add(*chain.faults(before, link, rows))
                finding.rows += len(rows)
                if kept is not None and kept.number == link.number:
                    was_there = True
                    if kept.hash != link.hash:
                        finding.add(f"seal {link.number} is another one than was kept")
                before = link
            finding.seals += len(sealed)
            finding.end = before
            if not sealed:
                finding.unsealed = await seals.count_unsealed(connection, before)
        watch(finding)
        if not sealed:
            break
    if kept is not None and not was_there:
        finding.add(
            f"seal {kept.number}, which was kept, is missing: the end of the chain was cut off"
        )
    return finding
