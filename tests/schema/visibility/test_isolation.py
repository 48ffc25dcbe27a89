"""A viewer sees nothing of another district, or of schools that its token does not name, by no field and by no id."""

from collections.abc import Iterable
from datetime import timedelta
from itertools import product
from typing import Any, NamedTuple

import pytest

from db.connect.database import Database
from domain.errors import Forbidden
from domain.ids import WIDTHS, Kind, spell
from domain.message import Source
from domain.viewer import Viewer
from tests.log import NOON, email, load, message, person_ids, recipient, viewer
from tests.operations import EVER, ask, execute, refusals
from tests.schema.visibility.origins import ORIGINS, ids_of, load_origins
from tests.schema.visibility.walk import Seen, all_places, follow, places_walked, walk

pytestmark = pytest.mark.usefixtures("unlimited")


class Onlooker(NamedTuple):
    """A viewer, whose messages it sees, and words that stand in texts of all others."""

    viewer: Viewer
    sees: frozenset[str]
    foreign: frozenset[str]


def onlooker(*sees: str, **limits: Any) -> Onlooker:
    others = ORIGINS.keys() - set(sees)
    far = {"south", "sued"} if limits["district"] == "north" else {"north", "nord"}
    return Onlooker(viewer(**limits), frozenset(sees), frozenset(others | far))


ONLOOKERS = {
    "north": onlooker("nordost", "nordwest", "nordweit", district="north"),
    "south": onlooker("suedost", district="south"),
    "north, ost": onlooker("nordost", district="north", schools=["ost"]),
    "north, west": onlooker("nordwest", district="north", schools=["west"]),
    "north, both": onlooker("nordost", "nordwest", district="north", schools=["ost", "west"]),
    "south, ost": onlooker("suedost", district="south", schools=["ost"]),
}
PAIRS = [
    ("north", "south"),
    ("south", "north"),
    ("north, ost", "north, west"),
    ("north, west", "north, ost"),
    ("north, ost", "south, ost"),
    ("north, both", "north"),
]


@pytest.fixture
async def log(database: Database) -> Database:
    await load_origins(database)
    return database


def without_audit(ids: Iterable[str]) -> set[str]:
    """These ids without those of audit entries, which each request adds to: `tests/resolvers/audit/test_audit_entries.py`."""
    return {id for id in ids if not id.startswith(f"{Kind.AUDIT_ENTRY}.")}


def test_the_walk_asks_for_every_field_of_every_type() -> None:
    assert places_walked() == all_places()


async def test_the_walk_sees_whatever_is_there_to_be_seen(log: Database) -> None:
    """Each of these would show what others must not see."""
    seen = await walk(log, ONLOOKERS["north"].viewer, now=NOON)

    assert seen.places_with("nordost") == {
        ("Address", "value"),
        ("Cancellation", "reason"),
        ("ContactProblem", "note"),
        ("Delivery", "address"),
        ("FilterCriterion", "label"),
        ("FilterCriterion", "value"),
        ("InboxItem", "body"),
        ("InboxItem", "subject"),
        ("Message", "body"),
        ("Message", "category"),
        ("Message", "originLabel"),
        ("Message", "replyTo"),
        ("Message", "scheduleId"),
        ("Message", "subject"),
        ("Message", "textBody"),
        ("Message", "voiceScript"),
        ("MessageType", "code"),
        ("MessageType", "label"),
        ("Person", "externalId"),
        ("Person", "name"),
        ("Recipient", "name"),
        ("School", "name"),
        ("Sender", "id"),
        ("Sender", "name"),
        ("Student", "externalId"),
        ("Student", "name"),
    }


@pytest.mark.parametrize("name", ONLOOKERS)
async def test_a_viewer_comes_to_what_belongs_to_it_and_to_nothing_else(
    log: Database, name: str
) -> None:
    looking = ONLOOKERS[name]

    seen = await walk(log, looking.viewer, now=NOON)

    # No list shows the reports on people: who requested one has its id.
    listed = {id for id in await ids_of(log, looking.sees) if not id.startswith(f"{Kind.REPORT}.")}
    assert without_audit(seen.ids) == listed
    assert {word: seen.places_with(word) for word in looking.foreign} == {
        word: set() for word in looking.foreign
    }


