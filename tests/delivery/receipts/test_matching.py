"""In any order, each receipt changes the one delivery that it belongs to; others are kept as unmatched."""

import random
from datetime import timedelta
from itertools import count
from typing import Any, NamedTuple

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from db.connect.database import Database
from db.tables.operations import UNMATCHED_RECEIPT
from delivery.dispatch.handover import hand_over
from delivery.dispatch.resend import resend
from delivery.gateways.base import Accepted, Refused
from delivery.receipts.matching import is_same_address
from delivery.receipts.receipts import apply_receipts
from domain.receipts import Mismatch, Receipt, State, fold
from domain.status import DeliveryMode, DeliveryStatus, EventSource
from tests.delivery.world import FakeGateway, World, mail, people
from tests.log import NOON

PEOPLE = 4
_numbers = count(1)


def batch_gateway(id: str) -> FakeGateway:
    """Return a gateway to a provider that gives all emails of a request one id."""
    return FakeGateway(answer=lambda _: Accepted(id, DeliveryStatus.SENT))


def email_receipt(person: int | str, id: str | None, *, after: int = 1, **more: Any) -> Receipt:
    """Return a receipt without our key, for an address of the test."""
    address = f"p{person}@nomail.example"
    at = NOON + timedelta(seconds=after)
    return Receipt(at, DeliveryStatus.DELIVERED, reference=id, address=address)._replace(**more)


async def reasons(database: Database, gateway: str = "fake") -> list[tuple[Mismatch, int]]:
    """Return the reason and the count of each unmatched receipt, in the order of their first arrival."""
    columns = UNMATCHED_RECEIPT.c
    statement = select(columns.reason, columns.times).where(columns.gateway == gateway)
    async with database.reading() as connection:
        return [tuple(row) for row in await connection.execute(statement.order_by(columns.id))]


async def hear(database: Database, *receipts: Receipt) -> int:
    return await apply_receipts(database, "fake", receipts, source=EventSource.CALLBACK, now=NOON)


@pytest.mark.parametrize(
    ("key", "address", "is_same"),
    [
        ("heather@nomail.example", "Heather@NOMAIL.example", True),
        ("heather@nomail.example", " heather@nomail.example ", True),
        ("heather@nomail.example", "heather2@nomail.example", False),
        ("+16125550101", "+16125550101", True),
        ("+16125550101", "+1 (612) 555-0101", True),
        ("+16125550101;ext=12", "+16125550101", True),
        ("+16125550101", "+16125550102", False),
        ("+16125550101;ext=12", "+16125550101;ext=13", False),
        ("heather@nomail.example", "", False),
        ("heather@nomail.example", "client:heather", False),
    ],
)
def test_an_address_matches_in_every_spelling_of_the_provider(
    key: str, address: str, is_same: bool
) -> None:
    assert is_same_address(key, address) == is_same


async def test_a_receipt_that_fits_two_messages_is_unmatched(world: World) -> None:
    runtime = world.runtime_of(batch_gateway("B"))
    for id in ("M-1", "M-2"):
        await hand_over(runtime, await world.load(people(2, mail), id=id), 0)
    before = await world.everything()

    assert await hear(world.database, email_receipt(1, "B")) == 0

    assert await world.everything() == before
    assert await reasons(world.database) == [(Mismatch.SEVERAL_DELIVERIES, 1)]


async def test_a_receipt_of_a_resent_email_needs_our_key(world: World) -> None:
    gateway = world.use(FakeGateway(answer=lambda _: Refused("no such user")))
    message_id = await world.load(people(1, mail))
    await world.work()

    async def no_announcement(_: object) -> None: ...

    await resend(world.runtime, message_id, modes={DeliveryMode.EMAIL}, announce=no_announcement)
    gateway.answer = lambda _: Accepted("B", DeliveryStatus.SENT)
    await world.work()
    before = await world.everything()

    assert await hear(world.database, email_receipt(0, "B")) == 0
    assert await world.everything() == before
    assert await reasons(world.database) == [(Mismatch.SEVERAL_SENDINGS, 1)]

    assert await hear(world.database, email_receipt(0, "B", key=f"{message_id}.0.0.1")) == 1
    assert (await world.one(message_id)).status is DeliveryStatus.DELIVERED


class Word(NamedTuple):
    """A receipt drawn by Hypothesis."""

    person: int | str
    """An address of the batch, or "x" for another one."""
    status: DeliveryStatus
    after: int
    named_by: str
    """"key", "id", or what makes it unmatched: "other id", "nothing", "wrong key"."""


words = st.builds(
    Word,
    st.sampled_from([*range(PEOPLE), "x"]),
    st.sampled_from([DeliveryStatus.SENT, DeliveryStatus.FAILED, DeliveryStatus.DELIVERED]),
    st.integers(1, 4),
    st.sampled_from(["key", "id", "id", "other id", "nothing", "wrong key"]),
)


def spelled(word: Word, message_id: int, id: str) -> Receipt:
    receipt = email_receipt(word.person, id, after=word.after, status=word.status)
    match word.named_by:
        case "key":
            number = 99 if word.person == "x" else word.person
            return receipt._replace(key=f"{message_id}.{number}.0")
        case "wrong key":
            number = 0 if word.person == "x" else (int(word.person) + 1) % PEOPLE
            return receipt._replace(key=f"{message_id}.{number}.0")
        case "other id":
            return receipt._replace(reference=f"not {id}")
        case "nothing":
            return receipt._replace(reference=None)
    return receipt


@given(st.lists(words, min_size=1, max_size=8), st.randoms(use_true_random=False))
@settings(
    max_examples=20,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_any_order_books_each_receipt_on_its_own_delivery_and_keeps_the_others(
    world: World, said: list[Word], dice: random.Random
) -> None:
    ends = []
    for in_order in (True, False):
        id = f"B-{next(_numbers)}"
        message_id = await world.load(people(PEOPLE, mail), id=id)
        await hand_over(world.runtime_of(batch_gateway(id)), message_id, 0)
        receipts = [spelled(word, message_id, id) for word in said]
        if not in_order:
            dice.shuffle(receipts)
        kept_before = sum(times for _, times in await reasons(world.database))
        while receipts:
            some = receipts[: dice.randint(1, 3)]
            del receipts[: len(some)]
            await hear(world.database, *some)
            await world.recount(message_id)
        kept = sum(times for _, times in await reasons(world.database)) - kept_before
        rows = await world.deliveries(message_id)
        ends.append(([(row.status, row.at) for row in rows], kept))

    assert ends[0] == ends[1]
    states, kept = ends[0]
    belongs = [word for word in said if word.named_by in ("key", "id") and word.person != "x"]
    assert kept == len(said) - len(belongs)
    for person, (status, at) in enumerate(states):
        own = [spelled(word, 1, "") for word in belongs if word.person == person]
        expected = fold(State(DeliveryStatus.SENT, at=NOON), own)
        assert (status, at) == (expected.status, expected.at)
