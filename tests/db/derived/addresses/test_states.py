"""The promise: the state of an address follows from its deliveries, after any order of events."""

import asyncio
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any, Final

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from db.derived.addresses.states import recount
from db.migrations import backfills
from db.tables.addresses import ADDRESS_FAILURES
from db.tables.log import ADDRESS
from db.tables.operations import BACKFILL
from delivery.dispatch.resend import resend
from delivery.gateways.base import Consent
from delivery.receipts.receipts import apply_receipts, store_consents
from delivery.upkeep.purge import run_purge
from domain.delivery_failures import ProblemKind
from domain.receipts import Receipt
from domain.status import DeliveryMode, DeliveryStatus, EventSource
from resolvers.audit.recount import check
from tests import log
from tests.address_states import recount_addresses
from tests.delivery.receipts.receiving import hand_over_all
from tests.delivery.upkeep.purges import purge_of
from tests.delivery.world import World, call, mail, number_of, people, text_to
from tests.log import NOON

PHONE: Final = number_of(0)
MAIL: Final = "p0@nomail.example"


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


async def problem_of(world: World, key: str) -> tuple[str | None, int]:
    """Return the kind of the problem of an address, and its failures in a row."""
    statement = (
        select(ADDRESS_FAILURES.c.kind, ADDRESS_FAILURES.c.failures)
        .join(ADDRESS, ADDRESS.c.id == ADDRESS_FAILURES.c.address_id)
        .where(ADDRESS.c.key == key)
    )
    async with world.database.reading() as connection:
        row = (await connection.execute(statement)).first()
    return (None, 0) if row is None else (row.kind and row.kind.value, row.failures)


async def has_row(world: World) -> bool:
    async with world.database.reading() as connection:
        return (await connection.execute(select(ADDRESS_FAILURES))).first() is not None


async def say(
    world: World,
    message_id: int,
    status: DeliveryStatus,
    minutes: float,
    *,
    device: int = 0,
    **more: Any,
) -> None:
    """Have the provider report an outcome of the first person's device."""
    receipt = Receipt(at(minutes), status, key=f"{message_id}.0.{device}", **more)
    await apply_receipts(
        world.database, "fake", [receipt], source=EventSource.CALLBACK, now=at(minutes)
    )


async def test_an_address_that_never_failed_has_no_row(world: World) -> None:
    message_id = await hand_over_all(world, people(1, call))
    await say(world, message_id, DeliveryStatus.DELIVERED, 1, code=5)

    assert not await has_row(world)


async def test_three_failures_over_two_messages_make_an_address_unreachable(world: World) -> None:
    first = await hand_over_all(world, people(1, call, text_to), id="M-1")
    await say(world, first, DeliveryStatus.FAILED, 1, code=0)
    await say(world, first, DeliveryStatus.FAILED, 2, code=-40, device=1)
    assert await problem_of(world, PHONE) == (None, 2)

    second = await hand_over_all(world, people(1, call), id="M-2")
    await say(world, second, DeliveryStatus.FAILED, 3, code=1)
    assert await problem_of(world, PHONE) == ("UNREACHABLE", 3)

    third = await hand_over_all(world, people(1, call), id="M-3")
    await say(world, third, DeliveryStatus.DELIVERED, 4, code=6)
    assert await problem_of(world, PHONE) == (None, 0)
    await recount_addresses(world.database)


async def test_a_late_failure_from_before_the_last_arrival_does_not_count(world: World) -> None:
    first = await hand_over_all(world, people(1, call), id="M-1")
    second = await hand_over_all(world, people(1, call), id="M-2")
    await say(world, second, DeliveryStatus.DELIVERED, 9, code=5)
    await say(world, first, DeliveryStatus.FAILED, 5, code=3)

    assert await problem_of(world, PHONE) == (None, 0)
    await recount_addresses(world.database)


async def test_one_failure_of_a_number_that_is_not_in_service_is_enough(world: World) -> None:
    message_id = await hand_over_all(world, people(1, call))
    await say(world, message_id, DeliveryStatus.FAILED, 1, code=3)

    assert await problem_of(world, PHONE) == ("INVALID", 1)


async def test_the_first_of_several_kinds_holds(world: World) -> None:
    message_id = await hand_over_all(world, people(1, call, text_to))
    await say(world, message_id, DeliveryStatus.FAILED, 1, code=-30, failure="no_texts", device=1)
    async with world.database.writing() as connection:
        await store_consents(connection, [Consent(at(2), PHONE, True)])
    await recount_addresses(world.database)
    before = await problem_of(world, PHONE)
    await say(world, message_id, DeliveryStatus.FAILED, 3, code=16)

    assert before == ("CANNOT_TEXT", 1)
    assert await problem_of(world, PHONE) == ("INVALID", 2)
    await recount_addresses(world.database)


