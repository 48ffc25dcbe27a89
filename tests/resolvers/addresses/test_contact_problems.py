"""The worklist: which addresses are in it, in which order, with what counts, and how a problem is resolved."""

from datetime import timedelta
from typing import Any, Final

import pytest

from db.connect.database import Database
from db.derived.addresses import problems
from domain.status import DeliveryStatus
from domain.viewer import Right, Viewer
from resolvers.addresses.resolution import LONGEST_NOTE
from tests.log import NOON, district, email, load, message, recipient, school, text, viewer, voice
from tests.operations import ask, refusals
from tests.resolvers.world import World

PROBLEMS: Final = """query($filter: ContactProblemFilter, $first: Int, $after: String) {
  contactProblems(filter: $filter, first: $first, after: $after) {
    totalCount counts { kind count } pageInfo { endCursor hasNextPage }
    nodes { kind since failures reason advice resolvedAt resolvedBy { name } note
            lastDelivery { id failure { reason advice isPermanent } provider }
            address { id kind value failures lastUsedAt lastReachedAt lastFailedAt optedOutAt
                      people { name } problem { kind } } } } }"""
RESOLVE: Final = """mutation($id: ID!, $note: String) {
  resolveContactProblem(input: {addressId: $id, note: $note}) { __typename
    ... on ResolveContactProblemSuccess { address { id problem { kind resolvedAt resolvedBy { name } note } } }
    ... on NotFound { message } } }"""

GONE: Final = "+16125550101"
SILENT: Final = "+16125550102"
FINE: Final = "+16125550103"


def at(minutes: int) -> Any:
    return NOON + timedelta(minutes=minutes)


@pytest.fixture
async def log(database: Database) -> Database:
    """A number that is gone (east and west), one that never answers (east), one that is fine, an email that bounces (west)."""
    await load(
        database,
        district(),
        school("east"),
        school("west"),
        message(
            "M-1",
            [
                recipient("p1", voice(GONE, call_status=3, at=at(1)), name="Gone, Gina"),
                recipient("p2", voice(SILENT, call_status=0, at=at(2)), name="Silent, Sam"),
                recipient("p3", voice(FINE, call_status=5, at=at(3)), name="Fine, Fay"),
            ],
            school="east",
        ),
        message(
            "M-2",
            [
                recipient("p4", voice(GONE, call_status=0, at=at(4)), name="Gone, Gus"),
                recipient(
                    "p5",
                    email("nobody", status=DeliveryStatus.FAILED, at=at(5)),
                    name="Bounce, Bea",
                ),
            ],
            school="west",
        ),
        message(
            "M-3",
            [
                recipient(
                    "p2",
                    voice(SILENT, call_status=1, at=at(6)),
                    text(SILENT, call_status=-40, at=at(7)),
                    name="Silent, Sam",
                )
            ],
            school="east",
        ),
    )
    return database


async def worklist(log: Database, who: Viewer | None = None, **filter: Any) -> dict[str, Any]:
    data = await ask(log, PROBLEMS, {"filter": filter}, viewer=who, now=at(60))
    found: dict[str, Any] = data["contactProblems"]
    return found


async def test_the_worklist_has_most_failures_first(log: Database) -> None:
    found = await worklist(log)

    assert [
        (node["address"]["value"], node["kind"], node["failures"], node["reason"])
        for node in found["nodes"]
    ] == [
        (SILENT, "UNREACHABLE", 3, "The carrier could not deliver the text."),
        (GONE, "INVALID", 2, "Nobody answered."),
        ("nobody", "INVALID", 1, "The address cannot be read."),
    ]
    assert (found["totalCount"], found["counts"]) == (
        3,
        [{"kind": "INVALID", "count": 2}, {"kind": "UNREACHABLE", "count": 1}],
    )


async def test_a_shared_address_is_there_once_with_all_its_people(log: Database) -> None:
    _, gone, _ = (await worklist(log))["nodes"]

    assert gone["address"] | {"id": ""} == {
        "id": "",
        "kind": "PHONE",
        "value": GONE,
        "failures": 2,
        "lastUsedAt": at(4).isoformat(),
        "lastReachedAt": None,
        "lastFailedAt": at(4).isoformat(),
        "optedOutAt": None,
        "people": [{"name": "Gone, Gina"}, {"name": "Gone, Gus"}],
        "problem": {"kind": "INVALID"},
    }
    assert gone["since"] == at(1).isoformat()
    assert gone["advice"] == "Correct the address in the student information system."
    assert gone["lastDelivery"]["failure"] == {
        "reason": "Nobody answered.",
        "advice": "Try at another time, or ask the family for another number.",
        "isPermanent": False,
    }


