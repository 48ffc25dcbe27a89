"""Goes through the whole log and finds what does not follow from its rows, while it is in use.

What is compared is in `db.upkeep.check`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from db.connect.engine import reading, snapshot, writing
from db.upkeep import check as log
from db.upkeep.check import Difference

CHUNK: Final = 500
"""Messages that are looked at in one moment: more hold an old moment longer, fewer ask more often."""

MOST_LISTED: Final = 1_000
"""Differences that are kept; the others are counted."""


@dataclass(slots=True)
class Finding:
    """What was found, so far."""

    total: int = 0
    """Messages there were at the beginning."""
    messages: int = 0
    """Messages that were looked at."""
    faults: list[str] = field(default_factory=list)
    """What is wrong with the database itself."""
    differences: list[Difference] = field(default_factory=list)
    """The first of them, by message in the order in which they came in."""
    difference_count: int = 0

    @property
    def is_clean(self) -> bool:
        return not self.faults and self.difference_count == 0


Watch = Callable[[Finding], None]
"""Is shown the finding while it grows."""


async def check(engine: AsyncEngine, *, watch: Watch = lambda finding: None) -> Finding:
    """Count the log again; `watch` sees the finding grow, a call a chunk of messages.

    Messages that come in or are delivered meanwhile do no harm: each chunk is read as it is in one moment.
    """
    finding = Finding()
    async with reading(engine) as connection:
        finding.faults += await log.faults_of_file(connection)
        finding.total = await log.count_messages(connection)
    async with writing(engine) as connection:
        finding.faults += await log.faults_of_search(connection)
    watch(finding)
    last = 0
    while True:
        async with snapshot(engine) as connection:
            ids = await log.next_messages(connection, last, count=CHUNK)
            if not ids:
                return finding
            found = await log.differences(connection, after=last, until=ids[-1])
        last = ids[-1]
        finding.messages += len(ids)
        finding.difference_count += len(found)
        finding.differences += found[: MOST_LISTED - len(finding.differences)]
        watch(finding)
