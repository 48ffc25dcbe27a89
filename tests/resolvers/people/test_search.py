"""A search for people: what finds them, in which order, and what is refused."""

from datetime import timedelta
from typing import Any

import pytest

from db.connect.database import Database
from domain.message import Source
from tests.log import (
    NOON,
    district,
    email,
    inbox,
    load,
    message,
    recipient,
    school,
    school_ids,
    text,
    viewer,
    voice,
)
from tests.operations import ask, refusals
from tests.resolvers.people.searching import CALVIN, EAST, HEATHER, KRIS, SEARCH, WEST, Found, find


@pytest.fixture
async def log(database: Database) -> Database:
    """A family of two schools, and others with names like theirs."""
    await load(
        database,
        district(),
        school("east"),
        school("west"),
        message(
            "M-1",
            [
                recipient(
                    "Par-1",
                    email("Héather@nomail.example"),
                    voice("(612) 555-0101"),
                    name="Nguyễn, Heather",
                    student=("S-1", "Nguyễn, Calvin"),
                ),
                recipient("Par-2", email("tad@nomail.example"), name="Olsen, Tad"),
            ],
            school="east",
        ),
        message(
            "M-2",
            [
                recipient(
                    "Par-3", text("+16125550199"), inbox("kris.portal"), name="Calvin-Nguyen, Kris"
                )
            ],
            school="west",
        ),
    )
    return database


@pytest.mark.parametrize(
    ("typed", "found"),
    [
        # A name begins with the text, then a name holds it; ties by name.
        ("nguyen", [CALVIN, HEATHER, KRIS]),
        ("NGUYỄN,", [CALVIN, HEATHER, KRIS]),
        ("  nguyen,  heather ", [HEATHER]),
        ("calvin", [KRIS, CALVIN]),
        ("heather", [HEATHER]),
        ("ng", [CALVIN, HEATHER, KRIS]),
        ("er", [HEATHER]),
        # An id, whatever its case.
        ("Par-1", [("Par-1", "Par-1")]),
        ("par-1", [("Par-1", "Par-1")]),
        (" PAR\N{NON-BREAKING HYPHEN}1 ", [("Par-1", "Par-1")]),
        ("s-1", [("S-1", "S-1")]),
        ("par", []),  # a part of an id is none
        # An address in any writing.
        ("héather@nomail.example", [("Par-1", "Héather@nomail.example")]),
        ("Heather <HÉATHER@NoMail.example>", [("Par-1", "Héather@nomail.example")]),
        ("mailto:tad@nomail.example", [("Par-2", "tad@nomail.example")]),
        ("612.555.0101", [("Par-1", "+16125550101")]),
        ("+1 (612) 555-0101", [("Par-1", "+16125550101")]),
        ("tel:+16125550199", [("Par-3", "+16125550199")]),
        ("kris.portal", [("Par-3", "kris.portal")]),
        # Plain characters.
        ("%%", []),
        ("__", []),
        ("nobody at all", []),
    ],
)
async def test_people_are_found_best_match_first(log: Database, typed: str, found: Found) -> None:
    assert await find(log, typed) == found


async def test_an_exact_match_comes_before_names(database: Database) -> None:
    await load(
        database,
        district(),
        message(
            recipients=[
                recipient("ann", name="Zebra, Zoe"),
                recipient("p2", name="Annabel"),
                recipient("p3", inbox("ann"), name="Zulu"),
                recipient("p4", name="Ann"),
                recipient("p5", name="Joanna"),
            ]
        ),
    )

    assert await find(database, "ann") == [
        ("ann", "ann"),
        ("p3", "ann"),
        ("p4", "Ann"),
        ("p2", "Annabel"),
        ("p5", "Joanna"),
    ]


@pytest.mark.parametrize(
    ("role", "found"),
    [
        ("CONTACT", [("Par-1", HEATHER[1]), ("Par-3", KRIS[1])]),
        ("STUDENT", [CALVIN]),
        (None, [CALVIN, HEATHER, KRIS]),
    ],
)
async def test_a_role_narrows_the_people(log: Database, role: str | None, found: Found) -> None:
    assert await find(log, "nguyen", role=role) == found


async def test_an_address_belongs_to_its_contact_and_not_to_the_student(log: Database) -> None:
    assert await find(log, "6125550101", role="STUDENT") == []
    assert await find(log, "6125550101", role="CONTACT") == [("Par-1", "+16125550101")]


async def test_a_parent_and_a_child_with_one_id_are_both_found(database: Database) -> None:
    await load(
        database,
        district(),
        message(recipients=[recipient("77", name="Parent", student=("77", "Child"))]),
    )

    data = await ask(database, SEARCH, {"search": "77"})

    assert [edge["node"] for edge in data["people"]["edges"]] == [
        {"__typename": "Student", "externalId": "77"},
        {"__typename": "Person", "externalId": "77"},
    ]


