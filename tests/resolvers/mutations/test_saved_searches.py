"""Saved searches: the viewer's own, by name; only what `messages` would carry out is saved."""

import json
from typing import Any

import pytest
from sqlalchemy import insert, select

from db.connect.database import Database
from db.search.saved_searches import MOST
from db.tables.installation import SAVED_SEARCH
from domain.viewer import Right, Viewer
from tests.log import NOON, district, load, message, school, viewer
from tests.operations import EVER, ask, refusals

SAVE = "mutation($input: SaveSearchInput!) { saveSearch(input: $input) { id name arguments createdAt } }"
LIST = "{ savedSearches { id name arguments createdAt } }"
DELETE = "mutation($id: ID!) { deleteSavedSearch(id: $id) }"
TEN = '{"first": 10}'


@pytest.fixture
async def log(database: Database) -> Database:
    await load(
        database,
        district(),
        school(),
        district("other", name="Other"),
        school("o", district="other"),
    )
    return database


async def save(
    log: Database, name: str, arguments: str = TEN, viewer: Viewer | None = None
) -> dict[str, Any]:
    variables = {"input": {"name": name, "arguments": arguments}}
    saved: dict[str, Any] = (await ask(log, SAVE, variables, viewer=viewer))["saveSearch"]
    return saved


async def refused(
    log: Database, name: str, arguments: str = TEN, viewer: Viewer | None = None
) -> list[tuple[str, str]]:
    """The errors of an attempt to save, after which nothing is saved."""
    before = await rows(log)
    variables = {"input": {"name": name, "arguments": arguments}}
    found = await refusals(log, SAVE, variables, viewer=viewer)
    assert await rows(log) == before
    return found


async def rows(log: Database) -> list[tuple[Any, ...]]:
    async with log.reading() as connection:
        statement = select(SAVED_SEARCH).order_by(SAVED_SEARCH.c.id)
        return [tuple(row) for row in await connection.execute(statement)]


async def names(log: Database, viewer: Viewer | None = None) -> list[str]:
    return [one["name"] for one in (await ask(log, LIST, viewer=viewer))["savedSearches"]]


async def test_searches_are_listed_by_name_whatever_case_and_accents_it_has(log: Database) -> None:
    for name in ("beta", "Álpha", "Gamma", "alpha 2"):
        await save(log, name)

    assert await names(log) == ["Álpha", "alpha 2", "beta", "Gamma"]


async def test_the_arguments_come_back_as_they_were_written(log: Database) -> None:
    arguments = f'{{ "createdBetween": {{"from": "2020-01-01", "to": "2020-01-31"}},\n "filter": {json.dumps({"subject": "Bus ü"})} }}'

    saved = await save(log, "Late buses", arguments)

    assert saved == {
        "id": "saved-search.1",
        "name": "Late buses",
        "arguments": arguments,
        "createdAt": "2020-01-31T18:00:00+00:00",
    }
    assert (await ask(log, LIST))["savedSearches"] == [saved]


@pytest.mark.parametrize("again", ["Late buses", "LATE  BUSES ", "Laté buses"])
async def test_saving_under_the_same_name_replaces_the_search(log: Database, again: str) -> None:
    first = await save(log, "Late buses")
    await save(log, "Other")

    second = await save(log, again, '{"first": 20}')

    assert second["id"] == first["id"]
    assert [(one["name"], one["arguments"]) for one in (await ask(log, LIST))["savedSearches"]] == [
        (second["name"], '{"first": 20}'),
        ("Other", TEN),
    ]


async def test_a_viewer_has_its_own_searches_alone(log: Database) -> None:
    """Another viewer, and one with the same id in another district, see and change nothing of them."""
    mine, others = viewer(), [viewer(id="u2"), viewer(district="other")]
    saved = await save(log, "Mine", viewer=mine)
    for other in others:
        assert await names(log, other) == []
        assert (await ask(log, DELETE, {"id": saved["id"]}, viewer=other)) == {
            "deleteSavedSearch": False
        }
        await save(log, "Mine", '{"first": 1}', viewer=other)

    assert (await ask(log, LIST, viewer=mine))["savedSearches"] == [saved]


