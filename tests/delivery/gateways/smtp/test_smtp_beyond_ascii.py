"""Addresses beyond ASCII over SMTP (RFC 6531, RFC 6532)."""

import ssl
from typing import Any, Final

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session
from aiosmtplib.email import quote_address
from hypothesis import given
from hypothesis import strategies as st

from delivery.gateways.base import Accepted, NotAccepted, Refused
from delivery.gateways.headers import check_address
from domain.mailbox import Mailbox
from tests.delivery.gateways.emails.strict_reader import Address, addresses_of, headers_of, text_of
from tests.delivery.gateways.stand_ins import MAIL_FROM, Behaviour, SmtpStandIn, content

HEATHER: Final = "heather@nomail.example"
ZOE: Final = "zoë@nomail.example"
WANG: Final = "王小明@xn--bcher-kva.example"
NOT_OFFERED: Final = Refused(
    "the mail server does not offer SMTPUTF8, which an address with letters beyond ASCII needs"
)


class Listening(SmtpStandIn):
    """A mail server that records the options of MAIL, and may not support EHLO."""

    def __init__(self, **of_gateway: Any) -> None:
        super().__init__(**of_gateway)
        self.options: list[list[str]] = []
        self.reply_to_hello = ""
        """What it answers to EHLO instead of its extensions."""

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        self.options.append(sorted(options))
        return "250 OK"

    async def handle_EHLO(
        self,
        server: SMTP,
        session: Session,
        envelope: Envelope,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        session.host_name = hostname
        return [self.reply_to_hello] if self.reply_to_hello else responses


@pytest.mark.parametrize("encryption", ["offered", "required", "implicit"])
async def test_the_first_such_address_of_each_new_connection_gets_its_email(
    encryption: Any, for_server: ssl.SSLContext, for_client: ssl.SSLContext
) -> None:
    stand_in = Listening(encryption=encryption, tls=for_client, connections=1)
    options: dict[str, dict[str, Any]] = {
        "offered": {},
        "required": {"tls_context": for_server, "require_starttls": True},
        "implicit": {"implicit_tls": for_server},
    }
    async with stand_in.running(**options[encryption]) as server:
        for _ in range(2):
            [outcome] = await server.gateway.send(server.handovers(ZOE))
            assert isinstance(outcome, Accepted)
            server.hang_up()

        assert server.taken() == [ZOE, ZOE]
        assert server.connections == 2
        assert stand_in.options == [["BODY=8BITMIME", "SMTPUTF8"]] * 2


async def test_only_an_email_to_such_an_address_uses_smtputf8() -> None:
    async with Listening(connections=1).running() as server:
        await server.gateway.send(server.handovers(HEATHER, ZOE, "heather@xn--bcher-kva.example"))

        assert isinstance(server, Listening)
        assert server.options == [[], ["BODY=8BITMIME", "SMTPUTF8"], []]
        assert server.connections == 1


@pytest.mark.parametrize("address", [ZOE, WANG])
async def test_the_header_holds_the_address_itself_and_names_stay_encoded(address: str) -> None:
    said = content(subject="Nguyễn", sender_name="Zoë", reply_to=Mailbox("Büro", MAIL_FROM))
    async with SmtpStandIn().running() as server:
        await server.gateway.send(server.handovers(address, of=said))

        [envelope] = server.envelopes
        assert isinstance(envelope.content, bytes)
        assert envelope.smtp_utf8
        value = dict(headers_of(envelope.content, utf8=True))
    assert value["To"] == address
    assert value["From"].isascii()
    assert addresses_of(value["From"]) == [Address("Zoë (Plainview Schools)", MAIL_FROM)]
    assert addresses_of(value["Reply-To"]) == [Address("Büro", MAIL_FROM)]
    assert text_of(value["Subject"]) == "Nguyễn"


async def test_a_server_without_it_refuses_that_one_email_and_keeps_its_connection() -> None:
    async with SmtpStandIn(connections=1).running(enable_SMTPUTF8=False) as server:
        outcomes = await server.gateway.send(server.handovers(ZOE, HEATHER, ZOE))

        assert outcomes == [NOT_OFFERED, outcomes[1], NOT_OFFERED]
        assert isinstance(outcomes[1], Accepted)
        assert server.taken() == [HEATHER]
        assert server.connections == 1


@pytest.mark.parametrize(
    ("reply", "kind"),
    [
        ("502 5.5.1 command not implemented", Refused),
        ("500 5.5.1 command not recognised", Refused),
        ("421 4.3.2 too busy", NotAccepted),
    ],
)
async def test_a_refused_ehlo_has_the_outcome_of_its_reply(reply: str, kind: type) -> None:
    stand_in = Listening(connections=1)
    async with stand_in.running() as server:
        stand_in.reply_to_hello = reply

        [outcome] = await server.gateway.send(server.handovers(ZOE))

        assert type(outcome) is kind
        assert server.taken() == []


async def test_a_server_that_disconnects_at_ehlo_decides_nothing() -> None:
    async with SmtpStandIn(connections=1).running() as server:
        server.behaviour = Behaviour.LEAVES_EARLY
        [outcome] = await server.gateway.send(server.handovers(ZOE))
        server.behaviour = Behaviour.TAKES
        [again] = await server.gateway.send(server.handovers(ZOE))

        assert isinstance(outcome, NotAccepted)
        assert isinstance(again, Accepted)
        assert server.taken() == [ZOE]


ATOM: Final = st.text(alphabet="aZ9+'_é王%=-", min_size=1, max_size=12)


@given(st.lists(ATOM, min_size=1, max_size=3).map(".".join))
def test_the_command_names_the_address_that_the_header_names(local: str) -> None:
    """aiosmtplib parses an address before it writes it: an address that `check_address` accepts is not changed."""
    address = f"{local}@nomail.example"
    check_address(address)

    assert quote_address(address) == f"<{address}>"
