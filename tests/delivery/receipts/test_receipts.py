"""The promise: the state of a delivery depends only on the set of its receipts, and every figure follows at once."""

import asyncio
import random
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.ext.asyncio import AsyncEngine

from db.connect.engine import reading, writing
from db.dispatch import cancel, in_flight
from delivery.dispatch.handover import hand_over
from delivery.dispatch.resend import resend
from delivery.gateways.base import Accepted, Consent, NotAccepted
from delivery.receipts.receipts import take_consents, take_in
from domain.receipts import Receipt
from domain.status import PHONE_MODES, DeliveryStatus, EventSource, MessageStatus
from tests import log
from tests.delivery.world import (
    Clock,
    Event,
    FakeGateway,
    call,
    columns_of,
    deliveries,
    events,
    everything,
    load,
    mail,
    message,
    number_of,
    one,
    people,
    recount,
    runtime_of,
    settle,
    status,
    statuses,
    text_to,
    work,
)
from tests.log import NOON


async def hear(
    engine: AsyncEngine, *receipts: Receipt, source: EventSource = EventSource.CALLBACK
) -> int:
    """Apply receipts of the fake provider. Return how many deliveries changed."""
    return await take_in(engine, "fake", receipts, source=source, now=NOON)


def said(
    message_id: int,
    person: int = 0,
    status: DeliveryStatus | None = DeliveryStatus.DELIVERED,
    code: int | None = 5,
    *,
    device: int = 0,
    after: float = 1,
    **more: Any,
) -> Receipt:
    """Return a receipt for a device of a person, some seconds after noon."""
    at = NOON + timedelta(seconds=after)
    return Receipt(at, status, code, key=f"{message_id}.{person}.{device}", **more)


async def handed_over(engine: AsyncEngine, recipients: list[log.Fields], id: str = "M-1") -> int:
    """Import a message and hand all of it over to the fake provider."""
    message_id = await load(engine, recipients, id=id)
    runtime = runtime_of(engine, Clock(), FakeGateway(batch=500))
    await hand_over(runtime, message_id, 0)
    return message_id


# One


async def test_a_receipt_changes_state_event_figures_and_revision(engine: AsyncEngine) -> None:
    message_id = await handed_over(engine, people(1, call))
    before = (await message(engine, message_id)).revision

    assert await hear(engine, said(message_id, detail="completed")) == 1

    row = await one(engine, message_id)
    assert (row.status, row.call_status, row.at) == (
        DeliveryStatus.DELIVERED,
        5,
        NOON + timedelta(seconds=1),
    )
    assert (await events(engine, row.key))[-1] == Event(
        DeliveryStatus.DELIVERED, 5, EventSource.CALLBACK, "completed"
    )
    found = await message(engine, message_id)
    assert (found.people_contacted, found.status, found.revision) == (
        1,
        MessageStatus.SENT,
        before + 1,
    )
    await recount(engine)


async def test_a_receipt_finds_its_delivery_by_the_provider_s_id_and_the_address(
    engine: AsyncEngine,
) -> None:
    message_id = await handed_over(engine, people(2, call))
    receipt = said(message_id)._replace(
        key=None, reference=f"REF-{message_id}.1.0-1", address=number_of(1)
    )

    assert await hear(engine, receipt) == 1
    assert [row.call_status for row in await deliveries(engine, message_id)] == [None, 5]


@pytest.mark.parametrize(
    "key",
    [
        "1.0.99",
        "4711.0.0",
        "1.0",
        "1.0.0.0.0",
        "x.0.0",
        "1.0.-1",
        "99999999999999999999.0.0",
        "",
        None,
    ],
)
async def test_a_receipt_of_no_delivery_of_ours_changes_nothing(
    engine: AsyncEngine, key: str | None
) -> None:
    message_id = await handed_over(engine, people(1, call))
    before = await everything(engine)

    receipt = said(message_id)._replace(key=key, reference="nobody's")
    assert await hear(engine, receipt) == 0
    assert await everything(engine) == before


async def test_a_provider_s_receipts_apply_only_to_its_own_deliveries(engine: AsyncEngine) -> None:
    message_id = await handed_over(engine, people(1, call))
    before = await everything(engine)

    receipts = [
        said(message_id),
        said(message_id)._replace(key=None, reference=f"REF-{message_id}.0.0-1"),
    ]
    changed = await take_in(engine, "other", receipts, source=EventSource.CALLBACK, now=NOON)
    assert changed == 0
    assert await everything(engine) == before


