"""Measures the worklist of addresses and the search for people, beside the first page of the log and look-ups by key.

    python -m benchmarks.addresses --url sqlite+aiosqlite:////tmp/large.sqlite3 [--rounds 9]

The database is one of `benchmarks.large_log` and is only read; without a URL a small one is made. Each case alternates with
the first page of the log, and with as many people read by their primary keys as it returned. It prints medians in
milliseconds, and ratios, which are comparable between machines.
"""

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Select, select

from benchmarks.large_log import build, size_of
from db.connect.database import Database
from db.derived.addresses import problems, records
from db.derived.addresses.problems import ProblemCriteria
from db.log.visibility import Visibility, visibility_of
from db.search import log_page
from db.search.criteria import Criteria
from db.search.log_page import OrderField
from db.search.people import PeopleSearch, best_first, count_people, find_people
from db.search.search import prepare
from db.sql.connections import ReadConnection
from db.sql.key_lists import any_of
from db.tables.log import PERSON
from domain.paging import Page
from domain.viewer import Viewer

PAGE: Final = Page(50, None, None, backward=False)
EVER: Final = (datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))

Run = Callable[[ReadConnection], Awaitable[object]]


def cases(visibility: Visibility) -> Mapping[str, Run]:
    """Return all cases by name."""
    limited = visibility._replace(school_ids=(3, 4))
    order = problems.most_failures_first("")

    def page(criteria: ProblemCriteria, who: Visibility = visibility) -> Run:
        async def run(connection: ReadConnection) -> object:
            return await problems.page_of_problems(
                connection, criteria, visibility=who, order=order, page=PAGE
            )

        return run

    def people(text: str) -> Run:
        wanted = PeopleSearch(text, None, visibility)
        best = best_first(wanted)

        async def run(connection: ReadConnection) -> int:
            return len((await find_people(connection, wanted, order=best, page=PAGE)).rows)

        return run

    def count(text: str) -> Run:
        return lambda connection: count_people(connection, PeopleSearch(text, None, visibility))

    async def counts(connection: ReadConnection) -> object:
        return await problems.count_problems(connection, ProblemCriteria(), visibility=visibility)

    async def addresses(connection: ReadConnection) -> object:
        ids = list(range(1, 151))
        await records.uses(connection, ids)
        return await records.addresses(connection, ids, visibility=visibility)

    return {
        "the worklist": page(ProblemCriteria()),
        "the worklist of a viewer of two schools": page(ProblemCriteria(), limited),
        "the worklist of a school": page(ProblemCriteria(school_ids=(3,))),
        "the worklist, by a name": page(ProblemCriteria(search="calvin of 98")),
        "the worklist, by a number": page(ProblemCriteria(search="0000471")),
        "its counts": counts,
        "150 addresses with their facts": addresses,
        "people: a name": people("calvin of 98"),
        "people: a common part of a name": people("heather"),
        "people: an id": people("p4711"),
        "people: a phone number": people("(612) 000-4711"),
        "people: an email address": people("P4711@nomail.example"),
        "people: nobody": people("zebra crossing"),
        "people: the count of a common part": count("heather"),
    }


async def measure(url: str, *, rounds: int) -> None:
    """Print the times of all cases."""
    database = Database(url)
    now = datetime.now(UTC)
    viewer = Viewer("u1", "U", "plainview", frozenset(), frozenset(), now)
    order = log_page.order(((OrderField.CREATED_AT, True),), scope="")
    async with database.reading() as connection:
        visibility = await visibility_of(connection, viewer, now=datetime.now(UTC))
        assert visibility is not None

        async def plain(connection: ReadConnection) -> object:
            search = await prepare(connection, Criteria(*EVER), visibility=visibility)
            return await log_page.page_of(connection, search, order=order, page=PAGE)

        for name, run in cases(visibility).items():
            found = await run(connection)
            ids = list(range(1, 1 + (found if isinstance(found, int) else PAGE.size)))
            by_key = select(PERSON.c.id, PERSON.c.name).where(any_of(PERSON.c.id, ids[: PAGE.size]))

            async def look_up(connection: ReadConnection, by_key: Select[Any] = by_key) -> object:
                return (await connection.execute(by_key)).all()

            taken: dict[Run, list[float]] = {run: [], plain: [], look_up: []}
            for _ in range(rounds):
                for one, times in taken.items():
                    times.append(await _time(one, connection))
            own, page, key = map(statistics.median, taken.values())
            print(
                f"{name:45} {own:8.2f} ms  {own / page:6.2f} pages of the log"
                f"  {own / key:6.2f} look-ups by key"
            )
    await database.dispose()


async def _time(run: Run, connection: ReadConnection) -> float:
    began = time.perf_counter()
    await run(connection)
    return 1000 * (time.perf_counter() - began)


def main() -> None:
    """Measure by command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url")
    parser.add_argument("--rounds", type=int, default=9)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        url = given.url
        if url is None:
            url = f"sqlite+aiosqlite:///{Path(folder) / 'large.sqlite3'}"
            build(url, size_of(2_000, 6_000, 1_000))
        asyncio.run(measure(url, rounds=given.rounds))


if __name__ == "__main__":
    main()
