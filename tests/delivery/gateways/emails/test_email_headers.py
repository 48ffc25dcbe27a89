"""The headers of an email as a reader sees them, for any typed text: through the gateways, as servers receive them."""

import json
from email import message_from_string, policy
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.dispatch.in_flight import LiveContent
from delivery.dispatch.transitions import content_of
from delivery.gateways.base import Accepted, MessageContent
from delivery.gateways.smtp import compose
from domain.mailbox import Mailbox
from domain.message import BodyFormat
from domain.texts import one_line
from tests.delivery.gateways.emails.strict_reader import Address, addresses_of, headers_of, text_of
from tests.delivery.gateways.stand_ins import MAIL_FROM, NOON, MailgunStandIn, SmtpStandIn, content

CASES: Final = Path(__file__).parents[3] / "cases"
HEADER_TEXTS: Final = [
    json.loads(line) for line in (CASES / "header_texts.jsonl").read_text().splitlines()
]
REPLY_TO: Final = [json.loads(line) for line in (CASES / "reply_to.jsonl").read_text().splitlines()]

HEATHER: Final = "heather@nomail.example"
OFFICE: Final = "office@nomail.example"
WORD_JOINER: Final = "\N{WORD JOINER}"
WRITTEN: Final = [
    *("From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "Reply-To"),
    *("Content-Type", "Content-Transfer-Encoding", "MIME-Version"),
]
"""The headers of an email in plain text, and no other."""

ATTACKS: Final = [
    ("=?utf-8?q?x=0D=0ABcc:_eve@x.example?=", "=?utf-8?q?x=0D=0ABcc:_eve@x.example?="),
    ("=?utf-8?b?eA0KQmNjOiBldmVAeC5leGFtcGxl?=", "=?utf-8?b?eA0KQmNjOiBldmVAeC5leGFtcGxl?="),
    ("a\x0bBcc: b@x.example", "a Bcc: b@x.example"),
    ("a\u2028Bcc: b@x.example\x85c", "a Bcc: b@x.example c"),
    ("x, eve@x.example", "x, eve@x.example"),
    ("Last, First <eve@x.example>", "Last, First <eve@x.example>"),
    ('"quoted" \\ back', '"quoted" \\ back'),
    ("N" * 300, "N" * 300),
    ("Trường Trung học Phổ thông " * 12, ("Trường Trung học Phổ thông " * 12).strip()),
    ("小學" * 150, "小學" * 150),
]
TEXTS: Final = [(case["text"], case.get("reads", case["text"])) for case in HEADER_TEXTS] + ATTACKS


def _named(text: str) -> MessageContent:
    """Return a message with `text` in every field that becomes a header."""
    names = {"subject": text, "sender_name": text, "district_name": text}
    return content(reply_to=Mailbox(text, OFFICE), **names)


def _check(email: bytes, *, reads: str) -> None:
    """Check that `email` has our headers only, each with the text `reads`, for a strict reader and for Python's."""
    headers = headers_of(email)
    assert [header.name for header in headers] == WRITTEN
    value = dict(headers)
    assert text_of(value["Subject"]) == reads
    assert addresses_of(value["From"]) == [Address(f"{reads} ({reads})".strip(), MAIL_FROM)]
    assert addresses_of(value["To"]) == [Address("", HEATHER)]
    assert addresses_of(value["Reply-To"]) == [Address(reads, OFFICE)]

    parsed = message_from_string(email.decode("ascii"), policy=policy.default)
    assert parsed.keys() == WRITTEN
    assert parsed["Subject"] == reads
    for field, address, name in (
        ("From", MAIL_FROM, f"{reads} ({reads})"),
        ("Reply-To", OFFICE, reads),
    ):
        [mailbox] = parsed[field].addresses
        assert mailbox.addr_spec == address
        # Python shows a space between two encoded words of a name, which nobody else does (gh-128110).
        assert mailbox.display_name.replace(" ", "") == name.replace(" ", "")


@pytest.mark.parametrize(("text", "reads"), TEXTS)
async def test_what_was_typed_reaches_a_mail_server_s_readers_as_it_was_typed(
    text: str, reads: str
) -> None:
    async with SmtpStandIn().running() as server:
        [outcome] = await server.gateway.send(server.handovers(HEATHER, of=_named(text)))

        assert isinstance(outcome, Accepted)
        assert server.taken() == [HEATHER]
        [envelope] = server.envelopes
        assert isinstance(envelope.content, bytes)
        _check(envelope.content, reads=reads)


@pytest.mark.parametrize(("text", "reads"), TEXTS)
async def test_what_was_typed_reaches_mailgun_s_readers_as_it_was_typed(
    text: str, reads: str
) -> None:
    mailgun = MailgunStandIn()

    await mailgun.gateway.send(mailgun.handovers(HEATHER, of=_named(text)))

    [form] = mailgun.forms
    [subject], [sender], [reply_to] = form["subject"], form["from"], form["h:Reply-To"]
    for value in (subject, sender, reply_to):
        assert len(value.splitlines()) == 1
    assert subject.replace(WORD_JOINER, "") == reads
    assert _seen(addresses_of(sender)) == [Address(f"{reads} ({reads})", MAIL_FROM)]
    assert _seen(addresses_of(reply_to)) == [Address(reads, OFFICE)]
    assert reply_to.isascii()
    assert "=?" not in subject + sender  # nothing that could be decoded once too often


def _seen(addresses: list[Address]) -> list[Address]:
    """Return the visible text: without word joiners."""
    return [Address(one.name.replace(WORD_JOINER, ""), one.address) for one in addresses]


MARKS: Final = st.sampled_from(
    ["=?", "?=", "=?utf-8?q?", "=0D=0A", "\r\n", "\r", "Bcc: ", '"', "<"]
)
ANY_TEXT: Final = (
    st.text() | st.text(min_size=200) | st.lists(MARKS | st.text(), max_size=8).map("".join)
)


@given(subject=ANY_TEXT, sender=ANY_TEXT, district=ANY_TEXT, answers=ANY_TEXT)
def test_no_text_makes_another_header_or_another_address(
    subject: str, sender: str, district: str, answers: str
) -> None:
    said = content(
        subject=subject,
        sender_name=sender,
        district_name=district,
        reply_to=Mailbox(answers, OFFICE),
    )
    [handover] = SmtpStandIn().handovers(HEATHER, of=said)

    headers = headers_of(compose(handover, mail_from=MAIL_FROM, at=NOON))

    assert [header.name for header in headers] == WRITTEN
    value = dict(headers)
    assert text_of(value["Subject"]) == one_line(subject)
    name = one_line(f"{one_line(sender)} ({one_line(district)})")
    assert addresses_of(value["From"]) == [Address(name, MAIL_FROM)]
    assert addresses_of(value["Reply-To"]) == [Address(one_line(answers), OFFICE)]


async def test_the_message_id_of_a_delivery_stays_what_it_was_in_earlier_releases() -> None:
    async with SmtpStandIn().running() as server:
        await server.gateway.send(server.handovers(HEATHER))

        [email] = server.emails()
        assert email["Message-ID"] == "<c0e9a3fadfe2d2d3acec25f05c93270e9dca4118@plainview.example>"


# Variables of Mailgun


@pytest.mark.parametrize(
    "variable", ["recipient.delivery", "recipient_email", "unsubscribe_url", "mailing_list_x"]
)
async def test_a_variable_of_mailgun_in_any_header_stays_what_was_typed(variable: str) -> None:
    typed, inert = f"10 %{variable}% 20 %", f"10 %{WORD_JOINER}{variable}% 20 %"
    mailgun = MailgunStandIn()

    await mailgun.gateway.send(mailgun.handovers(HEATHER, of=_named(typed)))

    [form] = mailgun.forms
    assert form["subject"] == [inert]
    assert addresses_of(form["from"][0]) == [Address(f"{inert} ({inert})", MAIL_FROM)]
    assert addresses_of(form["h:Reply-To"][0]) == [Address(inert, OFFICE)]
    for field in ("subject", "from", "h:Reply-To"):
        assert f"%{variable}" not in form[field][0]


# Reply-To


def _stored(reply_to: str | None) -> MessageContent:
    """Store a message in the log, and return its content for a gateway."""
    said = LiveContent(
        "Subject", "Body", BodyFormat.PLAIN, None, None, reply_to, "System", "Plainview"
    )
    return content_of(1, said)


@pytest.mark.parametrize("case", REPLY_TO, ids=lambda case: str(case["given"]))
async def test_a_reply_address_is_one_mailbox_or_keeps_no_email_back(case: dict[str, Any]) -> None:
    said = _stored(case["given"])
    mailgun = MailgunStandIn()
    async with SmtpStandIn().running() as server:
        for stand_in in (server, mailgun):
            [outcome] = await stand_in.gateway.send(stand_in.handovers(HEATHER, of=said))
            assert isinstance(outcome, Accepted)

        [envelope] = server.envelopes
        assert isinstance(envelope.content, bytes)
        assert dict(headers_of(envelope.content)).get("Reply-To") == case["header"]
    [form] = mailgun.forms
    assert form.get("h:Reply-To") == (None if case["header"] is None else [case["header"]])


async def test_a_message_without_a_reply_address_has_no_such_header() -> None:
    assert _stored(None).reply_to is None
    assert _stored("").reply_to is None