async def test_a_receipt_with_an_unknown_status_is_kept_and_changes_nothing(
    engine: AsyncEngine,
) -> None:
    message_id = await handed_over(engine, people(1, call))
    before = await one(engine, message_id)

    assert await hear(engine, said(message_id, status=None, code=None, detail="pondering")) == 0

    assert await one(engine, message_id) == before
    assert (await events(engine, before.key))[-1] == Event(
        DeliveryStatus.IN_PROGRESS, None, EventSource.CALLBACK, "pondering"
    )
    await recount(engine)


async def test_every_receipt_is_kept_also_a_repeated_one(
    engine: AsyncEngine,
) -> None:
    message_id = await handed_over(engine, people(1, call))
    late = said(message_id, status=DeliveryStatus.IN_PROGRESS, code=17, after=0.5)

    assert await hear(engine, said(message_id)) == 1
    assert await hear(engine, said(message_id), late) == 0

    row = await one(engine, message_id)
    assert [(e.status, e.call_status) for e in (await events(engine, row.key))[1:]] == [
        (DeliveryStatus.DELIVERED, 5),
        (DeliveryStatus.DELIVERED, 5),
        (DeliveryStatus.IN_PROGRESS, 17),
    ]
    await recount(engine)


async def test_a_poll_with_known_receipts_leaves_no_event(
    engine: AsyncEngine,
) -> None:
    message_id = await handed_over(engine, people(1, call))
    answer = [said(message_id, status=DeliveryStatus.IN_PROGRESS, code=17), said(message_id)]
    assert await hear(engine, *answer, source=EventSource.REFRESH) == 1
    before = await everything(engine)

    assert await hear(engine, *answer, source=EventSource.REFRESH) == 0
    assert await everything(engine) == before


# People


async def test_a_text_that_fails_after_it_was_sent_ends_the_contact(
    engine: AsyncEngine,
) -> None:
    message_id = await handed_over(engine, people(1, text_to))
    await hear(engine, said(message_id, status=DeliveryStatus.SENT, code=-27))
    assert (await message(engine, message_id)).people_contacted == 1
    assert await status(engine, message_id) is MessageStatus.SENT

    await hear(engine, said(message_id, status=DeliveryStatus.FAILED, code=-40, after=2))

    assert (await message(engine, message_id)).people_contacted == 0
    assert (await one(engine, message_id)).status is DeliveryStatus.FAILED
    await recount(engine)


async def test_the_contact_stays_if_another_number_of_the_person_was_reached(
    engine: AsyncEngine,
) -> None:
    both = [log.recipient("p", text_to(0), call(1), name="P")]
    message_id = await handed_over(engine, both)
    await hear(
        engine,
        said(message_id, status=DeliveryStatus.SENT, code=-27),
        said(message_id, device=1, code=6),
    )

    await hear(engine, said(message_id, status=DeliveryStatus.FAILED, code=-40, after=2))

    assert (await message(engine, message_id)).people_contacted == 1
    await recount(engine)


async def test_all_who_share_a_number_are_contacted_by_one_call_and_each_person_counts_once(
    engine: AsyncEngine,
) -> None:
    shared = [
        log.recipient("p1", call(0), student=("s1", "A")),
        log.recipient("p1", call(0), student=("s2", "B")),
        log.recipient("p2", call(0)),
        log.recipient("p3", text_to(0)),
        log.recipient("p4", call(4)),
    ]
    message_id = await handed_over(engine, shared)

    await hear(engine, said(message_id))

    assert (await message(engine, message_id)).people_contacted == 3
    assert await columns_of(engine, "select contacted from recipient order by number") == [
        (True,),
        (True,),
        (True,),
        (True,),
        (False,),
    ]
    await recount(engine)


async def test_in_a_message_of_texts_all_who_share_a_number_change_their_contact_together(
    engine: AsyncEngine,
) -> None:
    shared = [log.recipient(f"p{one}", text_to(number)) for one, number in ((1, 0), (2, 0), (3, 4))]
    message_id = await handed_over(engine, shared)
    flags = "select contacted from recipient order by number"

    await hear(engine, said(message_id, status=DeliveryStatus.SENT, code=-27))
    assert await columns_of(engine, flags) == [(True,), (True,), (False,)]
    await hear(engine, said(message_id, status=DeliveryStatus.FAILED, code=-40, after=2))

    assert await columns_of(engine, flags) == [(False,), (False,), (False,)]
    await recount(engine)


