"""The promise: addresses are handed over in normalised form, unreadable ones get nothing, and nothing is sent twice."""

from collections import Counter

from sqlalchemy import select, update

from db.derived.addresses import states
from db.tables.log import ADDRESS, CANCELLATION
from delivery.gateways.base import Unsure
from delivery.gateways.inbox import InboxGateway
from domain.status import DeliveryMode, DeliveryStatus, EventSource, MessageStatus
from tests.cases import cases
from tests.delivery.gateways.stand_ins import SmtpStandIn
from tests.delivery.world import Event, FakeGateway, World
from tests.log import NOON, email, inbox, recipient, text, voice

FAILED = DeliveryStatus.FAILED


async def test_each_mailbox_gets_one_email_however_its_address_is_written(world: World) -> None:
    given = [case["given"] for case in cases("email_addresses")]
    keys = {case["key"] for case in cases("email_addresses") if case["key"] is not None}
    good = [f"p{number}@nomail.example" for number in range(20)]
    listed = [recipient(f"p{n}", email(address)) for n, address in enumerate([*given, *good])]
    message_id = await world.load(listed)

    async with SmtpStandIn().running() as server:
        runtime = world.runtime_of({DeliveryMode.EMAIL: server.gateway})
        await world.work(runtime, rounds=3)
        await world.settle(runtime)
        await world.work(runtime)

        sent = Counter(address for envelope in server.envelopes for address in envelope.rcpt_tos)

    assert sent == Counter([*keys, *good])
    failed = [d for d in await world.deliveries(message_id) if d.status is FAILED]
    assert sorted(d.address for d in failed) == sorted(
        case["given"] for case in cases("email_addresses") if case["key"] is None
    )
    assert all(d.attempts == 0 for d in failed)
    assert await world.status(message_id) is MessageStatus.SENT
    await world.recount()


async def test_a_gateway_gets_the_number_and_not_the_displayed_text(world: World) -> None:
    await world.load(
        [
            recipient("p1", voice("+44 (0)20 7946 0018"), text("1-800-FLOWERS")),
            recipient("p2", email("Heather <Heather@BÜCHER.example>")),
        ],
    )

    await world.work()

    assert sorted(handover.address for handover in world.gateway.given) == [
        "+18003569377",
        "+442079460018",
        "heather@xn--bcher-kva.example",
    ]


async def test_a_poll_uses_the_same_address_as_the_hand_over(world: World) -> None:
    gateway = world.use(FakeGateway(answer=lambda handover: Unsure("no answer")))
    await world.load([recipient("p1", email("Heather <heather@nomail.example>"))])
    await world.work()

    await world.settle()

    assert [handover.address for handover in gateway.lookups] == ["heather@nomail.example"]


async def test_a_canceled_message_with_unreadable_addresses_counts_none_of_them_as_sent(
    world: World,
) -> None:
    listed = [recipient("p1", email("heather@"), voice("555-0101"), voice(), inbox())]
    message_id = await world.load(listed)
    await world.cancel(message_id)

    await world.work()

    assert await world.status(message_id) is MessageStatus.CANCELED
    async with world.database.reading() as connection:
        row = (await connection.execute(select(CANCELLATION))).one()
    assert (row.stopped, row.already_sent, row.completed_at) == (2, 0, NOON)
    await world.recount()


async def test_an_old_delivery_with_an_unreadable_address_fails_when_it_is_due(
    world: World,
) -> None:
    message_id = await world.load([recipient("p1", email(), voice(), inbox())])
    async with world.database.writing() as connection:
        await connection.execute(update(ADDRESS).values(is_readable=False))
    gateways = {DeliveryMode.INBOX: InboxGateway()} | dict.fromkeys(
        world.gateway.modes, world.gateway
    )

    await world.work(gateways)

    assert world.gateway.given == []
    reason = "The address cannot be read."
    found = await world.deliveries(message_id)
    assert [(d.status, d.call_status, d.attempts) for d in found] == [
        (FAILED, None, 0),
        (FAILED, -2, 0),
        (FAILED, None, 0),
    ]
    assert [await world.events(d.key) for d in found] == [
        [Event(FAILED, code, EventSource.DISPATCH, reason)] for code in (None, -2, None)
    ]
    row = await world.message(message_id)
    assert (row.status, row.has_open, row.overdue_at) == (MessageStatus.SENT, False, None)
    await world.recount()


async def test_two_old_deliveries_to_merged_addresses_are_sent_once(world: World) -> None:
    listed = [
        recipient("p1", email("other@nomail.example"), voice("+16125550102")),
        recipient("p2", email("heather@nomail.example"), voice("+16125550101")),
        recipient("p3", email("other@nomail.example"), text("+16125550102")),
    ]
    message_id = await world.load(listed)
    async with world.database.writing() as connection:
        rows = await connection.execute(select(ADDRESS.c.key, ADDRESS.c.id))
        ids = {row.key: row.id for row in rows}
        for merged, kept in (
            ("other@nomail.example", "heather@nomail.example"),
            ("+16125550102", "+16125550101"),
        ):
            await connection.execute(
                update(ADDRESS).where(ADDRESS.c.id == ids[merged]).values(same_as=ids[kept])
            )
            await connection.execute(
                update(ADDRESS).where(ADDRESS.c.id == ids[kept]).values(opted_out_at=NOON)
            )
        await states.recount(connection, ids.values())
    await world.work()

    assert Counter((h.mode.value, h.address) for h in world.gateway.given) == Counter(
        [("EMAIL", "heather@nomail.example"), ("VOICE", "+16125550101")]
    )
    duplicate = "Another delivery of this message goes to the same address."
    found = {d.key[1:]: d for d in await world.deliveries(message_id)}
    assert (found[0, 0].status, found[0, 1].status) == (FAILED, FAILED)
    assert (found[0, 0].call_status, found[0, 1].call_status) == (None, -4)
    assert (await world.events(found[0, 0].key))[-1].detail == duplicate
    assert found[2, 1].status is DeliveryStatus.OPTED_OUT, "an opt-out of either is one of both"
    assert found[2, 0].is_duplicate
    await world.recount()