@pytest.mark.parametrize(
    ("filter", "values", "counts"),
    [
        ({"kinds": ["INVALID"]}, [GONE, "nobody"], 2),
        ({"kinds": []}, [], 2),
        ({"minFailures": 2}, [SILENT, GONE], 2),
        ({"minFailures": 0}, [SILENT, GONE, "nobody"], 2),
        ({"minFailures": 4}, [], 0),
        ({"search": "gus"}, [GONE], 1),
        ({"search": "612 555 0102"}, [SILENT], 1),
        ({"search": "nobod"}, ["nobody"], 1),
        ({"search": "fay"}, [], 0),
        ({"search": " "}, [SILENT, GONE, "nobody"], 2),
    ],
)
async def test_each_part_of_the_filter_narrows_the_list(
    log: Database, filter: dict[str, Any], values: list[str], counts: int
) -> None:
    found = await worklist(log, **filter)

    assert [node["address"]["value"] for node in found["nodes"]] == values
    assert (found["totalCount"], len(found["counts"])) == (len(values), counts)


@pytest.mark.parametrize("most", [0, 1, 200])
@pytest.mark.parametrize(
    ("search", "values", "of_east"),
    [
        ("gus", [GONE], []),
        ("gina", [GONE], [GONE]),
        ("gone", [GONE], [GONE]),
        ("calvin", [SILENT], [SILENT]),
        ("s", [SILENT, GONE], [SILENT]),
        ("0102", [SILENT], [SILENT]),
        ("nobod", ["nobody"], []),
        ("fay", [], []),
        ("zzz", [], []),
    ],
)
async def test_a_search_finds_the_same_however_many_people_are_looked_up_first(
    log: Database,
    monkeypatch: pytest.MonkeyPatch,
    search: str,
    values: list[str],
    of_east: list[str],
    most: int,
) -> None:
    # An older name of somebody, and a student, who is found too.
    older = recipient("p5", email("b@nomail.example"), name="Bounce, Gus", student=("s1", "Gus"))
    newer = recipient(
        "p2",
        voice(SILENT, call_status=0, at=at(9)),
        name="Silent, Sam",
        student=("s2", "Kid, Calvin"),
    )
    await load(log, message("M-8", [older], school="west"), message("M-9", [newer], school="east"))
    monkeypatch.setattr(problems, "MOST_LOOKED_UP", most)

    found = await worklist(log, search=search)
    east = await worklist(log, viewer(schools=["east"]), search=search)

    assert [node["address"]["value"] for node in found["nodes"]] == values
    assert [node["address"]["value"] for node in east["nodes"]] == of_east
    assert (found["totalCount"], east["totalCount"]) == (len(values), len(of_east))


async def test_schools_narrow_the_list(log: Database) -> None:
    schools = await ask(log, "{ schools { id name } }")
    ids = {school["name"]: school["id"] for school in schools["schools"]}

    west = await worklist(log, schoolIds=[ids["West"]])
    none = await worklist(log, schoolIds=["school.99", "x"])

    assert [node["address"]["value"] for node in west["nodes"]] == [GONE, "nobody"]
    assert (none["nodes"], none["totalCount"], none["counts"]) == ([], 0, [])


async def test_a_viewer_of_one_school_sees_its_addresses_with_the_facts_of_the_district(
    log: Database,
) -> None:
    found = await worklist(log, viewer(schools=["east"]))

    silent, gone = found["nodes"]
    assert (silent["address"]["value"], gone["address"]["value"]) == (SILENT, GONE)
    assert (gone["failures"], found["totalCount"]) == (2, 2)
    assert gone["lastDelivery"] is None, "it belongs to a message of another school"
    assert gone["address"]["people"] == [{"name": "Gone, Gina"}]


async def test_pages_follow_one_another(log: Database) -> None:
    values, after = [], None
    for _ in range(3):
        data = await ask(log, PROBLEMS, {"first": 1, "after": after}, now=at(60))
        found = data["contactProblems"]
        values += [node["address"]["value"] for node in found["nodes"]]
        after = found["pageInfo"]["endCursor"]

    assert values == [SILENT, GONE, "nobody"]
    assert found["pageInfo"]["hasNextPage"] is False


async def test_a_cursor_of_another_filter_is_refused(log: Database) -> None:
    given = await ask(log, PROBLEMS, {"first": 1})
    cursor = given["contactProblems"]["pageInfo"]["endCursor"]

    [(code, _)] = await refusals(log, PROBLEMS, {"after": cursor, "filter": {"minFailures": 2}})
    assert code == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    ("filter", "problem"),
    [
        ({"minFailures": -1}, "filter.minFailures is -1. Give 0 or more."),
        ({"schoolIds": ["x"] * 1_001}, "filter.schoolIds has 1001 values. Give at most 1000."),
        ({"kinds": ["INVALID"] * 1_001}, "filter.kinds has 1001 values. Give at most 1000."),
        (
            {"search": "a\0b"},
            "filter.search holds a NUL character, which is in no text here. Take it out.",
        ),
    ],
)
async def test_a_bad_filter_is_refused(log: Database, filter: dict[str, Any], problem: str) -> None:
    assert await refusals(log, PROBLEMS, {"filter": filter}) == [("BAD_USER_INPUT", problem)]