async def test_a_person_who_pressed_zero_is_contacted_with_any_code(engine: AsyncEngine) -> None:
    message_id = await handed_over(engine, people(1, call))

    await hear(engine, said(message_id, status=DeliveryStatus.FAILED, code=8, confirmed=True))

    assert (await message(engine, message_id)).people_contacted == 1
    await recount(engine)


# Cancel, and what was sent again


async def test_a_late_receipt_cannot_revive_a_canceled_delivery_and_shows_that_it_had_left(
    engine: AsyncEngine,
) -> None:
    runtime = runtime_of(engine, Clock(), FakeGateway(answer=lambda _: NotAccepted("busy")))
    message_id = await load(engine, people(2, call))
    await work(runtime)
    async with writing(engine) as connection:
        await cancel.cancel(connection, message_id, by_id="u", by_name="U", reason=None, now=NOON)
    await work(runtime)

    await hear(engine, said(message_id))

    row = (await deliveries(engine, message_id))[0]
    assert (row.status, row.call_status, row.at) == (DeliveryStatus.CANCELED, 5, NOON)
    assert (await events(engine, row.key))[-1].status is DeliveryStatus.DELIVERED
    assert await status(engine, message_id) is MessageStatus.CANCELED
    assert (await message(engine, message_id)).people_contacted == 1
    await recount(engine)


async def test_a_receipt_of_an_earlier_sending_does_not_change_the_current_one(
    engine: AsyncEngine,
) -> None:
    message_id = await handed_over(engine, people(1, call))
    await hear(engine, said(message_id, status=DeliveryStatus.FAILED, code=0))

    async def nobody(_: object) -> None: ...

    runtime = runtime_of(engine, Clock(), FakeGateway())
    await resend(runtime, message_id, modes=PHONE_MODES, announce=nobody)
    await hear(engine, said(message_id))

    row = await one(engine, message_id)
    assert (row.status, row.call_status) == (DeliveryStatus.PENDING, None)
    assert (await events(engine, row.key))[-1].status is DeliveryStatus.DELIVERED
    await work(runtime)
    second = said(message_id)._replace(key=f"{message_id}.0.0.1")
    await hear(engine, second)
    assert (await one(engine, message_id)).status is DeliveryStatus.DELIVERED
    await recount(engine)


async def test_a_receipt_for_a_pending_delivery_prevents_a_second_hand_over(
    engine: AsyncEngine,
) -> None:
    """The database was restored from a backup before the hand-over, or a claim was settled too early."""
    gateway = FakeGateway()
    message_id = await load(engine, people(1, call))

    await hear(
        engine, said(message_id, status=DeliveryStatus.IN_PROGRESS, code=None, reference="R")
    )
    await work(runtime_of(engine, Clock(), gateway))

    assert gateway.given == []
    row = await one(engine, message_id)
    assert (row.status, row.gateway, row.reference) == (DeliveryStatus.IN_PROGRESS, "fake", "R")
    assert row.handed_at is not None
    await recount(engine)


async def test_the_first_receipt_ends_a_claim_that_waits_for_an_answer(
    engine: AsyncEngine,
) -> None:
    runtime = runtime_of(
        engine, Clock(), FakeGateway(answer=lambda h: Accepted(None, DeliveryStatus.SENT))
    )
    message_id = await load(engine, people(1, mail))

    async def called_back() -> None:
        await hear(engine, said(message_id, status=DeliveryStatus.IN_PROGRESS, code=None))

    runtime.gateways[next(iter(runtime.gateways))].meanwhile = called_back  # type: ignore[attr-defined]
    await work(runtime)

    assert await settle(runtime) == 0
    assert await statuses(engine, message_id) == {"SENT": 1}
    await recount(engine)


