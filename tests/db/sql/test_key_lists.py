from collections.abc import Sequence

import pytest
from sqlalchemy import Column as TableColumn
from sqlalchemy import Integer, MetaData, Table, Text, insert, select

from db.connect.database import Database
from db.sql.key_lists import any_of, each, is_there, pairs_of, text_any_of
from tests.statements import recorded

PLACES = Table(
    "place",
    MetaData(),
    TableColumn("row", Integer, primary_key=True),
    TableColumn("seat", Integer, primary_key=True),
    TableColumn("name", Text),
)
TEXTS = [
    "it's",
    'a "quote"',
    "back\\slash",
    "{brace},[list]",
    "",
    " ",
    "Nguyễn",
    "王小明",
    "🚌",
    "a\nb",
]


@pytest.fixture
async def places(database: Database) -> Database:
    """Create a table of five rows of three seats, and one seat for each of `TEXTS` in row 9."""
    seats = [{"row": row, "seat": seat, "name": None} for row in range(5) for seat in range(3)]
    named = [{"row": 9, "seat": seat, "name": name} for seat, name in enumerate(TEXTS)]
    async with database.writing() as connection:
        await connection.run_sync(PLACES.metadata.create_all)
        await connection.execute(insert(PLACES), [*seats, *named])
    return database


@pytest.mark.parametrize(
    ("keys", "found"),
    [([], set()), ([3], {3}), ([0, 3, 3, -1, 2**63 - 1], {0, 3}), ([*range(4000)], {*range(5), 9})],
    ids=["none", "one", "strangers and repeats", "four thousand"],
)
async def test_any_of_finds_the_rows_with_one_of_the_keys(
    places: Database, keys: Sequence[int], found: set[int]
) -> None:
    async with places.reading() as connection:
        rows = await connection.scalars(select(PLACES.c.row).where(any_of(PLACES.c.row, keys)))
        assert set(rows) == found


@pytest.mark.parametrize("text", TEXTS)
async def test_any_text_is_found(places: Database, text: str) -> None:
    async with places.reading() as connection:
        found = select(PLACES.c.name).where(text_any_of(PLACES.c.name, [text, "nobody"]))
        assert (await connection.scalars(found)).all() == [text]


async def test_no_texts_find_nothing(places: Database) -> None:
    async with places.reading() as connection:
        found = select(PLACES.c.name).where(text_any_of(PLACES.c.name, []))
        assert (await connection.scalars(found)).all() == []


@pytest.mark.parametrize(
    ("keys", "found"),
    [
        ([], []),
        ([(1, 2)], [(1, 2)]),
        ([(0, 1), (4, 2), (4, 2), (1, 7), (2**40, 0)], [(0, 1), (4, 2)]),
    ],
    ids=["none", "one", "strangers and repeats"],
)
async def test_pairs_of_finds_pairs_and_not_each_half(
    places: Database, keys: Sequence[tuple[int, int]], found: Sequence[tuple[int, int]]
) -> None:
    statement = (
        select(PLACES.c.row, PLACES.c.seat)
        .where(pairs_of(PLACES.c.row, PLACES.c.seat, keys))
        .order_by(PLACES.c.row, PLACES.c.seat)
    )
    async with places.reading() as connection:
        assert [tuple(row) for row in await connection.execute(statement)] == found


async def test_each_is_a_table_of_the_keys(database: Database) -> None:
    async with database.reading() as connection:
        given = each([5, 2**40, 7], connection.dialect.name)
        rows = await connection.scalars(select(given.c.value).order_by(given.c.value))
        assert rows.all() == [5, 7, 2**40]


async def test_the_statement_is_the_same_for_any_number_of_keys(database: Database) -> None:
    with recorded(database) as statements:
        async with database.reading() as connection:
            await connection.run_sync(PLACES.metadata.create_all)
            for size in (0, 1, 50, 4000):
                numbers = [*range(size)]
                await connection.execute(select(PLACES).where(any_of(PLACES.c.row, numbers)))
                await connection.execute(
                    select(PLACES).where(text_any_of(PLACES.c.name, [*map(str, numbers)]))
                )
                pairs = [(number, number) for number in numbers]
                await connection.execute(
                    select(PLACES).where(pairs_of(PLACES.c.row, PLACES.c.seat, pairs))
                )
    asked = [
        statement.text for statement in statements if statement.text.startswith("SELECT place")
    ]
    assert len(asked) == 12
    assert len(set(asked)) == 3


async def test_a_condition_can_use_an_index(database: Database) -> None:
    """SQLAlchemy writes a boolean function on SQLite as `… = 1`, which no index answers."""
    condition = any_of(PLACES.c.row, [1]) & pairs_of(PLACES.c.row, PLACES.c.seat, [(1, 1)])
    written = str(select(PLACES).where(condition).compile(dialect=database.engine.dialect))
    assert "= 1" not in written


async def test_is_there_is_evaluated_for_each_row_of_the_enclosing_statement(
    places: Database,
) -> None:
    beside = PLACES.alias("beside")
    after = select(beside.c.seat).where(
        beside.c.row == PLACES.c.row, beside.c.seat > PLACES.c.seat, beside.c.row < 2
    )
    statement = (
        select(PLACES.c.row, PLACES.c.seat)
        .where(is_there(after))
        .order_by(PLACES.c.row, PLACES.c.seat)
    )
    async with places.reading() as connection:
        found = [tuple(row) for row in await connection.execute(statement)]
    assert found == [(0, 0), (0, 1), (1, 0), (1, 1)]