async def test_a_call_that_is_answered_ends_cannot_text_until_the_next_text_fails(
    world: World,
) -> None:
    """Rule 10: a problem ends when the address is reached, and begins again with the next failure (ADR 110)."""
    first = await hand_over_all(world, people(1, call, text_to), id="M-1")
    await say(world, first, DeliveryStatus.FAILED, 1, code=-30, failure="no_texts", device=1)
    assert await problem_of(world, PHONE) == ("CANNOT_TEXT", 1)

    await say(world, first, DeliveryStatus.DELIVERED, 2, code=5)
    assert await problem_of(world, PHONE) == (None, 0)

    second = await hand_over_all(world, people(1, text_to), id="M-2")
    await say(world, second, DeliveryStatus.FAILED, 3, code=-30, failure="no_texts")
    assert await problem_of(world, PHONE) == ("CANNOT_TEXT", 1)
    await recount_addresses(world.database)


async def test_a_call_that_is_answered_does_not_end_an_opt_out_of_texts(world: World) -> None:
    message_id = await hand_over_all(world, people(1, call))
    async with world.database.writing() as connection:
        await store_consents(connection, [Consent(at(1), PHONE, True)])
    await say(world, message_id, DeliveryStatus.DELIVERED, 2, code=5)

    assert await problem_of(world, PHONE) == ("OPTED_OUT", 0)
    await recount_addresses(world.database)


async def test_stop_and_start_begin_and_end_a_problem(world: World) -> None:
    await world.load(people(1, text_to))
    async with world.database.writing() as connection:
        await store_consents(connection, [Consent(NOON, PHONE, True)])
    assert await problem_of(world, PHONE) == ("OPTED_OUT", 0)

    async with world.database.writing() as connection:
        await store_consents(connection, [Consent(at(1), PHONE, False)])
    assert not await has_row(world)


async def test_a_complaint_is_a_problem_until_a_later_email_arrives(world: World) -> None:
    first = await hand_over_all(world, people(1, mail), id="M-1")
    await say(world, first, DeliveryStatus.DELIVERED, 1)
    await say(world, first, DeliveryStatus.DELIVERED, 2, is_complaint=True)
    assert await problem_of(world, MAIL) == ("COMPLAINED", 0)

    second = await hand_over_all(world, people(1, mail), id="M-2")
    await say(world, second, DeliveryStatus.DELIVERED, 3)
    assert await problem_of(world, MAIL) == (None, 0)
    await recount_addresses(world.database)


async def test_a_resend_takes_the_failure_back(world: World) -> None:
    message_id = await hand_over_all(world, people(1, mail))
    await say(world, message_id, DeliveryStatus.FAILED, 1, failure="5.1.1")
    assert await problem_of(world, MAIL) == ("INVALID", 1)

    async def announce(connection: object) -> None: ...

    modes = frozenset(DeliveryMode)
    assert await resend(world.runtime, message_id, modes=modes, announce=announce) == 1

    assert not await has_row(world)
    assert (await world.one(message_id)).failure is None


async def test_an_unreadable_email_is_invalid_from_its_import(world: World) -> None:
    recipients = [log.recipient("p0", log.email("no address"))]
    await log.load(world.database, log.district(), log.message(recipients=recipients, status=None))

    async with world.database.reading() as connection:
        rows = (await connection.execute(select(ADDRESS_FAILURES.c.kind))).scalars().all()
    assert rows == [ProblemKind.INVALID]
    await recount_addresses(world.database)


async def test_an_arrival_and_a_first_failure_at_the_same_time_see_each_other(
    world: World,
) -> None:
    ids = [await hand_over_all(world, people(20, call), id=f"M-{n}") for n in range(4)]

    async def report(message_id: int, status: DeliveryStatus, code: int, minutes: int) -> None:
        receipts = [
            Receipt(at(minutes), status, code, key=f"{message_id}.{person}.0")
            for person in range(20)
        ]
        await apply_receipts(
            world.database, "fake", receipts, source=EventSource.CALLBACK, now=at(9)
        )

    await asyncio.gather(
        report(ids[0], DeliveryStatus.FAILED, 0, 1),
        report(ids[1], DeliveryStatus.DELIVERED, 5, 2),
        report(ids[2], DeliveryStatus.FAILED, 3, 3),
        report(ids[3], DeliveryStatus.DELIVERED, 6, 4),
    )

    await recount_addresses(world.database)
    assert await problem_of(world, PHONE) == (None, 0)


async def test_a_purge_keeps_an_opt_out_without_its_note(world: World, tmp_path: Path) -> None:
    await log.load(
        world.database,
        log.district(),
        log.message("M-1", [log.recipient("p0", log.text(PHONE, call_status=-40, at=NOON))]),
    )
    async with world.database.writing() as connection:
        await store_consents(connection, [Consent(NOON, PHONE, True)])
        await connection.execute(update(ADDRESS_FAILURES).values(note="The mother of Calvin"))

    await run_purge(purge_of(world.database, tmp_path, before=at(1)))

    assert await problem_of(world, PHONE) == ("OPTED_OUT", 0)
    async with world.database.reading() as connection:
        notes = (await connection.scalars(select(ADDRESS_FAILURES.c.note))).all()
    assert notes == [None]
    await recount_addresses(world.database)


