"""No text in a message's headers prevents an email, from the upload to the mail server."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from domain.status import DeliveryMode, MessageStatus
from tests import log
from tests.delivery.gateways.emails.strict_reader import headers_of, text_of
from tests.delivery.gateways.stand_ins import SmtpStandIn
from tests.delivery.world import World, mail, people
from tests.log import NOON
from tests.operations import ask

CASES: Final = [
    json.loads(line)
    for line in (Path(__file__).parents[3] / "cases" / "reply_to.jsonl").read_text().splitlines()
]
TYPED: Final = "=?utf-8?q?x=0D=0ABcc:_eve@x.example?="


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["given"]))
async def test_each_family_gets_the_email_whatever_the_reply_address_is(
    world: World, case: dict[str, Any]
) -> None:
    lines = log.message(
        "M-1",
        people(3, mail),
        status=None,
        subject=TYPED,
        sender=("u1", TYPED),
        reply_to=case["given"],
    )
    await log.load(world.database, log.district(), lines)
    async with SmtpStandIn().running() as server:
        runtime = world.runtime_of({DeliveryMode.EMAIL: server.gateway})

        await world.work(runtime, rounds=2)

        assert sorted(server.taken()) == [f"p{number}@nomail.example" for number in range(3)]
        for envelope in server.envelopes:
            assert isinstance(envelope.content, bytes)
            headers = dict(headers_of(envelope.content))
            assert headers.get("Reply-To") == case["header"]
            assert text_of(headers["Subject"]) == TYPED
            assert "Bcc" not in headers
    assert await world.status(1) is MessageStatus.SENT
    await world.recount()
    shown = await ask(world.database, '{ message(id: "message.1") { replyTo subject } }', now=NOON)
    assert shown["message"] == {"replyTo": case["given"], "subject": TYPED}