async def test_only_what_a_viewer_may_see_is_found_by_guessing_ids(log: Database) -> None:
    """Ids are numbers, and can be guessed: every one that there is or could soon be is tried."""
    guesses = [
        spell(kind, *key)
        for kind, width in WIDTHS.items()
        for key in product(range(20 if width == 1 else 9), *[range(4)] * (width - 1))
    ]
    found: dict[str, set[str]] = {name: set() for name in ONLOOKERS}
    for name, looking in ONLOOKERS.items():
        for start in range(0, len(guesses), 100):
            data = await ask(
                log,
                "query($ids: [ID!]!) { nodes(ids: $ids) { id } }",
                {"ids": guesses[start : start + 100]},
                viewer=looking.viewer,
            )
            found[name] |= without_audit(node["id"] for node in data["nodes"] if node is not None)

    assert found == {name: await ids_of(log, looking.sees) for name, looking in ONLOOKERS.items()}


async def test_an_id_of_somebody_else_leads_nowhere(log: Database) -> None:
    for name, other in PAIRS:
        looking = ONLOOKERS[name]
        foreign = await ids_of(log, ONLOOKERS[other].sees) - await ids_of(log, looking.sees)
        behind = Seen()

        await follow(log, sorted(foreign), behind, viewer=looking.viewer, now=NOON)

        kinds = {id.partition(".")[0] for id in foreign}
        assert kinds >= {"message", "person", "student", "recipient", "delivery"}
        assert kinds >= {"message", "person", "recipient", "delivery", "address", "report"}
        assert (name, other, behind.ids, dict(behind.texts)) == (name, other, set(), {})


async def test_no_filter_finds_anything_of_somebody_else(log: Database) -> None:
    document = f"""query($filter: MessageFilter) {{ messages(createdBetween: {EVER}, filter: $filter) {{
        totalCount nodes {{ id }} facets {{ statuses {{ count }} types {{ count }} schools {{ count }} }} }} }}"""
    nothing: dict[str, list[Any]] = {"statuses": [], "types": [], "schools": []}
    for name, other in PAIRS:
        looking = ONLOOKERS[name]
        foreign = await ids_of(log, ONLOOKERS[other].sees) - await ids_of(log, looking.sees)
        by_text = [
            {field: word}
            for word in sorted(looking.foreign)
            for field in ("subject", "sender", "scheduleId", "recipient", "text")
        ]
        by_choice: list[dict[str, Any]] = [
            {"type": [f"T-{word}" for word in looking.foreign]},
            {"schoolIds": [id for id in foreign if id.startswith("school.")]},
        ]

        for asked in [*by_text, *by_choice]:
            data = await ask(log, document, {"filter": asked}, viewer=looking.viewer)

            assert (asked, data["messages"]["totalCount"]) == (asked, 0)
            assert data["messages"]["nodes"] == []
            if asked in by_text:  # a drop-down offers what there is beside the choice made in it
                assert data["messages"]["facets"] == nothing


async def test_a_shared_address_finds_only_the_viewers_own_messages(log: Database) -> None:
    document = f"""{{ messages(createdBetween: {EVER}, filter: {{recipient: "shared@nomail.example"}}) {{
        nodes {{ id }} }} }}"""
    for looking in ONLOOKERS.values():
        data = await ask(log, document, viewer=looking.viewer)

        own = {id for id in await ids_of(log, looking.sees) if id.startswith("message.")}
        assert {node["id"] for node in data["messages"]["nodes"]} == own


async def test_a_cursor_of_another_district_is_refused(log: Database) -> None:
    document = f"""query($after: String) {{ messages(createdBetween: {EVER}, first: 1, after: $after) {{
        pageInfo {{ endCursor }} }} }}"""
    given = await ask(log, document, viewer=ONLOOKERS["south"].viewer)
    cursor = given["messages"]["pageInfo"]["endCursor"]

    assert await refusals(log, document, {"after": cursor}, viewer=ONLOOKERS["north"].viewer) == [
        (
            "BAD_USER_INPUT",
            "This cursor comes from a list with another filter or order. Begin that list again without a cursor.",
        )
    ]


