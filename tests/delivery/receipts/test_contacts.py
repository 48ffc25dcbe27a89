"""The promise: a receipt updates who was contacted by phone."""

from domain.status import DeliveryStatus, MessageStatus
from tests import log
from tests.delivery.receipts.receiving import hand_over_all, receipt_of, receive
from tests.delivery.world import World, call, people, text_to


async def test_a_text_that_fails_after_it_was_sent_ends_the_contact(world: World) -> None:
    message_id = await hand_over_all(world, people(1, text_to))
    await receive(world, receipt_of(message_id, status=DeliveryStatus.SENT, code=-27))
    assert (await world.message(message_id)).people_contacted == 1
    assert await world.status(message_id) is MessageStatus.SENT

    await receive(world, receipt_of(message_id, status=DeliveryStatus.FAILED, code=-40, after=2))

    assert (await world.message(message_id)).people_contacted == 0
    assert (await world.one(message_id)).status is DeliveryStatus.FAILED
    await world.recount()


async def test_the_contact_stays_if_another_number_of_the_person_was_reached(world: World) -> None:
    both = [log.recipient("p", text_to(0), call(1), name="P")]
    message_id = await hand_over_all(world, both)
    await receive(
        world,
        receipt_of(message_id, status=DeliveryStatus.SENT, code=-27),
        receipt_of(message_id, device=1, code=6),
    )

    await receive(world, receipt_of(message_id, status=DeliveryStatus.FAILED, code=-40, after=2))

    assert (await world.message(message_id)).people_contacted == 1
    await world.recount()


async def test_all_who_share_a_number_are_contacted_by_one_call_and_each_person_counts_once(
    world: World,
) -> None:
    shared = [
        log.recipient("p1", call(0), student=("s1", "A")),
        log.recipient("p1", call(0), student=("s2", "B")),
        log.recipient("p2", call(0)),
        log.recipient("p3", text_to(0)),
        log.recipient("p4", call(4)),
    ]
    message_id = await hand_over_all(world, shared)

    await receive(world, receipt_of(message_id))

    assert (await world.message(message_id)).people_contacted == 3
    assert await world.columns_of("select contacted from recipient order by number") == [
        (True,),
        (True,),
        (True,),
        (True,),
        (False,),
    ]
    await world.recount()


async def test_in_a_message_of_texts_all_who_share_a_number_change_their_contact_together(
    world: World,
) -> None:
    shared = [log.recipient(f"p{one}", text_to(number)) for one, number in ((1, 0), (2, 0), (3, 4))]
    message_id = await hand_over_all(world, shared)
    flags = "select contacted from recipient order by number"

    await receive(world, receipt_of(message_id, status=DeliveryStatus.SENT, code=-27))
    assert await world.columns_of(flags) == [(True,), (True,), (False,)]
    await receive(world, receipt_of(message_id, status=DeliveryStatus.FAILED, code=-40, after=2))

    assert await world.columns_of(flags) == [(False,), (False,), (False,)]
    await world.recount()


async def test_a_person_who_pressed_zero_is_contacted_with_any_code(world: World) -> None:
    message_id = await hand_over_all(world, people(1, call))

    await receive(
        world, receipt_of(message_id, status=DeliveryStatus.FAILED, code=8, confirmed=True)
    )

    assert (await world.message(message_id)).people_contacted == 1
    await world.recount()