async def test_a_name_that_came_earlier_finds_the_person_once_under_the_name_of_today(
    database: Database,
) -> None:
    await load(
        database,
        district(),
        message("M-1", [recipient("p1", name="Smith, Ada")]),
        message("M-2", [recipient("p1", name="Smythe, Ada")], created_at=NOON + timedelta(days=1)),
    )

    data = (await ask(database, SEARCH, {"search": "smith"}))["people"]

    assert [edge["matched"] for edge in data["edges"]] == ["Smith, Ada"]
    assert data["nodes"] == [{"name": "Smythe, Ada"}]
    assert await find(database, "ada") == [("p1", "Smith, Ada")]
    assert await find(database, "sm") == [("p1", "Smith, Ada")]


async def test_two_writings_of_one_name_show_the_newest(database: Database) -> None:
    await load(
        database,
        district(),
        message("M-1", [recipient("p1", name="Zoe")]),
        message("M-2", [recipient("p1", name="Zoë")]),
    )

    assert await find(database, "zoe") == [("p1", "Zoë")]


async def test_a_shared_address_finds_all_its_people(database: Database) -> None:
    await load(
        database,
        district(),
        message(
            recipients=[
                recipient("p1", email("both@nomail.example"), name="Tad"),
                recipient("p2", email("Both@nomail.example"), name="Heather"),
            ]
        ),
    )

    assert await find(database, "both@nomail.example") == [
        ("p2", "Both@nomail.example"),
        ("p1", "both@nomail.example"),
    ]


async def test_an_address_that_nobody_can_read_finds_its_person_too(database: Database) -> None:
    kris = recipient("p2", email("no address at all"), name="Kris")
    await load(database, district(), message("M-2", [kris], status=None))

    assert await find(database, "no address at all") == [("p2", "no address at all")]


# Only what the viewer may see


@pytest.mark.parametrize(
    ("typed", "east", "west"),
    [
        ("nguyen", [CALVIN, HEATHER], [KRIS]),
        ("Par-1", [("Par-1", "Par-1")], []),
        ("Par-3", [], [("Par-3", "Par-3")]),
        ("6125550101", [("Par-1", "+16125550101")], []),
        ("kris.portal", [], [("Par-3", "kris.portal")]),
    ],
)
async def test_two_viewers_of_two_schools_find_nobody_of_the_other(
    log: Database, typed: str, east: Found, west: Found
) -> None:
    assert await find(log, typed, viewer=EAST) == east
    assert await find(log, typed, viewer=WEST) == west


async def test_a_name_and_an_address_that_another_school_used_find_nobody(log: Database) -> None:
    """The person is known to both schools, under another name and at another address."""
    await load(
        log,
        message(
            "M-3",
            [recipient("Par-1", voice("+16125550177"), name="Maiden, Heather")],
            school="west",
        ),
    )

    found = {
        typed: [await find(log, typed, viewer=who) for who in (EAST, WEST)]
        for typed in ("maiden", "nguyen, h", "6125550177", "6125550101", "heather", "par-1")
    }

    assert found == {
        "maiden": [[], [("Par-1", "Maiden, Heather")]],
        "nguyen, h": [[HEATHER], []],
        "6125550177": [[], [("Par-1", "+16125550177")]],
        "6125550101": [[("Par-1", "+16125550101")], []],
        "heather": [[HEATHER], [("Par-1", "Maiden, Heather")]],
        "par-1": [[("Par-1", "Par-1")], [("Par-1", "Par-1")]],
    }


async def test_the_order_does_not_tell_of_a_name_at_another_school(log: Database) -> None:
    """Sorted by the other name, Heather would come first."""
    await load(log, message("M-3", [recipient("Par-1", name="Aaa Nguyen")], school="west"))

    assert await find(log, "nguyen", viewer=EAST) == [CALVIN, HEATHER]
    assert await find(log, "nguyen", viewer=WEST) == [("Par-1", "Aaa Nguyen"), KRIS]


async def test_schools_narrow_the_people_within_what_the_viewer_sees(log: Database) -> None:
    ids = {name: f"school.{id}" for name, id in (await school_ids(log)).items()}
    both = list(ids.values())

    assert await find(log, "nguyen", schoolIds=[ids["east"]]) == [CALVIN, HEATHER]
    assert await find(log, "nguyen", schoolIds=[ids["west"]]) == [KRIS]
    assert await find(log, "nguyen", schoolIds=both) == [CALVIN, HEATHER, KRIS]
    assert await find(log, "nguyen", schoolIds=both, viewer=WEST) == [KRIS]
    assert await find(log, "nguyen", schoolIds=[ids["east"]], viewer=WEST) == []
    assert await find(log, "nguyen", schoolIds=[]) == []
    assert await find(log, "nguyen", schoolIds=["school.99", "nonsense"]) == []


