"""Figures of a large log scan no large table: the query plans of both databases."""

import os
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import closing
from datetime import date
from typing import Any, Final

import pytest
from sqlalchemy import NullPool, create_engine, make_url, text

from benchmarks.large_log import build, size_of
from db.connect.database import Database
from db.derived.figures.figure_rows import find_figures
from db.derived.figures.figure_statements import FigureQuery
from db.derived.figures.figure_sums import FigureDay, changed_days, sum_day
from db.derived.figures.message_figures import mark_changed
from db.search.criteria import Criteria
from domain.figures import DayRange, FigureDimension
from tests.log import NOON, visibility
from tests.statements import recorded, tables_read_whole

LARGE: Final = {"message", "figure", "figure_sum", "figure_delay", "delivery", "m", "f"}
"""`m` and `f` are aliases of `message` and `figure`."""

NOW: Final = NOON.replace(year=2030)
QUARTER: Final = DayRange(date(2020, 1, 1), date(2020, 3, 31))
SUMMED_UNTIL: Final = "2021-06-30"
"""Six quarters, half of the log: enough that a scan is no good plan for one of them."""

IN_QUARTER: Final = 1_000
"""A message of the quarter."""

SIZE: Final = size_of(20_000, 40_000, 1_000)

D = FigureDimension
CASES: Final[dict[str, tuple[Sequence[FigureDimension], dict[str, Any]]]] = {
    "by month, school, mode": ([D.MONTH, D.SCHOOL, D.MODE], {}),
    "by day and provider": ([D.DAY, D.PROVIDER], {}),
    "by week of a type": ([D.WEEK], {"types": ["BUS"]}),
    "of a school": ([D.TYPE], {"schools": [3]}),
    "by sender": ([D.SENDER], {}),
}


@pytest.fixture(scope="module")
def summed_sqlite(tmp_path_factory: pytest.TempPathFactory) -> str:
    url = f"sqlite+aiosqlite:///{tmp_path_factory.mktemp('summed') / 'sentlog.sqlite3'}"
    build(url, SIZE)
    return url


@pytest.fixture(scope="module")
def summed_postgres(postgres_url: str) -> Iterator[str]:
    name = f"sentlog_figures_{os.getpid()}"
    admin = create_engine(postgres_url, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with closing(admin.connect()) as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE template0"))
        url = make_url(postgres_url).set(database=name).render_as_string(hide_password=False)
        build(url, SIZE)
        yield url
        connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))


@pytest.fixture(
    params=["summed_sqlite", pytest.param("summed_postgres", marks=pytest.mark.postgres)]
)
def summed_url(request: pytest.FixtureRequest) -> str:
    """The large log of one engine."""
    url: str = request.getfixturevalue(request.param)
    return url


@pytest.fixture
async def summed(summed_url: str) -> AsyncIterator[Database]:
    database = Database(summed_url)
    async with database.reading() as connection:
        changed = await changed_days(connection, after=None, most=2_000)
    days = [one for one in changed if one.day <= SUMMED_UNTIL]
    for one in days:
        async with database.writing() as connection:
            assert await sum_day(connection, one, now=NOW)
    if len(days) > 1:
        async with database.engine.connect() as connection:
            await connection.exec_driver_sql("ANALYZE")
            await connection.commit()
    yield database
    await database.dispose()


async def scanned(database: Database, statements: Sequence[Any]) -> list[tuple[str, str]]:
    async with database.reading() as connection:
        return [
            (table, statement.text)
            for statement in list(statements)
            if statement.text.startswith(("SELECT", "INSERT", "DELETE"))
            for table in await tables_read_whole(connection, statement)
            if table in LARGE
        ]


@pytest.mark.parametrize("has_changed", [False, True], ids=["summed", "a day changed"])
@pytest.mark.parametrize(("group_by", "chosen"), CASES.values(), ids=CASES)
async def test_figures_of_a_quarter_scan_no_large_table(
    summed: Database,
    group_by: Sequence[FigureDimension],
    chosen: dict[str, Any],
    has_changed: bool,
) -> None:
    if has_changed:
        async with summed.writing() as connection:
            await mark_changed(connection, [IN_QUARTER])
    seen = await visibility(summed, now=NOW)
    if D.SENDER in group_by:  # from messages; a scan would be right for a quarter of so small a log
        chosen = {"created_text": "01/31/2020"}
    criteria = Criteria(NOON.replace(day=1, hour=6), NOON.replace(month=4, day=1, hour=5), **chosen)
    query = FigureQuery(QUARTER, criteria, seen, group_by)

    async with summed.snapshot() as connection:
        with recorded(summed) as statements:
            found = await find_figures(connection, query, with_medians=True)

    assert found.total > 0
    assert await scanned(summed, statements) == []


async def test_a_day_is_summed_without_a_scan(summed: Database) -> None:
    async with summed.writing() as connection:
        await mark_changed(connection, [IN_QUARTER])
        day = await connection.scalar(text("SELECT min(day) FROM figure_change"))
        with recorded(summed) as statements:
            assert await sum_day(connection, FigureDay(1, str(day)), now=NOW)

    assert await scanned(summed, statements) == []
