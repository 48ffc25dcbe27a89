"""An address beyond ASCII, from the upload to the mail server: it gets its email, or only that delivery fails."""

from typing import Final

import pytest

from domain.status import DeliveryMode, DeliveryStatus, MessageStatus
from tests import log
from tests.delivery.gateways.stand_ins import SmtpStandIn
from tests.delivery.world import World

FAMILIES: Final = ["heather@nomail.example", "zoë@nomail.example", "calvin@nomail.example"]
SENT, FAILED = DeliveryStatus.SENT, DeliveryStatus.FAILED


@pytest.mark.parametrize(
    ("offers", "expected"), [(True, [SENT, SENT, SENT]), (False, [SENT, FAILED, SENT])]
)
async def test_a_server_s_refusal_fails_only_that_address(
    world: World, offers: bool, expected: list[DeliveryStatus]
) -> None:
    list_ = [
        log.recipient(f"p{number}", log.email(address)) for number, address in enumerate(FAMILIES)
    ]
    message_id = await world.load(list_)
    async with SmtpStandIn().running(enable_SMTPUTF8=offers) as server:
        runtime = world.runtime_of({DeliveryMode.EMAIL: server.gateway})

        await world.work(runtime, rounds=3)

        taken = [address for address, was in zip(FAMILIES, expected, strict=True) if was is SENT]
        assert sorted(server.taken()) == sorted(taken)
    rows = await world.deliveries(message_id)
    assert [row.status for row in rows] == expected
    assert await world.status(message_id) is MessageStatus.SENT
    if not offers:
        last = (await world.events(rows[1].key))[-1]
        assert last.detail is not None
        assert "does not offer SMTPUTF8" in last.detail
    await world.recount()