async def test_nobody_is_found_by_a_message_of_a_scheduler_before_its_time(
    database: Database,
) -> None:
    hour = timedelta(hours=1)
    await load(
        database,
        district(),
        message(
            "M-1",
            [recipient("p1", email(), name="Heather")],
            source=Source.SCHEDULER,
            scheduled_at=NOON + hour,
            status=None,
        ),
    )
    for typed in ("heather", "p1", "heather@nomail.example"):
        before = await find(database, typed, now=NOON + hour - timedelta(microseconds=1))
        after = await find(database, typed, now=NOON + hour)

        assert (typed, before, len(after)) == (typed, [], 1)


async def test_a_person_of_another_district_is_not_found(log: Database) -> None:
    await load(
        log,
        district("north", name="North"),
        message("N-1", [recipient("Par-1", email(), name="Nguyen, Nora")], district="north"),
    )

    assert await find(log, "nguyen", viewer=viewer(district="north")) == [("Par-1", "Nguyen, Nora")]
    assert await find(log, "nora") == []
    assert await find(log, "heather@nomail.example") == []
    assert await find(log, "nguyen") == [CALVIN, HEATHER, KRIS]


# Pages


async def test_pages_go_on_where_the_last_one_ended(log: Database) -> None:
    pages, after = [], None
    for _ in range(3):
        data = await ask(log, SEARCH, {"search": "nguyen", "first": 1, "after": after})
        [edge] = data["people"]["edges"]
        info = data["people"]["pageInfo"]
        after = info["endCursor"]
        assert after == edge["cursor"]
        pages.append((edge["matched"], info["hasPreviousPage"], info["hasNextPage"]))
        assert data["people"]["totalCount"] == 3

    assert pages == [(CALVIN[1], False, True), (HEATHER[1], True, True), (KRIS[1], True, False)]


async def test_an_empty_page_knows_whether_there_is_more(log: Database) -> None:
    data = (await ask(log, SEARCH, {"search": "nguyen", "first": 0}))["people"]

    assert (data["edges"], data["pageInfo"]["hasNextPage"], data["totalCount"]) == ([], True, 3)


@pytest.mark.parametrize(
    "change",
    [{"search": "ngu"}, {"role": "CONTACT"}, {"schoolIds": ["school.1"]}],
    ids=["text", "role", "schools"],
)
async def test_a_cursor_of_another_search_is_refused(log: Database, change: dict[str, Any]) -> None:
    asked = {"search": "nguyen", "first": 1}
    cursor = (await ask(log, SEARCH, asked))["people"]["pageInfo"]["endCursor"]

    [(code, said)] = await refusals(log, SEARCH, {**asked, "after": cursor, **change})

    assert code == "BAD_USER_INPUT"
    assert said.startswith("This cursor comes from a list with another filter or order.")


# Limits


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            {"search": "x"},
            "search is 'x', which has too few visible characters. Give at least 2: a part of a name, or an id, "
            "email address or phone number.",
        ),
        (
            {"search": "  \u200b "},
            "search is '  \\u200b ', which has too few visible characters. Give at least 2: a part of a name, or an id, "
            "email address or phone number.",
        ),
        (
            {"search": ""},
            "search is '', which has too few visible characters. Give at least 2: a part of a name, or an id, "
            "email address or phone number.",
        ),
        (
            {"search": "e\u0301 "},
            "search is 'e\u0301 ', which has too few visible characters. Give at least 2: a part of a name, or an id, "
            "email address or phone number.",
        ),
        (
            {"search": "x" * 201},
            "search has 201 characters. Give at most 200: a name, an id, an email address or a phone number.",
        ),
        (
            {"search": "a\0b"},
            "search holds a NUL character, which is in no text here. Take it out.",
        ),
        (
            {"search": "xy", "schoolIds": ["school.1"] * 1_001},
            "schoolIds has 1001 values. Give at most 1000.",
        ),
        (
            {"search": "xy", "first": 4_001},
            "first: 4001 is out of range. A page has 0 to 4000 rows; go on with a cursor.",
        ),
    ],
)
async def test_what_cannot_be_searched_for_is_refused_with_the_reason(
    log: Database, arguments: dict[str, Any], said: str
) -> None:
    assert await refusals(log, SEARCH, arguments) == [("BAD_USER_INPUT", said)]


@pytest.mark.parametrize("typed", ["xy", "王明", "x" * 200, "\ud800\ud800x"])
async def test_texts_within_the_limits_are_searched(log: Database, typed: str) -> None:
    assert await find(log, typed) == []
