"""Goes through the audit and its seals, and finds what was changed, removed, added or put elsewhere.

What a seal says is in `domain.chain`. Nothing is mended here. Whoever may write to the database past the triggers can
also make the whole chain anew: that only shows against a seal that was kept elsewhere, which is what `kept` is for.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from db.audit import seals as audit_seals
from db.connect.engine import reading
from domain import chain
from domain.chain import AuditSeal

TOGETHER: Final = 100
"""Seals that are read at a time."""

MOST_LISTED: Final = 1_000
"""Faults that are kept; the others are counted."""


class Kept(NamedTuple):
    """A seal that somebody wrote down outside the database."""

    number: int
    hash: str


@dataclass(slots=True)
class Finding:
    """What was found, so far."""

    seals: int = 0
    rows: int = 0
    """Rows that stand under the seals."""
    unsealed: int = 0
    """Rows that no seal holds for yet."""
    end: AuditSeal | None = None
    """The last link of the chain: worth being kept elsewhere."""
    faults: list[str] = field(default_factory=list)
    """The first of them, by their place in the chain."""
    fault_count: int = 0

    @property
    def is_clean(self) -> bool:
        return self.fault_count == 0

    def add(self, *faults: str) -> None:
        self.fault_count += len(faults)
        self.faults += faults[: MOST_LISTED - len(self.faults)]


Watch = Callable[[Finding], None]
"""Is shown the finding while it grows."""


async def check(
    engine: AsyncEngine, *, kept: Kept | None = None, watch: Watch = lambda finding: None
) -> Finding:
    """Follow the chain from its beginning; `watch` sees the finding grow, a call a batch of seals.

    Looks that are written down meanwhile do no harm: they stand after what is sealed.
    """
    finding = Finding()
    was_there = kept is None
    while True:
        before = finding.end
        async with reading(engine) as connection:
            sealed = await audit_seals.after(
                connection, 0 if before is None else before.number, most=TOGETHER
            )
            for link in sealed:
                # One more than it holds for is enough to see that there are more.
                rows = await audit_seals.rows(
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
                finding.unsealed = await audit_seals.count_unsealed(connection, before)
        watch(finding)
        if not sealed:
            break
    if kept is not None and not was_there:
        finding.add(
            f"seal {kept.number}, which was kept, is missing: the end of the chain was cut off"
        )
    return finding