async def test_a_cursor_of_another_school_leads_only_to_the_viewers_own_messages(
    log: Database,
) -> None:
    document = f"""query($after: String) {{ messages(createdBetween: {EVER}, first: 1, after: $after) {{
        nodes {{ id }} pageInfo {{ endCursor }} }} }}"""
    own = await ids_of(log, ["nordost"])
    cursor, found = None, []
    for _ in range(2):
        # handed over by somebody who may see the whole district, page by page
        given = await ask(log, document, {"after": cursor}, viewer=ONLOOKERS["north"].viewer)
        cursor = given["messages"]["pageInfo"]["endCursor"]
        data = await ask(log, document, {"after": cursor}, viewer=ONLOOKERS["north, ost"].viewer)
        found += [node["id"] for node in data["messages"]["nodes"]]

    assert found
    assert set(found) <= own


async def test_a_message_of_a_scheduler_is_nowhere_before_its_time(log: Database) -> None:
    hour = timedelta(hours=1)
    await load(
        log,
        message(
            "later",
            [recipient("p-later", email("spaeter@nomail.example"), name="Own, spaeter")],
            district="north",
            school="ost",
            type=("T-spaeter", "Type of spaeter"),
            subject="Subject of spaeter",
            source=Source.SCHEDULER,
            scheduled_at=NOON + hour,
            status=None,
        ),
    )
    looking = ONLOOKERS["north, ost"].viewer
    ids = await ids_of(log, ["spaeter"])

    before = await walk(log, looking, now=NOON + hour - timedelta(microseconds=1))
    behind = Seen()
    await follow(log, sorted(ids - before.ids), behind, viewer=looking, now=NOON)
    after = await walk(log, looking, now=NOON + hour)

    assert before.places_with("spaeter") == set()
    assert (behind.ids, dict(behind.texts)) == (set(), {})
    assert after.ids == before.ids | ids
    assert ("Delivery", "address") in after.places_with("spaeter")


async def test_a_name_that_another_school_gave_a_person_is_not_seen(log: Database) -> None:
    """A person has the name that came last; a viewer sees the last one that came to it."""
    await load(
        log,
        message(
            "renamed",
            [recipient("p1", name="Renamed, elsewhere")],
            district="north",
            school="west",
            created_at=NOON + timedelta(days=1),
        ),
    )
    shared = (await person_ids(log, district="north"))["p1"]
    document = f'{{ person(id: "person.{shared}") {{ name }} }}'

    names = {
        name: (await ask(log, document, viewer=ONLOOKERS[name].viewer))["person"]["name"]
        for name in ("north", "north, ost", "north, west")
    }

    assert names == {
        "north": "Renamed, elsewhere",
        "north, ost": "Shared, north",
        "north, west": "Renamed, elsewhere",
    }


async def test_a_viewer_of_an_unknown_district_is_forbidden_with_the_reason(
    log: Database,
) -> None:
    with pytest.raises(Forbidden) as refused:
        await execute(log, "{ viewer { id } }", viewer=viewer(district="nowhere"))

    assert refused.value.message == (
        "The log has no district 'nowhere', for which you are signed in. Nothing was sent there yet."
    )


async def test_a_viewer_of_unknown_schools_is_forbidden_instead_of_seeing_an_empty_district(
    log: Database,
) -> None:
    with pytest.raises(Forbidden) as refused:
        await execute(
            log, "{ viewer { id } }", viewer=viewer(district="north", schools=["sued", "aus"])
        )

    assert refused.value.message == (
        "The log has none of the schools for which you are signed in: aus, sued. Nothing was sent there yet."
    )


async def test_a_school_of_another_district_with_the_same_id_opens_nothing(
    log: Database,
) -> None:
    """Both districts have a school `ost`; a token names one within its own district."""
    data = await ask(
        log,
        "{ schools { name } viewer { schools { name } } }",
        viewer=ONLOOKERS["south, ost"].viewer,
    )

    assert data == {
        "schools": [{"name": "School of suedost"}],
        "viewer": {"schools": [{"name": "School of suedost"}]},
    }