async def test_a_backfill_makes_the_rows_of_an_old_log(world: World) -> None:
    message_id = await hand_over_all(world, people(3, call))
    await say(world, message_id, DeliveryStatus.FAILED, 1, code=3)
    async with world.database.writing() as connection:
        await connection.execute(delete(ADDRESS_FAILURES))
        await connection.execute(delete(BACKFILL).where(BACKFILL.c.name == "failures of addresses"))

    await backfills.run(world.database)

    assert await problem_of(world, PHONE) == ("INVALID", 1)
    await recount_addresses(world.database)


MINUTES = st.integers(0, 6)
STEPS = st.one_of(
    st.tuples(
        st.just("receipt"),
        st.integers(0, 3),  # message
        st.integers(0, 1),  # person
        st.integers(0, 2),  # device
        st.sampled_from(
            [
                (DeliveryStatus.DELIVERED, 5, None),
                (DeliveryStatus.SENT, -27, None),
                (DeliveryStatus.FAILED, 0, None),
                (DeliveryStatus.FAILED, 3, None),
                (DeliveryStatus.FAILED, -30, "no_texts"),
                (DeliveryStatus.FAILED, -5, None),
                (DeliveryStatus.OPTED_OUT, -33, None),
                (DeliveryStatus.FAILED, None, "5.1.1"),
                (DeliveryStatus.FAILED, None, "refused_address"),
            ]
        ),
        MINUTES,
        st.booleans(),
    ),
    st.tuples(st.just("resend"), st.integers(0, 3)),
    st.tuples(st.just("cancel"), st.integers(0, 3)),
    st.tuples(st.just("hand over")),
    st.tuples(st.just("consent"), st.booleans(), MINUTES),
    st.tuples(
        st.just("import"),
        st.sampled_from([(0, None), (3, None), (5, None), (None, "FAILED"), (None, "SENT")]),
        st.none() | MINUTES,
        st.booleans(),
    ),
    st.tuples(st.just("recount")),
    st.tuples(st.just("purge"), MINUTES),
)
NUMBERS = count(1)


@given(st.lists(STEPS, min_size=3, max_size=14))
@settings(
    max_examples=30,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
async def test_the_states_are_exact_after_any_events(
    world: World, tmp_path: Path, steps: list[tuple[Any, ...]]
) -> None:
    n = next(NUMBERS)
    world.clock.now = NOON
    phone, address = number_of(n), f"q{n}@nomail.example"
    devices = (log.voice(phone), log.text(phone), log.email(address))
    ids = [
        await world.load(
            [log.recipient(f"p{n}", *devices), log.recipient(f"q{n}", *devices)], id=f"{n}-{m}"
        )
        for m in range(4)
    ]
    for number, (step, *rest) in enumerate(steps):
        if step == "receipt":
            m, person, device, (status, code, failure), minutes, complains = rest
            receipt = Receipt(
                at(minutes),
                status,
                code if device < 2 else None,
                failure=failure,
                key=f"{ids[m]}.{person}.{device}",
                is_complaint=complains and device == 2,
            )
            await apply_receipts(
                world.database, "fake", [receipt], source=EventSource.CALLBACK, now=at(7)
            )
        elif step == "resend":

            async def announce(connection: object) -> None: ...

            modes = frozenset(DeliveryMode)
            await resend(world.runtime, ids[rest[0]], modes=modes, announce=announce)
        elif step == "cancel":
            if (await world.message(ids[rest[0]])).status in ("WAITING", "IN_PROGRESS"):
                await world.cancel(ids[rest[0]])
        elif step == "hand over":
            await world.work()
        elif step == "consent":
            async with world.database.writing() as connection:
                await store_consents(connection, [Consent(at(rest[1]), phone, rest[0])])
        elif step == "import":
            (code, named), minutes, confirmed = rest
            history = {"call_status": code} if named is None else {"status": named}
            time = None if minutes is None else at(minutes)
            device = (
                log.voice(phone, at=time, confirmed=confirmed, **history)
                if named is None
                else log.email(address, at=time, **history)
            )
            line = log.message(f"{n}-h{number}", [log.recipient(f"p{n}", device)])
            await log.load(world.database, line, now=at(7))
        elif step == "recount":
            async with world.database.writing() as connection:
                all_ids = (await connection.scalars(select(ADDRESS.c.id))).all()
                await recount(connection, all_ids)
        else:
            await run_purge(purge_of(world.database, tmp_path, before=at(rest[0])))
        await recount_addresses(world.database)
    assert (await check(world.database)).differences == []
