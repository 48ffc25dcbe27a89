"""`Message.outcomes`: as many recipients as the list with that outcome has, by the rules of the manual."""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any, NamedTuple

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from db.connect.database import Database
from db.log.recipients import RecipientOutcome
from db.upkeep import purge
from domain.status import DeliveryMode, DeliveryStatus
from domain.viewer import Right
from tests.log import NOON, device, district, load, message, message_ids, recipient, viewer
from tests.operations import EVER, ask
from tests.statements import recorded

OUTCOMES = """query($id: ID!) { message(id: $id) { outcomes { outcome count } } }"""
LISTS = "".join(
    f" {outcome}: recipients(outcome: {outcome}, first: 0) {{ totalCount }}"
    for outcome in RecipientOutcome
)
NUMBERS: Iterator[int] = itertools.count(1)


class Sent(NamedTuple):
    """What was sent to a recipient in one way, and what became of it."""

    mode: DeliveryMode
    status: DeliveryStatus
    is_answered: bool

    @property
    def call_status(self) -> int | None:
        if self.mode in (DeliveryMode.VOICE, DeliveryMode.TEXT) and self.is_answered:
            return {DeliveryMode.VOICE: 5, DeliveryMode.TEXT: -27}[self.mode]
        return None


sent = st.builds(
    Sent, st.sampled_from(DeliveryMode), st.sampled_from(DeliveryStatus), st.booleans()
)
people = st.lists(st.lists(sent, max_size=4), max_size=5)


def lines(everybody: Sequence[Sequence[Sent]], id: str) -> bytes:
    """A message of history to these people, each with addresses of their own."""
    listed = []
    for number, devices in enumerate(everybody):
        addresses = {
            DeliveryMode.INBOX: "account{}-{}",
            DeliveryMode.EMAIL: "mail{}-{}@nomail.example",
            DeliveryMode.VOICE: "+161255{}0{:02}",
            DeliveryMode.TEXT: "+161255{}1{:02}",
        }
        given = [
            device(
                one.mode,
                addresses[one.mode].format(10 + number, place),
                status=one.status,
                call_status=one.call_status,
                at=NOON,
            )
            for place, one in enumerate(devices)
        ]
        listed.append(recipient(f"p{number}", *given))
    return message(id, listed)


def recount(everybody: Sequence[Sequence[Sent]]) -> Mapping[str, int]:
    """The counts by the words of the contract."""
    counts = dict.fromkeys(map(str, RecipientOutcome), 0)
    for devices in everybody:
        reached = any(
            one.call_status is not None
            or (
                one.mode in (DeliveryMode.INBOX, DeliveryMode.EMAIL)
                and one.status in (DeliveryStatus.SENT, DeliveryStatus.DELIVERED)
            )
            for one in devices
        )
        statuses = {one.status for one in devices}
        counts["REACHED" if reached else "NOT_REACHED"] += 1
        counts["HAS_FAILURE"] += DeliveryStatus.FAILED in statuses
        counts["NO_DEVICE"] += not devices
        counts["PENDING"] += bool(statuses & {DeliveryStatus.PENDING, DeliveryStatus.IN_PROGRESS})
    return counts


def counted(answer: Sequence[Mapping[str, Any]]) -> Mapping[str, int]:
    assert [one["outcome"] for one in answer] == list(RecipientOutcome)
    return {one["outcome"]: one["count"] for one in answer}


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(everybody=people)
async def test_the_counts_are_those_of_the_lists_and_of_a_recount(
    database: Database, everybody: Sequence[Sequence[Sent]]
) -> None:
    id = f"M-{next(NUMBERS)}"
    await load(database, district(), lines(everybody, id))
    key = {"id": f"message.{(await message_ids(database))[id]}"}

    shown = await ask(database, OUTCOMES, key)
    listed = await ask(database, f"query($id: ID!) {{ message(id: $id) {{ {LISTS} }} }}", key)

    counts = counted(shown["message"]["outcomes"])
    assert counts == {name: list_["totalCount"] for name, list_ in listed["message"].items()}
    assert counts == recount(everybody)


async def test_who_may_not_see_recipients_reads_the_same_counts_and_opens_nobody(
    database: Database,
) -> None:
    call = Sent(DeliveryMode.VOICE, DeliveryStatus.DELIVERED, True)
    await load(database, district(), lines([[call], []], "M-1"))
    masked = viewer(rights=[Right.VIEW_LOG])

    shown = await ask(database, OUTCOMES, {"id": "message.1"}, viewer=masked)
    trail = await ask(database, "{ auditTrail { nodes { action } } }")

    assert counted(shown["message"]["outcomes"]) == recount([[call], []])
    assert [entry["action"] for entry in trail["auditTrail"]["nodes"]] == ["OPEN_AUDIT"]


async def test_a_purged_message_has_no_counts(database: Database) -> None:
    await load(database, district(), message(recipients=[recipient("p1")]))
    async with database.writing() as connection:
        assert await purge.begin(connection, 1, before=NOON + timedelta(days=1), now=NOON)

    shown = await ask(database, OUTCOMES, {"id": "message.1"})

    assert shown == {"message": {"outcomes": []}}


async def test_the_counts_of_five_hundred_messages_take_as_many_statements_as_those_of_one(
    database: Database,
) -> None:
    call = Sent(DeliveryMode.VOICE, DeliveryStatus.DELIVERED, True)
    await load(database, district(), *[lines([[call]], f"M-{number}") for number in range(500)])
    document = f"""query($size: Int!) {{ messages(createdBetween: {EVER}, first: $size) {{
        nodes {{ outcomes {{ outcome count }} }} }} }}"""

    taken = []
    for size in (1, 50, 500):
        with recorded(database) as statements:
            data = await ask(database, document, {"size": size})
        shown = [counted(node["outcomes"]) for node in data["messages"]["nodes"]]
        assert shown == [recount([[call]])] * size
        taken.append(sum(not statement.text.startswith("BEGIN") for statement in statements))

    # the district, the page, the counts
    assert taken == [3, 3, 3]