async def test_the_worklist_needs_the_right_to_see_recipients(log: Database) -> None:
    clerk = viewer(rights=[Right.VIEW_LOG])

    [(code, _)] = await refusals(log, PROBLEMS, viewer=clerk)
    [(of_resolve, _)] = await refusals(log, RESOLVE, {"id": "address.1"}, viewer=clerk)

    assert (code, of_resolve) == ("FORBIDDEN", "FORBIDDEN")


async def test_opening_the_list_and_an_address_is_in_the_audit(database: Database) -> None:
    world = World(database)
    await world.take(message("M-1", [recipient("p1", voice(GONE, call_status=3))]))

    await world.do("{ contactProblems { nodes { kind } } }")
    await world.do('{ node(id: "address.1") { id ... on Address { people { name } } } }')

    assert [row[1:3] for row in await world.audit()] == [
        ("OPEN_CONTACT_PROBLEMS", "district.1"),
        ("OPEN_ADDRESS", "address.1"),
    ]


async def test_a_resolved_problem_is_closed_until_the_next_failure(log: Database) -> None:
    gone = (await worklist(log, kinds=["INVALID"]))["nodes"][0]["address"]["id"]

    data = await ask(log, RESOLVE, {"id": gone, "note": " called  "}, now=at(30))

    assert data["resolveContactProblem"]["address"] == {
        "id": gone,
        "problem": {
            "kind": "INVALID",
            "resolvedAt": at(30).isoformat(),
            "resolvedBy": {"name": viewer().name},
            "note": "called",
        },
    }
    assert gone not in [node["address"]["id"] for node in (await worklist(log))["nodes"]]
    every = (await worklist(log, open=False))["nodes"]
    assert [node["note"] for node in every] == [None, "called", None]
    await load(
        log,
        message("M-9", [recipient("p1", voice(GONE, call_status=0, at=at(31)))], school="east"),
    )
    [again] = [node for node in (await worklist(log))["nodes"] if node["address"]["id"] == gone]
    assert (again["failures"], again["resolvedAt"], again["resolvedBy"], again["note"]) == (
        3,
        None,
        None,
        None,
    )


async def test_a_late_failure_from_before_the_resolution_does_not_open_it(log: Database) -> None:
    gone = (await worklist(log, kinds=["INVALID"]))["nodes"][0]["address"]["id"]
    await ask(log, RESOLVE, {"id": gone}, now=at(30))

    await load(log, message("M-9", [recipient("p1", voice(GONE, call_status=0, at=at(29)))]))

    assert gone not in [node["address"]["id"] for node in (await worklist(log))["nodes"]]


@pytest.mark.parametrize("id", ["address.99", "x", "message.1", "address.3"])
async def test_without_a_visible_problem_nothing_is_resolved(log: Database, id: str) -> None:
    data = await ask(log, RESOLVE, {"id": id}, viewer=viewer(schools=["west"]))

    assert data["resolveContactProblem"]["__typename"] == "NotFound"
    assert (await worklist(log))["totalCount"] == 3


async def test_a_long_note_is_refused_and_changes_nothing(log: Database) -> None:
    note = "x" * (LONGEST_NOTE + 1)

    assert await refusals(log, RESOLVE, {"id": "address.1", "note": note}) == [
        ("BAD_USER_INPUT", "input.note has 1001 characters. Give a note of at most 1000.")
    ]
    assert (await worklist(log))["totalCount"] == 3


async def test_the_addresses_of_a_person_are_there_last_used_first(log: Database) -> None:
    await load(
        log,
        message(
            "M-8",
            [recipient("p2", voice(FINE, call_status=5, at=at(50)), name="Silent, Sam")],
            school="west",
        ),
    )
    document = "{ people: nodes(ids: [%s]) { ... on Person { name addresses { value } } } }"
    ids = ", ".join(f'"person.{n}"' for n in range(1, 6))

    whole = await ask(log, document % ids)
    east = await ask(log, document % ids, viewer=viewer(schools=["east"]))

    def of(data: Any) -> dict[str, list[str]]:
        return {
            one["name"]: [address["value"] for address in one["addresses"]]
            for one in data["people"]
            if one is not None
        }

    assert of(whole)["Silent, Sam"] == [FINE, SILENT]
    assert of(east)["Silent, Sam"] == [SILENT]


async def test_a_delivery_says_who_took_it_and_why_it_failed(database: Database) -> None:
    world = World(database)
    await world.send(message("M-1", [recipient("p1", voice())], status=None))

    data = await world.do(
        '{ message(id: "message.1") { deliveries { nodes { provider failure { reason } } } } }'
    )

    assert data["deliveries"]["nodes"] == [{"provider": "provider", "failure": None}]
