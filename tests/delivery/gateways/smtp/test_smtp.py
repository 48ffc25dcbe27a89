import asyncio
import ssl

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from delivery.gateways.base import Accepted, NotAccepted, Refused, Unsure
from domain.mailbox import Mailbox
from domain.message import BodyFormat
from domain.status import DeliveryStatus
from tests.delivery.gateways.stand_ins import MAIL_FROM, Behaviour, SmtpStandIn, content

HEATHER = "heather@nomail.example"


# The e-mail


async def test_an_email_has_its_sender_and_its_reply_address() -> None:
    async with SmtpStandIn().running() as server:
        await server.gateway.send(server.handovers(HEATHER))

        [email] = server.emails()
        assert email["From"] == f'"Administrator, System (Plainview Schools)" <{MAIL_FROM}>'
        assert email["To"] == HEATHER
        assert email["Reply-To"] == "office@plainview.example"
        assert email["Subject"] == "Student Behavior"
        assert email["Date"] == "Mon, 02 Mar 2026 18:00:00 +0000"
        assert email["Auto-Submitted"] == "auto-generated"
        assert email.get_content_type() == "text/plain"
        assert email.get_content().strip() == "Calvin was late today."
        assert server.envelopes[0].mail_from == MAIL_FROM


async def test_an_html_body_comes_with_its_plain_text() -> None:
    html = content(body="<p>Grüße an <b>Zoë</b></p>", body_format=BodyFormat.HTML)
    async with SmtpStandIn().running() as server:
        await server.gateway.send(server.handovers(HEATHER, of=html))

        [email] = server.emails()
        assert email.get_content_type() == "multipart/alternative"
        plain, rich = email.iter_parts()
        assert plain.get_content_type() == "text/plain"
        assert plain.get_content().strip() == "Grüße an Zoë"
        assert rich.get_content_type() == "text/html"
        assert rich.get_content().strip() == "<p>Grüße an <b>Zoë</b></p>"


async def test_a_retried_email_has_the_same_message_id_and_another_delivery_has_another() -> None:
    async with SmtpStandIn().running() as server:
        first, second = server.handovers(HEATHER, "zoe@nomail.example")
        for handover in (first, first, second):
            await server.gateway.send([handover])

        ids = [email["Message-ID"] for email in server.emails()]
        assert ids[0] == ids[1] != ids[2]
        assert ids[0].endswith("@plainview.example>")
        assert first.key not in ids[0]


async def test_names_and_subjects_in_every_script_arrive() -> None:
    said = content(subject="王小明 · Nguyễn", sender_name="محمد", body="שרה", reply_to=None)
    async with SmtpStandIn().running() as server:
        await server.gateway.send(server.handovers(HEATHER, of=said))

        [email] = server.emails()
        assert email["Subject"] == "王小明 · Nguyễn"
        assert email["From"].addresses[0].display_name == "محمد (Plainview Schools)"
        assert email["Reply-To"] is None
        assert email.get_content().strip() == "שרה"


async def test_a_line_break_in_a_subject_starts_no_header() -> None:
    said = content(
        subject="Hello\r\nBcc: all@nomail.example",
        sender_name="A\nBcc: b@nomail.example",
        reply_to=Mailbox("A\r\nBcc: c@nomail.example", "a@nomail.example"),
    )
    async with SmtpStandIn().running() as server:
        await server.gateway.send(server.handovers(HEATHER, of=said))

        [email] = server.emails()
        assert server.taken() == [HEATHER]
        assert email["Subject"] == "Hello Bcc: all@nomail.example"
        assert email["Bcc"] is None


async def test_a_line_that_is_a_dot_does_not_end_the_email() -> None:
    async with SmtpStandIn().running() as server:
        await server.gateway.send(server.handovers(HEATHER, of=content(body="one\n.\ntwo\n")))

        [email] = server.emails()
        assert email.get_content().splitlines() == ["one", ".", "two"]


# The connection


