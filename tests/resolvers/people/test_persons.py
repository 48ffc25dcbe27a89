"""People as a client reads them: their ids, who belongs to whom, and what they were sent."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.connect.database import Database
from domain.message import Source
from domain.people import Role
from domain.viewer import Right
from tests.log import (
    NOON,
    district,
    email,
    load,
    message,
    person_ids,
    recipient,
    school,
    viewer,
)
from tests.operations import ask, refusals

HOUR: Final = timedelta(hours=1)
DAY: Final = timedelta(days=1)
CALVIN: Final = ("s1", "Calvin")
KAREN: Final = ("s2", "Karen")


@pytest.fixture
async def log(database: Database) -> Database:
    """Three contacts of two children, in messages of two schools."""
    heather, tad = "p1", "p2"
    await load(
        database,
        district(),
        school("east"),
        school("west"),
        message(
            "M-1",
            [
                recipient(heather, email(), name="Heather", student=CALVIN),
                recipient(tad, email("tad@nomail.example"), name="Tad", student=CALVIN),
            ],
            school="east",
        ),
        message(
            "M-2",
            [recipient(heather, email(), name="Heather", student=KAREN)],
            school="west",
            created_at=NOON + DAY,
        ),
        message(
            "M-3",
            [recipient("p3", email("kris@nomail.example"), name="Kris", student=CALVIN)],
            school="east",
            created_at=NOON - DAY,
        ),
    )
    return database


async def node(database: Database, id: str, fields: str, **request: Any) -> Any:
    document = f'{{ node(id: "{id}") {{ __typename ... on Person {{ {fields} }} ... on Student {{ {fields} }} }} }}'
    return (await ask(database, document, **request))["node"]


async def contact(database: Database, external_id: str) -> str:
    return f"person.{(await person_ids(database))[external_id]}"


async def student(database: Database, external_id: str) -> str:
    return f"student.{(await person_ids(database, role=Role.STUDENT))[external_id]}"


async def test_a_student_is_found_by_the_id_that_a_recipient_shows(log: Database) -> None:
    data = await ask(
        log,
        '{ message(id: "message.1") { recipients(first: 1) { nodes { student { id name externalId } } } } }',
    )
    [shown] = data["message"]["recipients"]["nodes"]

    found = await node(log, shown["student"]["id"], "id name externalId")

    assert shown["student"] == {
        "id": await student(log, "s1"),
        "name": "Calvin",
        "externalId": "s1",
    }
    assert found == {"__typename": "Student", **shown["student"]}


async def test_a_person_has_the_id_of_the_sending_system(log: Database) -> None:
    assert await node(log, await contact(log, "p2"), "externalId name") == {
        "__typename": "Person",
        "externalId": "p2",
        "name": "Tad",
    }


async def test_a_child_and_a_parent_with_one_external_id_stay_apart(database: Database) -> None:
    await load(
        database,
        district(),
        message("M-1", [recipient("7", email(), name="Parent", student=("8", "Child"))]),
        message(
            "M-2", [recipient("8", email(), name="Other parent", student=("7", "Other child"))]
        ),
    )
    parent, child = await contact(database, "7"), await student(database, "7")

    document = '{ person(id: "%s") { name students { name } } }'
    assert (await ask(database, document % parent))["person"] == {
        "name": "Parent",
        "students": [{"name": "Child"}],
    }
    document = '{ node(id: "%s") { ... on Student { name contacts { name } } } }'
    assert (await ask(database, document % child))["node"] == {
        "name": "Other child",
        "contacts": [{"name": "Other parent"}],
    }
    # The number of the one is no id of the other kind.
    for id in (parent.replace("person", "student"), child.replace("student", "person")):
        assert (await ask(database, f'{{ node(id: "{id}") {{ id }} }}'))["node"] is None


async def test_students_come_latest_first(log: Database) -> None:
    document = '{ person(id: "%s") { students { name } } }' % await contact(log, "p1")

    data = await ask(log, document, now=NOON + 2 * DAY)

    assert data["person"]["students"] == [{"name": "Karen"}, {"name": "Calvin"}]


async def test_contacts_come_latest_first(log: Database) -> None:
    await load(
        log, message("M-4", [recipient("p2", name="Tad", student=CALVIN)], created_at=NOON + HOUR)
    )
    document = '{ node(id: "%s") { ... on Student { contacts { name } } } }'

    data = await ask(log, document % await student(log, "s1"))

    assert data["node"]["contacts"] == [{"name": "Tad"}, {"name": "Heather"}, {"name": "Kris"}]


async def test_people_in_no_list_together_do_not_belong_together(database: Database) -> None:
    await load(database, district(), message("M-1", [recipient("p1", email())]))

    data = await ask(
        database,
        '{ person(id: "%s") { students { name } } }' % await contact(database, "p1"),
    )

    assert data["person"]["students"] == []


async def test_what_was_sent_about_a_student_comes_newest_first_in_pages(log: Database) -> None:
    document = """query($id: ID!, $after: String) { node(id: $id) { ... on Student {
        recipients(first: 2, after: $after) {
            totalCount edges { message { externalId } node { name } } pageInfo { endCursor hasNextPage } } } } }"""
    calvin, pages, after = await student(log, "s1"), [], None
    for _ in range(2):
        data = await ask(log, document, {"id": calvin, "after": after})
        page = data["node"]["recipients"]
        after = page["pageInfo"]["endCursor"]
        pages.append(
            (
                page["totalCount"],
                [(one["message"]["externalId"], one["node"]["name"]) for one in page["edges"]],
                page["pageInfo"]["hasNextPage"],
            )
        )

    assert pages == [
        (3, [("M-1", "Tad"), ("M-1", "Heather")], True),
        (3, [("M-3", "Kris")], False),
    ]


async def test_only_the_days_asked_for_are_shown(log: Database) -> None:
    document = """query($id: ID!) { node(id: $id) { ... on Student {
        recipients(createdBetween: {from: "2020-01-30", to: "2020-01-30"}) { totalCount nodes { name } } } } }"""

    data = await ask(log, document, {"id": await student(log, "s1")})

    assert data["node"]["recipients"] == {"totalCount": 1, "nodes": [{"name": "Kris"}]}


async def test_a_cursor_of_a_contact_is_refused_for_the_student_with_its_number(
    database: Database,
) -> None:
    await load(
        database,
        district(),
        *[message(f"M-{n}", [recipient("p1", student=CALVIN)]) for n in range(2)],
    )
    person, about = (
        f"""query($id: ID!, $after: String) {{ node(id: $id) {{ ... on {of} {{
            recipients(first: 1, after: $after) {{ pageInfo {{ endCursor }} }} }} }} }}"""
        for of in ("Person", "Student")
    )
    data = await ask(database, person, {"id": await contact(database, "p1")})
    cursor = data["node"]["recipients"]["pageInfo"]["endCursor"]

    [(code, _)] = await refusals(
        database, about, {"id": await student(database, "s1"), "after": cursor}
    )

    assert code == "BAD_USER_INPUT"


async def test_a_viewer_of_a_school_sees_only_who_belongs_together_by_its_messages(
    log: Database,
) -> None:
    students = '{ person(id: "%s") { students { name } } }' % await contact(log, "p1")
    contacts = (
        '{ node(id: "%s") { ... on Student { contacts { name } recipients { totalCount } } } }'
    )
    calvin, karen = await student(log, "s1"), await student(log, "s2")
    found: dict[str, Any] = {}
    for name in ("east", "west"):
        who = viewer(schools=[name])
        found[name] = [
            (await ask(log, students, viewer=who))["person"]["students"],
            (await ask(log, contacts % calvin, viewer=who))["node"],
            (await ask(log, contacts % karen, viewer=who))["node"],
        ]

    three = [{"name": "Tad"}, {"name": "Heather"}, {"name": "Kris"}]
    assert found["east"][0] == [{"name": "Calvin"}]
    assert sorted(one["name"] for one in found["east"][1]["contacts"]) == sorted(
        one["name"] for one in three
    )
    assert found["east"][1]["recipients"] == {"totalCount": 3}
    assert found["east"][2] is None
    assert found["west"] == [
        [{"name": "Karen"}],
        None,
        {"contacts": [{"name": "Heather"}], "recipients": {"totalCount": 1}},
    ]


async def test_the_name_of_a_student_is_the_last_one_that_came_to_the_viewer(
    log: Database,
) -> None:
    await load(
        log, message("M-4", [recipient("p1", student=("s1", "Calvin renamed"))], school="west")
    )
    calvin = await student(log, "s1")

    names = [
        (await node(log, calvin, "name", viewer=viewer(schools=[name])))["name"]
        for name in ("east", "west")
    ]

    assert names == ["Calvin", "Calvin renamed"]


async def test_a_message_of_a_scheduler_relates_nobody_before_its_time(database: Database) -> None:
    await load(
        database,
        district(),
        message(
            "M-1",
            [recipient("p1", email(), student=CALVIN)],
            source=Source.SCHEDULER,
            scheduled_at=NOON + HOUR,
            status=None,
        ),
    )
    calvin = await student(database, "s1")

    before = await node(database, calvin, "name", now=NOON + HOUR - timedelta(microseconds=1))
    after = await node(database, calvin, "name", now=NOON + HOUR)

    assert before is None
    assert after == {"__typename": "Student", "name": "Calvin"}


@pytest.mark.parametrize(
    "fields",
    ["students { name }", "recipients { totalCount }"],
)
async def test_what_is_behind_a_person_needs_view_log(log: Database, fields: str) -> None:
    document = f'{{ person(id: "{await contact(log, "p1")}") {{ {fields} }} }}'

    assert await refusals(log, document, viewer=viewer(rights=[Right.VIEW_RECIPIENTS])) == [
        (
            "FORBIDDEN",
            "This needs the right VIEW_LOG, which your sign-in does not have. Ask your administrator for it.",
        )
    ]


Sent = Sequence[tuple[int, int, int, str]]
"""Hours after noon, contact, student (0: none) and school."""


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    sent=st.lists(
        st.tuples(
            st.integers(-2, 2), st.integers(1, 3), st.integers(0, 2), st.sampled_from(["e", "w"])
        ),
        max_size=8,
    ),
    schools=st.sampled_from([(), ("e",), ("w",), ("e", "w")]),
)
async def test_who_belongs_together_equals_a_recount_from_the_messages(
    database: Database, sent: Sent, schools: tuple[str, ...]
) -> None:
    global _districts
    _districts += 1
    known_as = f"d{_districts}"
    await load(
        database,
        district(known_as),
        school("e", district=known_as),
        school("w", district=known_as),
        *[
            message(
                f"M-{n}",
                [recipient(f"p{who}", student=(f"s{about}", f"S{about}") if about else None)],
                district=known_as,
                school=of,
                created_at=NOON + hours * HOUR,
            )
            for n, (hours, who, about, of) in enumerate(sent)
        ],
    )
    seen = [
        (hours, n, who, about)
        for n, (hours, who, about, of) in enumerate(sent)
        if of in (schools or ("e", "w"))
    ]
    expected = {
        f"p{person}": [
            f"s{about}"
            for _, _, about in sorted(
                (
                    (
                        max(hours for hours, _, w, a in seen if (w, a) == (person, about)),
                        max(n for _, n, w, a in seen if (w, a) == (person, about)),
                        about,
                    )
                    for about in {a for _, _, w, a in seen if w == person and a}
                ),
                reverse=True,
            )
        ]
        for person in {who for _, _, who, _ in seen}
    }
    found: dict[str, list[str]] = {}
    for external_id, id in (await person_ids(database, district=known_as)).items():
        data = await ask(
            database,
            f'{{ person(id: "person.{id}") {{ students {{ externalId }} }} }}',
            viewer=viewer(district=known_as, schools=schools),
        )
        if data["person"] is not None:
            found[external_id] = [one["externalId"] for one in data["person"]["students"]]

    assert found == expected


_districts = 0
