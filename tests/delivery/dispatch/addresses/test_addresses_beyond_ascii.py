"""An address beyond ASCII, from the upload to the mail server: it gets its email, or only that delivery fails."""

from typing import Final

import pytest

from db.connect.database import Database
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus
from tests import log
from tests.delivery.gateways.stand_ins import SmtpStandIn
from tests.delivery.world import (
    Clock,
    deliveries,
    events,
    load,
    recount,
    runtime_of,
    status,
    work,
)

FAMILIES: Final = ["heather@nomail.example", "zoë@nomail.example", "calvin@nomail.example"]
SENT, FAILED = DeliveryStatus.SENT, DeliveryStatus.FAILED


@pytest.mark.parametrize(
    ("offers", "expected"), [(True, [SENT, SENT, SENT]), (False, [SENT, FAILED, SENT])]
)
async def test_a_server_s_refusal_fails_only_that_address(
    database: Database, offers: bool, expected: list[DeliveryStatus]
) -> None:
    list_ = [
        log.recipient(f"p{number}", log.email(address)) for number, address in enumerate(FAMILIES)
    ]
    message_id = await load(database, list_)
    async with SmtpStandIn().running(enable_SMTPUTF8=offers) as server:
        runtime = runtime_of(database, Clock(), {DeliveryMode.EMAIL: server.gateway})

        await work(runtime, rounds=3)

        taken = [address for address, was in zip(FAMILIES, expected, strict=True) if was is SENT]
        assert sorted(server.taken()) == sorted(taken)
    rows = await deliveries(database, message_id)
    assert [row.status for row in rows] == expected
    assert await status(database, message_id) is MessageStatus.SENT
    if not offers:
        last = (await events(database, rows[1].key))[-1]
        assert last.detail is not None
        assert "does not offer SMTPUTF8" in last.detail
    await recount(database)