async def test_starttls_is_used_if_required(
    for_server: ssl.SSLContext, for_client: ssl.SSLContext
) -> None:
    stand_in = SmtpStandIn(encryption="required", tls=for_client)
    async with stand_in.running(tls_context=for_server, require_starttls=True) as server:
        [outcome] = await server.gateway.send(server.handovers(HEATHER))

        assert isinstance(outcome, Accepted)


async def test_nothing_is_sent_without_tls_if_tls_is_required() -> None:
    async with SmtpStandIn(encryption="required").running() as server:
        [outcome] = await server.gateway.send(server.handovers(HEATHER))

        assert isinstance(outcome, NotAccepted)
        assert server.taken() == []


async def test_a_server_with_a_wrong_certificate_gets_nothing(for_server: ssl.SSLContext) -> None:
    stand_in = SmtpStandIn(encryption="required", tls=ssl.create_default_context())
    async with stand_in.running(tls_context=for_server) as server:
        [outcome] = await server.gateway.send(server.handovers(HEATHER))

        assert isinstance(outcome, NotAccepted)
        assert server.taken() == []


async def test_tls_from_the_first_byte(
    for_server: ssl.SSLContext, for_client: ssl.SSLContext
) -> None:
    stand_in = SmtpStandIn(encryption="implicit", tls=for_client)
    async with stand_in.running(implicit_tls=for_server) as server:
        [outcome] = await server.gateway.send(server.handovers(HEATHER))

        assert isinstance(outcome, Accepted)


@pytest.mark.parametrize(("password", "kind"), [("s3cret", Accepted), ("wrong", NotAccepted)])
async def test_a_login_is_used_and_a_wrong_one_loses_nothing(
    password: str, kind: type, for_server: ssl.SSLContext, for_client: ssl.SSLContext
) -> None:
    def check(
        server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object
    ) -> AuthResult:
        right = LoginPassword(login=b"sentlog", password=b"s3cret")
        return AuthResult(success=data == right, handled=False)

    stand_in = SmtpStandIn(encryption="required", tls=for_client, user="sentlog", password=password)
    options = {"tls_context": for_server, "authenticator": check, "auth_required": True}
    async with stand_in.running(**options) as server:
        [outcome] = await server.gateway.send(server.handovers(HEATHER))

        assert type(outcome) is kind
        assert "s3cret" not in str(outcome)


async def test_connections_are_few_and_reused() -> None:
    async with SmtpStandIn(connections=3).running() as server:
        addresses = [f"parent{number}@nomail.example" for number in range(20)]
        for _ in range(2):
            await server.gateway.send(server.handovers(*addresses))

        assert sorted(server.taken()) == sorted(addresses * 2)
        assert server.connections == 3


async def test_a_closed_connection_is_replaced() -> None:
    async with SmtpStandIn(connections=1).running() as server:
        await server.gateway.send(server.handovers(HEATHER))
        server.hang_up()

        outcomes = await server.gateway.send(server.handovers(HEATHER))

        assert [type(outcome) for outcome in outcomes] == [Accepted]
        assert server.connections == 2


async def test_a_connection_is_reused_after_a_refusal() -> None:
    async with SmtpStandIn(connections=1).running() as server:
        outcomes = await server.gateway.send(server.handovers(server.bad, HEATHER, server.bad))

        assert [type(outcome) for outcome in outcomes] == [Refused, Accepted, Refused]
        assert server.connections == 1


async def test_a_broken_connection_is_not_reused() -> None:
    async with SmtpStandIn(connections=1).running() as server:
        server.behaviour = Behaviour.TAKES_WITHOUT_ANSWER
        [unsure] = await server.gateway.send(server.handovers(HEATHER))
        server.behaviour = Behaviour.TAKES
        [accepted] = await server.gateway.send(server.handovers(HEATHER))

        assert unsure == Unsure("no answer to the e-mail: SMTPServerDisconnected")
        assert isinstance(accepted, Accepted)


