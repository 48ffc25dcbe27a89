"""Recounts the whole log and finds differences from its counters, while the log is in use.

`db.upkeep.check`, `check_addresses` and `check_texts` have the statements. Those for the sums of days and months are in
`db.derived.figures.figure_sums`.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from db.connect.database import Database
from db.derived.figures.figure_sums import (
    all_days,
    differing_counts,
    differing_months,
    district_name,
)
from db.upkeep.check import (
    Difference,
    count_messages,
    differences,
    faults_of_file,
    faults_of_search,
    next_messages,
)
from db.upkeep.check_addresses import address_differences, next_addresses
from db.upkeep.check_texts import saved_search_differences, text_differences

CHUNK: Final = 500
"""Messages per snapshot: more keep an old snapshot open longer, fewer need more statements."""

MOST_LISTED: Final = 1_000
"""Maximum differences to list; all are counted."""


@dataclass(slots=True)
class RecountResult:
    """The result so far."""

    total: int = 0
    """Messages at the start."""
    messages: int = 0
    """Messages that were checked."""
    faults: list[str] = field(default_factory=list)
    """Errors of the database itself."""
    differences: list[Difference] = field(default_factory=list)
    """The first ones, in the order in which the messages came in."""
    difference_count: int = 0

    def add(self, rows: Sequence[Difference]) -> None:
        """Count differences, and list the first ones."""
        self.difference_count += len(rows)
        self.differences += rows[: MOST_LISTED - len(self.differences)]

    @property
    def is_clean(self) -> bool:
        return not self.faults and self.difference_count == 0


Watch = Callable[[RecountResult], None]
"""A function that is called with the growing result."""


async def check(database: Database, *, watch: Watch = lambda finding: None) -> RecountResult:
    """Recount the log; `watch` is called after each chunk of messages.

    Messages that come in or are delivered meanwhile do no harm: each chunk is read from one snapshot.
    """
    finding = RecountResult()
    async with database.reading() as connection:
        finding.faults += await faults_of_file(connection)
        finding.total = await count_messages(connection)
    async with database.writing() as connection:
        finding.faults += await faults_of_search(connection)
    watch(finding)
    last = 0
    while True:
        async with database.snapshot() as connection:
            ids = await next_messages(connection, last, count=CHUNK)
            if not ids:
                break
            rows = await differences(connection, after=last, until=ids[-1])
            texts = await text_differences(connection, ids)
        last = ids[-1]
        finding.messages += len(ids)
        finding.add(rows)
        finding.add(texts)
        watch(finding)
    await _check_addresses(database, finding)
    async with database.reading() as connection:
        finding.add(await saved_search_differences(connection))
    await _check_sums(database, finding)
    watch(finding)
    return finding


async def _check_sums(database: Database, finding: RecountResult) -> None:
    """Recount the sums of days and months."""
    async with database.reading() as connection:
        days = await all_days(connection)
    for day in days:
        async with database.snapshot() as connection:
            if counts := await differing_counts(connection, day):
                district = await district_name(connection, day.district_id)
                finding.add([_of_sum(district, f"day {day.day}", *one) for one in counts])
    async with database.snapshot() as connection:
        for month, stored, counted in await differing_months(connection):
            district = await district_name(connection, month.district_id)
            finding.add([_of_sum(district, f"month {month.day}", stored, counted)])


def _of_sum(district: str, span: str, stored: int, counted: int) -> Difference:
    return Difference(f"district {district}", f"figures of the {span}", str(stored), str(counted))


async def _check_addresses(database: Database, finding: RecountResult) -> None:
    """Recount the states of addresses that failed."""
    last = 0
    while True:
        async with database.snapshot() as connection:
            ids = await next_addresses(connection, last, count=CHUNK)
            if not ids:
                return
            finding.add(await address_differences(connection, ids))
        last = ids[-1]
