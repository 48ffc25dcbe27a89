"""A search for words finds the messages that a slow, obvious matcher selects, in any order and with other filters."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from db.connect.database import Database
from db.log import message_words
from db.migrations import backfills
from db.migrations import message_words as words_backfill
from db.search import facets, log_page, search
from db.search.criteria import Criteria
from db.search.log_page import OrderField
from db.search.search import prepare
from db.tables.log import CONTENT
from db.tables.operations import BACKFILL
from db.upkeep import check, purge
from domain.paging import page
from domain.words import parse_query
from tests import log
from tests.statements import recorded

SHOWN: Final = {
    "Late": "late",
    "BUS": "bus",
    "Nguyễn": "nguyen",
    "Straße": "strasse",
    "100": "100",
    "the": "the",
    "later": "later",
}
"""Words as they are shown, and as they are compared. None is made of several words."""

DAYS: Final = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))

texts = st.lists(st.sampled_from(sorted(SHOWN)), min_size=1, max_size=5)


@dataclass(frozen=True)
class Written:
    """A message of the tests: its texts in words."""

    subject: Sequence[str]
    body: Sequence[str]
    is_html: bool
    text: Sequence[str] | None
    script: Sequence[str] | None
    school: str | None

    @property
    def texts(self) -> list[list[str]]:
        given = (self.subject, self.body, self.text, self.script)
        return [[SHOWN[word] for word in text] for text in given if text is not None]


messages = st.builds(
    Written,
    subject=texts,
    body=texts,
    is_html=st.booleans(),
    text=st.none() | texts,
    script=st.none() | texts,
    school=st.sampled_from([None, "east", "west"]),
)
Term = tuple[str, ...]
"""A word, or a phrase of several."""

terms = st.lists(
    st.lists(st.sampled_from([*SHOWN, "nowhere"]), min_size=1, max_size=3).map(tuple),
    min_size=1,
    max_size=3,
)


def spelled(terms: Sequence[Term]) -> str:
    return " ".join(f'"{" ".join(term)}"' if len(term) > 1 else term[0].upper() for term in terms)


def has(written: Written, term: Term) -> bool:
    """Whether the words of a term are next to one another in one of the texts."""
    wanted = [SHOWN.get(word, word) for word in term]
    return any(
        text[start : start + len(wanted)] == wanted
        for text in written.texts
        for start in range(len(text))
    )


def lines(district: str, corpus: Sequence[Written]) -> list[bytes]:
    written = [
        log.district(district),
        log.school("east", district=district),
        log.school("west", district=district),
    ]
    for number, one in enumerate(corpus):
        body = " ".join(one.body)
        written.append(
            log.message(
                str(number),
                district=district,
                school=one.school,
                subject=", ".join(one.subject),
                body=f"<p>{body}</p><script>nowhere</script>" if one.is_html else body,
                body_format="HTML" if one.is_html else "PLAIN",
                text_body=None if one.text is None else "\n".join(one.text),
                voice_script=None if one.script is None else " - ".join(one.script),
            )
        )
    return written


async def found(
    database: Database,
    typed: str,
    *,
    district: str,
    schools: Sequence[str] = (),
    sort: Sequence[tuple[OrderField, bool]] = ((OrderField.CREATED_AT, True),),
) -> set[str]:
    """Return the external ids of the messages that a search finds, which are as many as it counts."""
    visibility = await log.visibility(database, district=district, schools=schools)
    criteria = Criteria(*DAYS, text=parse_query(typed))
    async with database.reading() as connection:
        ready = await prepare(connection, criteria, visibility=visibility)
        rows = await log_page.page_of(
            connection,
            ready,
            order=log_page.order(sort, scope=""),
            page=page(first=None, after=None, last=None, before=None),
        )
        assert len(rows.rows) == await facets.count(connection, ready)
    return {row.external_id for row in rows.rows}


@pytest.fixture(params=[(0, 0), (1, 20_000), (2_000, 20_000)], ids="few, most: {}".format)
def most_listed(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """With small values, SQLite lists no messages, or reads them in the order of the page."""
    few, most = request.param
    monkeypatch.setattr(search, "FEW", few)
    monkeypatch.setattr(message_words, "MOST_LISTED", most)


_districts = map("d{}".format, itertools.count())
sorts = st.lists(
    st.tuples(st.sampled_from(OrderField), st.booleans()),
    min_size=1,
    max_size=2,
    unique_by=lambda sort: sort[0],
)


@pytest.mark.usefixtures("most_listed")
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    corpus=st.lists(messages, min_size=1, max_size=6),
    asked=st.lists(st.tuples(terms, sorts), min_size=6, max_size=6),
    schools=st.sampled_from([(), ("east",), ("west", "elsewhere")]),
)
async def test_a_search_finds_the_messages_with_all_the_words_and_phrases(
    database: Database,
    corpus: Sequence[Written],
    asked: Sequence[tuple[Sequence[Term], Sequence[tuple[OrderField, bool]]]],
    schools: Sequence[str],
) -> None:
    district = next(_districts)
    await log.load(database, *lines(district, corpus))
    for wanted, sort in asked:
        expected = {
            str(number)
            for number, written in enumerate(corpus)
            if all(has(written, term) for term in wanted)
            and (not schools or written.school in schools)
        }
        typed = spelled(wanted)
        answer = await found(database, typed, district=district, schools=schools, sort=sort)
        assert answer == expected, typed


ODD = ["AND", '"or" OR', "*", "late*", "la", "^late", "words : late", "' OR 1=1", "100%", "b_s"]


@pytest.mark.usefixtures("most_listed")
@pytest.mark.parametrize("typed", ODD)
async def test_signs_of_query_languages_are_plain_characters(
    database: Database, typed: str
) -> None:
    query = parse_query(typed)
    corpus = [Written([word], ["the"], False, None, None, None) for word in SHOWN]
    await log.load(database, *lines("d", corpus))
    if not query.words:
        return

    expected = {str(number) for number, word in enumerate(SHOWN) if query.words == (SHOWN[word],)}

    assert await found(database, typed, district="d") == expected


async def test_after_a_purge_only_the_words_of_the_subject_are_found(database: Database) -> None:
    corpus = [Written(["Late"], ["BUS"], False, ["100"], ["Straße"], None)] * 2
    await log.load(database, *lines("d", corpus))
    async with database.writing() as connection:
        assert await purge.begin(connection, 1, before=DAYS[1], now=log.NOON)

    answers = {typed: await found(database, typed, district="d") for typed in SHOWN}

    assert answers == {
        "Late": {"0", "1"},
        **{typed: {"1"} for typed in ("BUS", "100", "Straße")},
        **{typed: set() for typed in ("Nguyễn", "the", "later")},
    }
    async with database.writing() as connection:
        assert await check.faults_of_search(connection) == []


@pytest.mark.parametrize("rows", [1, 2, 500])
async def test_messages_from_before_an_upgrade_are_found_after_the_backfill(
    database: Database, monkeypatch: pytest.MonkeyPatch, rows: int
) -> None:
    monkeypatch.setattr(words_backfill, "ROWS", rows)
    corpus = [Written([word], ["the"], True, None, None, None) for word in SHOWN]
    await log.load(database, *lines("d", corpus))
    async with database.reading() as connection:
        today = (await connection.scalars(select(CONTENT.c.words))).all()
    async with database.writing() as connection:
        await connection.execute(update(CONTENT).values(words=""))
        await connection.execute(delete(BACKFILL).where(BACKFILL.c.name == "words of messages"))
    assert await found(database, "the", district="d") == set()

    await backfills.run(database)

    assert len(await found(database, "the", district="d")) == len(corpus)
    async with database.writing() as connection:
        assert sorted(await connection.scalars(select(CONTENT.c.words))) == sorted(today)
        assert await check.faults_of_search(connection) == []


@pytest.mark.parametrize("typed", ["nowhere", "late", "the"])
async def test_a_page_is_read_with_the_same_number_of_statements_for_few_and_for_many(
    database: Database, typed: str
) -> None:
    counts = []
    for size in (1, 50):
        corpus = [Written(["Late"], ["the"], False, None, None, None)] * size
        await log.load(database, *lines(f"d{size}", corpus))
        with recorded(database) as statements:
            await found(database, typed, district=f"d{size}")
        counts.append(len(statements))

    assert counts[0] == counts[1]