@pytest.mark.parametrize(
    "id", ["saved-search.2", "saved-search.x", "message.1", "", "saved-search.9223372036854775808"]
)
async def test_what_is_not_there_cannot_be_deleted(log: Database, id: str) -> None:
    await save(log, "Mine")
    before = await rows(log)

    assert await ask(log, DELETE, {"id": id}) == {"deleteSavedSearch": False}
    assert await rows(log) == before


async def test_a_deleted_search_is_gone(log: Database) -> None:
    saved = await save(log, "Mine")

    assert await ask(log, DELETE, {"id": saved["id"]}) == {"deleteSavedSearch": True}
    assert await names(log) == []


async def test_a_saved_search_is_no_node(log: Database) -> None:
    saved = await save(log, "Mine")

    assert await ask(log, "query($id: ID!) { node(id: $id) { id } }", saved) == {"node": None}


async def test_one_more_than_the_most_is_refused_and_replacing_is_not(log: Database) -> None:
    async with log.writing() as connection:
        await connection.execute(
            insert(SAVED_SEARCH),
            [
                {
                    "district_id": 1,
                    "viewer_id": "u1",
                    "name": f"S {number}",
                    "key": f"s {number}",
                    "arguments": TEN,
                    "created_at": NOON,
                }
                for number in range(MOST)
            ],
        )

    assert await refused(log, "One more") == [
        (
            "BAD_USER_INPUT",
            "You have 100 saved searches, which is the most. Delete one, or save under a name that you have.",
        )
    ]
    assert (await save(log, "s 7", '{"first": 7}'))["arguments"] == '{"first": 7}'
    assert (await save(log, "One more", viewer=viewer(id="u2")))["name"] == "One more"


NAMES = [
    ("", "input.name has no visible character. Give the search a name."),
    (" \u200b\u00a0", "input.name has no visible character. Give the search a name."),
    ("x" * 101, "input.name has 101 characters. Give a name of at most 100."),
    ("a\0", "input.name holds a NUL character, which is in no text here. Take it out."),
]


@pytest.mark.parametrize(("name", "problem"), NAMES)
async def test_a_name_that_nobody_could_read_is_refused(
    log: Database, name: str, problem: str
) -> None:
    assert await refused(log, name) == [("BAD_USER_INPUT", problem)]


async def test_a_name_is_one_line_without_invisible_characters(log: Database) -> None:
    assert (await save(log, " Late\n\u200bbuses "))["name"] == "Late buses"
    assert (await save(log, "x" * 100))["name"] == "x" * 100


ARGUMENTS = [
    ("", "input.arguments is not JSON: "),
    ("{", "input.arguments is not JSON: "),
    ('{"filter": {"subject": "\\ud800"}}', "input.arguments is not JSON: "),
    ("[]", "input.arguments is JSON, but no object. Give the arguments of `messages` by name."),
    ("null", "input.arguments is JSON, but no object. Give the arguments of `messages` by name."),
    (
        '{"limit": 1}',
        "input.arguments: `messages` has no argument 'limit'. It has createdBetween, ",
    ),
    ('{"first": "x"}', "input.arguments: first has a value that it does not take: "),
    ('{"first": 4001}', "input.arguments: first: 4001 is out of range. "),
    ('{"first": 1, "last": 1}', "input.arguments: first and last were both given. "),
    ('{"after": "x"}', "input.arguments: 'x' is not a cursor. "),
    (
        '{"createdBetween": null}',
        "input.arguments: createdBetween has a value that it does not take: ",
    ),
    (
        '{"createdBetween": {"from": "2020-01-01"}}',
        "input.arguments: createdBetween has a value that it does not take: ",
    ),
    (
        '{"createdBetween": {"from": "2020-02-30", "to": "2020-03-01"}}',
        "input.arguments: createdBetween.from has a value that it does not take: ",
    ),
    (
        '{"createdBetween": {"from": "2020-02-02", "to": "2020-02-01"}}',
        "input.arguments: The days end (2020-02-01) before they begin (2020-02-02). ",
    ),
    (
        '{"filter": {"status": ["LOST"]}}',
        "input.arguments: filter.status[0] has a value that it does not take: ",
    ),
    ('{"filter": {"x": 1}}', "input.arguments: filter has a value that it does not take: "),
    (
        '{"filter": {"subject": "a\\u0000"}}',
        "input.arguments: filter.subject holds a NUL character",
    ),
    (
        '{"orderBy": [{"field": "TYPE"}, {"field": "TYPE"}]}',
        "input.arguments: orderBy names a field twice. ",
    ),
    (json.dumps({"filter": {"subject": "x" * 8_000}}), "input.arguments has 8027 characters. "),
]