# Any order, and many at once

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
    engine: AsyncEngine, drawn: list[tuple[Any, ...]], dice: random.Random, stopped: bool
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
        message_id = await handed_over(engine, shared, id=f"M-{number}")
        if stopped:
            async with writing(engine) as connection:
                await cancel.cancel(
                    connection, message_id, by_id=None, by_name=None, reason=None, now=NOON
                )
        receipts = [
            said(message_id, person, status, code, device=device, after=after, confirmed=confirmed)
            for person, device, status, code, after, confirmed in drawn
        ]
        if not in_order:
            receipts += dice.sample(receipts, dice.randint(0, len(receipts)))
            dice.shuffle(receipts)
        while receipts:
            some = receipts[: dice.randint(1, 3)]
            del receipts[: len(some)]
            await hear(engine, *some)
            await recount(engine, message_id)
        rows = [
            (row.status, row.call_status, row.confirmed, row.at)
            for row in await deliveries(engine, message_id)
        ]
        found = await message(engine, message_id)
        spans = await columns_of(
            engine,
            f"select mode, started_at, ended_at from span where message_id = {message_id} order by mode",
        )
        ends.append((rows, found.status, found.people_contacted, found.has_open, spans))
    assert ends[0] == ends[1]


async def test_many_receipts_of_many_messages_at_once_are_counted_exactly(
    engine: AsyncEngine,
) -> None:
    ids = [await handed_over(engine, people(40, call), id=f"M-{number}") for number in range(3)]
    receipts = [
        said(message_id, person, after=after)
        for message_id in ids
        for person in range(40)
        for after in (1, 2)
    ]
    random.Random(7).shuffle(receipts)

    changed = await asyncio.gather(
        *(hear(engine, *receipts[start::12]) for start in range(12)),
        *(hear(engine, *receipts[start::12]) for start in range(12)),
    )

    assert sum(changed) >= 120
    for message_id in ids:
        assert (await message(engine, message_id)).people_contacted == 40
        assert await status(engine, message_id) is MessageStatus.SENT
    await recount(engine)


async def test_concurrent_receipts_claims_and_a_cancel_do_not_deadlock(
    engine: AsyncEngine,
) -> None:
    """Nothing is handed over twice, and all figures are exact."""
    clock = Clock()
    ids = [await load(engine, people(60, call, text_to), id=f"M-{number}") for number in range(3)]
    dice = random.Random(3)

    async def call_back() -> None:
        keys = dice.sample(gateway.keys, min(30, len(gateway.keys)))
        receipts = [Receipt(NOON, DeliveryStatus.DELIVERED, 5, key=key) for key in keys]
        await hear(engine, *receipts)

    gateway = FakeGateway(batch=10, meanwhile=call_back)
    runtime = runtime_of(engine, clock, gateway)

    async def stop() -> None:
        async with writing(engine) as connection:
            await cancel.cancel(connection, ids[0], by_id="u", by_name="U", reason=None, now=NOON)
        await work(runtime)

    async with asyncio.timeout(60):
        await asyncio.gather(
            *(hand_over(runtime, message_id, 0) for message_id in ids for _ in range(3)), stop()
        )

    assert len(gateway.keys) == len(set(gateway.keys))
    assert await status(engine, ids[0]) in (
        MessageStatus.CANCELED,
        MessageStatus.CANCELED_IN_PROGRESS,
    )
    await recount(engine)


# Consents


async def test_the_latest_opt_out_or_opt_in_counts_in_every_district(engine: AsyncEngine) -> None:
    await log.load(engine, log.district(), log.district("north"))
    for id, district in (("M-1", "plainview"), ("N-1", "north")):
        await log.load(
            engine,
            log.message(id, people(2, text_to), district=district, school=None, status=None),
        )
    stop = Consent(NOON, number_of(0), True)
    start = Consent(NOON + timedelta(minutes=1), number_of(0), False)

    async def silent() -> list[tuple[Any, ...]]:
        return await columns_of(
            engine, "select key from address where opted_out_at is not null order by key"
        )

    async with writing(engine) as connection:
        await take_consents(connection, [stop])
    assert await silent() == [(number_of(0),), (number_of(0),)]

    async with writing(engine) as connection:
        await take_consents(connection, [start, stop])
    assert await silent() == []


async def test_a_number_that_opted_out_between_two_messages_gets_the_first_only(
    engine: AsyncEngine,
) -> None:
    gateway = FakeGateway()
    runtime = runtime_of(engine, Clock(), gateway)
    await load(engine, people(1, text_to))
    await work(runtime)
    async with writing(engine) as connection:
        await take_consents(connection, [Consent(NOON, number_of(0), True)])
    second = await load(engine, people(1, text_to), id="M-2")
    await work(runtime)

    assert len(gateway.given) == 1
    assert (await one(engine, second)).status is DeliveryStatus.OPTED_OUT
    async with reading(engine) as connection:
        address_id = (await one(engine, second)).address_id
        assert (await in_flight.targets(connection, [address_id]))[address_id].opted_out