async def test_a_hand_over_that_is_cancelled_leaves_no_half_email_behind() -> None:
    async with SmtpStandIn(connections=1).running() as server:
        server.behaviour = Behaviour.NEVER_ANSWERS
        sending = asyncio.create_task(server.gateway.send(server.handovers(HEATHER)))
        await server.reached.wait()
        sending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await sending
        server.behaviour = Behaviour.TAKES

        await server.gateway.send(server.handovers("zoe@nomail.example"))

        assert server.taken() == ["zoe@nomail.example"]
        assert server.connections == 2


async def test_an_email_without_a_reply_is_unsure() -> None:
    async with SmtpStandIn(reply_seconds=0.05).running() as server:
        server.behaviour = Behaviour.NEVER_ANSWERS

        [outcome] = await server.gateway.send(server.handovers(HEATHER))

        assert isinstance(outcome, Unsure)


# What a reply means


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("550 5.1.1 no such user", Refused),
        ("552 5.3.4 too large", Refused),
        ("554 5.7.1 we think this is spam", Refused),
        ("421 4.3.2 shutting down", NotAccepted),
        ("450 4.2.1 mailbox busy", NotAccepted),
        ("452 4.3.1 disk full", NotAccepted),
    ],
)
async def test_the_first_digit_of_the_reply_to_the_email_decides(reply: str, kind: type) -> None:
    async with SmtpStandIn().running() as server:
        server.reply = reply

        [outcome] = await server.gateway.send(server.handovers(HEATHER))

        assert type(outcome) is kind
        assert outcome[0] == reply


async def test_an_unknown_reply_to_the_recipient_means_that_nothing_left() -> None:
    async with SmtpStandIn().running() as server:
        server.reply_to_recipient = "299 well"

        [outcome] = await server.gateway.send(server.handovers(HEATHER))

        assert isinstance(outcome, NotAccepted)
        assert server.taken() == []


async def test_an_accepted_email_is_sent_and_not_delivered() -> None:
    async with SmtpStandIn().running() as server:
        [outcome] = await server.gateway.send(server.handovers(HEATHER))

        assert outcome == Accepted(None, DeliveryStatus.SENT, None, "250 2.0.0 queued as 1")


async def test_a_server_that_disconnects_before_the_email_has_nothing() -> None:
    async with SmtpStandIn(connections=1).running() as server:
        server.behaviour = Behaviour.LEAVES_EARLY
        [outcome] = await server.gateway.send(server.handovers(HEATHER))
        server.behaviour = Behaviour.TAKES
        [again] = await server.gateway.send(server.handovers(HEATHER))

        assert outcome == NotAccepted("before the e-mail was given: SMTPServerDisconnected")
        assert isinstance(again, Accepted)
        assert server.taken() == [HEATHER]


async def test_a_connection_that_cannot_be_reset_is_closed() -> None:
    async with SmtpStandIn(connections=1).running() as server:
        server.reply = "451 4.3.0 and good bye"
        server.leaves_at = "RSET"
        [outcome] = await server.gateway.send(server.handovers(HEATHER))
        server.reply = "250 OK"
        [again] = await server.gateway.send(server.handovers(HEATHER))

        assert isinstance(outcome, NotAccepted)
        assert isinstance(again, Accepted)
        assert server.connections == 2


async def test_an_address_that_no_header_can_hold_is_refused() -> None:
    async with SmtpStandIn().running() as server:
        outcomes = await server.gateway.send(server.handovers("a\n@nomail.example", HEATHER))

        assert [type(outcome) for outcome in outcomes] == [Refused, Accepted]
        assert server.taken() == [HEATHER]


async def test_closing_ignores_a_server_that_is_gone() -> None:
    async with SmtpStandIn().running() as server:
        await server.gateway.send(server.handovers(HEATHER))
        server.leaves_at = "QUIT"

        await server.gateway.close()

        assert server.taken() == [HEATHER]