@pytest.mark.parametrize(("arguments", "problem"), ARGUMENTS)
async def test_arguments_that_no_search_takes_are_refused(
    log: Database, arguments: str, problem: str
) -> None:
    ((code, message),) = await refused(log, "Mine", arguments)

    assert code == "BAD_USER_INPUT"
    assert message.startswith(problem)


SEARCHES: list[dict[str, Any]] = [
    {},
    {"first": None, "filter": None},
    {"last": 4000},
    {"filter": {"status": "SENT", "type": ["A"], "schoolIds": ["school.1"], "mine": True}},
    {
        "createdBetween": {"from": "2020-01-01", "to": "2020-01-31"},
        "filter": {"subject": "bus", "recipient": "Heather", "districtWide": False},
        "orderBy": [{"field": "SENDER", "direction": "DESC"}, {"field": "TYPE"}],
        "first": 50,
    },
]


@pytest.mark.parametrize("arguments", SEARCHES)
async def test_what_is_saved_can_be_searched_for(log: Database, arguments: dict[str, Any]) -> None:
    saved = await save(log, "Mine", json.dumps(arguments))
    days = {"from": "2020-01-01", "to": "2020-12-31"}
    variables = {"createdBetween": days} | json.loads(saved["arguments"])

    data = await ask(
        log,
        """query($createdBetween: DateRange!, $filter: MessageFilter, $orderBy: [MessageOrder!], $first: Int, $last: Int) {
            messages(createdBetween: $createdBetween, filter: $filter, orderBy: $orderBy, first: $first, last: $last) {
                totalCount } }""",
        variables,
    )

    assert data == {"messages": {"totalCount": 0}}


async def test_a_cursor_of_the_same_search_may_be_saved(log: Database) -> None:
    await load(log, message("M-1"), message("M-2"))
    page = f"{{ messages(createdBetween: {EVER}, first: 1) {{ pageInfo {{ endCursor }} }} }}"
    cursor = (await ask(log, page))["messages"]["pageInfo"]["endCursor"]
    days = {"from": "1900-01-01", "to": "9999-12-31"}

    assert await save(log, "Mine", json.dumps({"createdBetween": days, "after": cursor}))


async def test_a_search_that_the_viewer_may_not_make_is_not_saved(log: Database) -> None:
    clerk = viewer(rights=[Right.VIEW_LOG])

    assert await refused(log, "Mine", '{"filter": {"recipient": "Heather"}}', clerk) == [
        (
            "FORBIDDEN",
            "input.arguments: This needs the right VIEW_RECIPIENTS, which your sign-in does not have. "
            "Ask your administrator for it.",
        )
    ]


async def test_without_the_right_to_see_the_log_there_are_none(log: Database) -> None:
    nobody = viewer(rights=set(Right) - {Right.VIEW_LOG})
    problem = "This needs the right VIEW_LOG, which your sign-in does not have. Ask your administrator for it."

    assert await refused(log, "Mine", viewer=nobody) == [("FORBIDDEN", problem)]
    assert await refusals(log, LIST, viewer=nobody) == [("FORBIDDEN", problem)]
    assert await refusals(log, DELETE, {"id": "saved-search.1"}, viewer=nobody) == [
        ("FORBIDDEN", problem)
    ]
