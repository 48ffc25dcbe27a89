"""The promise: receipts in any order, repeated and concurrent, give the same state with exact figures."""

import asyncio
import random
from itertools import count
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from delivery.dispatch.handover import hand_over
from domain.receipts import Receipt
from domain.status import DeliveryStatus, MessageStatus
from tests import log
from tests.delivery.receipts.receiving import hand_over_all, receipt_of, receive
from tests.delivery.world import FakeGateway, World, call, people, text_to
from tests.log import NOON

CODES = [5, 6, 13, 0, 1, 8, 17, -27, -28, -39, -40, -33, -5, 77, None]


STATUSES = [
    DeliveryStatus.IN_PROGRESS,
    DeliveryStatus.SENT,
    DeliveryStatus.DELIVERED,
    DeliveryStatus.FAILED,
    DeliveryStatus.OPTED_OUT,
    None,
]


words = st.tuples(
    st.integers(0, 2),  # person
    st.integers(0, 1),  # device
    st.sampled_from(STATUSES),
    st.sampled_from(CODES),
    st.integers(1, 5),  # seconds
    st.booleans(),
)


_numbers = count(1)


@given(st.lists(words, min_size=1, max_size=7), st.randoms(use_true_random=False), st.booleans())
@settings(
    max_examples=25,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_receipts_in_any_order_and_repetition_give_the_same_state_with_exact_figures(
    world: World, drawn: list[tuple[Any, ...]], dice: random.Random, stopped: bool
) -> None:
    ends = []
    for in_order in (True, False):
        # Person 0 and person 2 share a number; each has a call and a text. No other message goes to these numbers: a person who
        # opts out gets no text of the next one.
        number = next(_numbers)
        shared = [
            log.recipient(
                f"p{person}",
                call(2 * number + person % 2),
                text_to(2 * number + person % 2),
                name="P",
            )
            for person in range(3)
        ]
        message_id = await hand_over_all(world, shared, id=f"M-{number}")
        if stopped:
            await world.cancel(message_id)
        receipts = [
            receipt_of(
                message_id, person, status, code, device=device, after=after, confirmed=confirmed
            )
            for person, device, status, code, after, confirmed in drawn
        ]
        if not in_order:
            receipts += dice.sample(receipts, dice.randint(0, len(receipts)))
            dice.shuffle(receipts)
        while receipts:
            some = receipts[: dice.randint(1, 3)]
            del receipts[: len(some)]
            await receive(world, *some)
            await world.recount(message_id)
        rows = [
            (row.status, row.call_status, row.confirmed, row.at)
            for row in await world.deliveries(message_id)
        ]
        found = await world.message(message_id)
        spans = await world.columns_of(
            f"select mode, started_at, ended_at from span where message_id = {message_id} order by mode",
        )
        ends.append((rows, found.status, found.people_contacted, found.has_open, spans))
    assert ends[0] == ends[1]


async def test_many_receipts_of_many_messages_at_once_are_counted_exactly(world: World) -> None:
    ids = [await hand_over_all(world, people(40, call), id=f"M-{number}") for number in range(3)]
    receipts = [
        receipt_of(message_id, person, after=after)
        for message_id in ids
        for person in range(40)
        for after in (1, 2)
    ]
    random.Random(7).shuffle(receipts)

    changed = await asyncio.gather(
        *(receive(world, *receipts[start::12]) for start in range(12)),
        *(receive(world, *receipts[start::12]) for start in range(12)),
    )

    assert sum(changed) >= 120
    for message_id in ids:
        assert (await world.message(message_id)).people_contacted == 40
        assert await world.status(message_id) is MessageStatus.SENT
    await world.recount()


async def test_concurrent_receipts_claims_and_a_cancel_do_not_deadlock(world: World) -> None:
    """Nothing is handed over twice, and all figures are exact."""
    ids = [await world.load(people(60, call, text_to), id=f"M-{number}") for number in range(3)]
    dice = random.Random(3)

    async def call_back() -> None:
        keys = dice.sample(gateway.keys, min(30, len(gateway.keys)))
        receipts = [Receipt(NOON, DeliveryStatus.DELIVERED, 5, key=key) for key in keys]
        await receive(world, *receipts)

    gateway = world.use(FakeGateway(batch=10, meanwhile=call_back))

    async def stop() -> None:
        await world.cancel(ids[0])
        await world.work()

    async with asyncio.timeout(60):
        await asyncio.gather(
            *(hand_over(world.runtime, message_id, 0) for message_id in ids for _ in range(3)),
            stop(),
        )

    assert len(gateway.keys) == len(set(gateway.keys))
    assert await world.status(ids[0]) in (
        MessageStatus.CANCELED,
        MessageStatus.CANCELED_IN_PROGRESS,
    )
    await world.recount()
