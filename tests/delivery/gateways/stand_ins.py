"""Stand-ins for providers, one for each gateway: each has a `Behaviour`, and records what it accepted."""

import asyncio
import re
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from email.utils import format_datetime
from enum import Enum, auto
from itertools import count
from typing import Any, ClassVar
from urllib.parse import parse_qs

import httpx2
from aiosmtpd.smtp import SMTP, Envelope, Session

from delivery.gateways.base import Handover, MessageContent
from delivery.gateways.mailgun.gateway import MailgunGateway
from delivery.gateways.port import Gateway
from delivery.gateways.smtp import SmtpGateway
from delivery.gateways.twilio.gateway import TwilioGateway
from domain.mailbox import Mailbox
from domain.message import BodyFormat
from domain.status import DeliveryMode

NOON = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)
PUBLIC_URL = "https://log.plainview.example"
AUTH_TOKEN = "12345"
SIGNING_KEY = "webhook-key"
MAIL_FROM = "messages@plainview.example"


class Behaviour(Enum):
    """The reaction of a stand-in to a hand-over."""

    TAKES = auto()
    IS_BUSY = auto()
    TAKES_WITHOUT_ANSWER = auto()
    LOSES = auto()
    ANSWERS_NONSENSE = auto()
    NEVER_ANSWERS = auto()
    """Takes nothing, and keeps the connection."""
    LEAVES_EARLY = auto()
    """Breaks off before it is given anything."""
    IS_GONE = auto()


def content(**changes: Any) -> MessageContent:
    plain: dict[str, Any] = {
        "key": "plainview M-1",
        "subject": "Student Behavior",
        "body": "Calvin was late today.",
        "body_format": BodyFormat.PLAIN,
        "reply_to": Mailbox("", "office@plainview.example"),
        "sender_name": "Administrator, System",
        "district_name": "Plainview Schools",
    }
    return MessageContent(**plain | changes)


class StandIn(ABC):
    """A provider, and the gateway to it."""

    mode: ClassVar[DeliveryMode]
    good: ClassVar[tuple[str, ...]]
    """Addresses that it takes."""
    bad: ClassVar[str]
    """An address that it refuses for good."""
    tells: ClassVar[bool] = True
    """It can look up deliveries."""

    behaviour = Behaviour.TAKES
    gateway: Gateway

    @abstractmethod
    def taken(self) -> list[str]:
        """Return the addresses of accepted deliveries, in order."""

    def handovers(self, *addresses: str, of: MessageContent | None = None) -> list[Handover]:
        """Return deliveries to these addresses, with the keys `d-0`, `d-1` …"""
        said = of or content()
        return [
            Handover(key=f"d-{number}", mode=self.mode, address=address, content=said)
            for number, address in enumerate(addresses)
        ]


class HttpStandIn(StandIn):
    """The base of stand-ins over HTTP: their failures."""

    def __init__(self) -> None:
        self.requests: list[httpx2.Request] = []
        self.client = httpx2.AsyncClient(transport=httpx2.MockTransport(self._handle))

    async def _handle(self, request: httpx2.Request) -> httpx2.Response:
        self.requests.append(request)
        match self.behaviour:
            case Behaviour.IS_GONE:
                raise httpx2.ConnectError("refused")
            case Behaviour.IS_BUSY:
                return httpx2.Response(429, headers={"Retry-After": "7"}, text="slow down")
            case Behaviour.ANSWERS_NONSENSE:
                return httpx2.Response(200, html="<h1>It works!</h1>")
            case Behaviour.LOSES:
                raise httpx2.ReadTimeout("silence")
        if request.method == "GET":
            return self.look_up(request)
        form = parse_qs(request.content.decode(), keep_blank_values=True)
        answer = self.take(request, form)
        if self.behaviour is Behaviour.TAKES_WITHOUT_ANSWER:
            raise httpx2.ReadTimeout("silence")
        return answer

    @abstractmethod
    def take(self, request: httpx2.Request, form: Mapping[str, list[str]]) -> httpx2.Response: ...

    @abstractmethod
    def look_up(self, request: httpx2.Request) -> httpx2.Response: ...


class MailgunStandIn(HttpStandIn):
    """Mailgun, with a log of events in pages of two."""

    mode = DeliveryMode.EMAIL
    good = ("heather@nomail.example", "calvin@nomail.example", "zoe@nomail.example")
    bad = "nobody@nomail.example"

    def __init__(self) -> None:
        super().__init__()
        self.forms: list[Mapping[str, list[str]]] = []
        self.events: list[dict[str, Any]] = []
        self.gateway = MailgunGateway(
            self.client,
            url="https://api.mailgun.example",
            domain="mg.plainview.example",
            key="key",
            signing_key=SIGNING_KEY,
            mail_from=MAIL_FROM,
        )

    def taken(self) -> list[str]:
        return [address for form in self.forms for address in form["to"]]

    def take(self, request: httpx2.Request, form: Mapping[str, list[str]]) -> httpx2.Response:
        if self.bad in form["to"]:
            problem = "'to' parameter is not a valid address. please check documentation"
            return httpx2.Response(400, json={"message": problem})
        self.forms.append(form)
        variables = httpx2.Response(200, text=form["recipient-variables"][0]).json()
        for address in form["to"]:
            self.event("accepted", address, variables[address]["delivery"])
        return httpx2.Response(200, json={"id": "<1@mg.example>", "message": "Queued. Thank you."})

    def event(self, name: str, address: str, key: str, **more: Any) -> dict[str, Any]:
        """Log an event."""
        event = {
            "event": name,
            "timestamp": NOON.timestamp() + len(self.events),
            "recipient": address,
            "message": {"headers": {"message-id": "1@mg.example"}},
            "user-variables": {"delivery": key},
            **more,
        }
        self.events.append(event)
        return event

    def look_up(self, request: httpx2.Request) -> httpx2.Response:
        query = request.url.params
        found = [event for event in self.events if event["recipient"] == query["recipient"]]
        page = int(query.get("page", 0))
        # Mailgun's next page may be on another host than the one of the request.
        following = f"https://other.mailgun.example{request.url.path}?recipient={query['recipient']}&page={page + 1}"
        items = found[page * 2 : page * 2 + 2]
        return httpx2.Response(200, json={"items": items, "paging": {"next": following}})


class TwilioStandIn(HttpStandIn):
    """Twilio: calls or texts."""

    good = ("+16125550101", "+16125550102", "+16125550103")
    bad = "+16125550000"
    resource: ClassVar[str]
    prefix: ClassVar[str]

    def __init__(self) -> None:
        super().__init__()
        self.made: list[dict[str, Any]] = []
        self.forms: list[Mapping[str, list[str]]] = []
        self.called_back: dict[str, list[str]] = {}
        """The addresses that Twilio requested for each call."""
        self._numbers = count()
        self.gateway = TwilioGateway(
            self.client,
            url="https://api.twilio.example",
            account_sid="AC1",
            auth_token=AUTH_TOKEN,
            caller="+16125550199",
            public_url=PUBLIC_URL,
        )

    def taken(self) -> list[str]:
        return [one["to"] for one in self.made]

    def take(self, request: httpx2.Request, form: Mapping[str, list[str]]) -> httpx2.Response:
        assert request.url.path == f"/2010-04-01/Accounts/AC1/{self.resource}.json"
        if form["To"][0] == self.bad:
            return self.error(21211, f"The 'To' number {self.bad} is not a valid phone number.")
        self.forms.append(form)
        sid = f"{self.prefix}{next(self._numbers):032x}"
        made = {
            "sid": sid,
            "status": "queued",
            "to": form["To"][0],
            "body": form.get("Body", [None])[0],
            "date_created": format_datetime(NOON + timedelta(seconds=2)),
            "answered_by": None,
            "error_code": None,
        }
        self.made.insert(0, made)
        self.called_back[sid] = [form["StatusCallback"][0]]
        return httpx2.Response(201, json=made)

    def error(self, code: int, message: str, status: int = 400) -> httpx2.Response:
        return httpx2.Response(status, json={"code": code, "message": message, "status": status})

    def look_up(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        if found := re.search(r"/Calls/(\w+)/Events\.json$", path):
            events = [{"request": {"url": url}} for url in self.called_back.get(found[1], ())]
            return httpx2.Response(200, json={"events": events})
        if path.endswith(f"/{self.resource}.json"):
            assert request.url.params["From"] == "+16125550199"
            made = [one for one in self.made if one["to"] == request.url.params["To"]]
            name = self.resource.lower()
            return httpx2.Response(200, json={name: made, "next_page_uri": None})
        for one in self.made:
            if path.endswith(f"/{self.resource}/{one['sid']}.json"):
                return httpx2.Response(200, json=one)
        return self.error(20404, "not found", 404)


class CallStandIn(TwilioStandIn):
    mode = DeliveryMode.VOICE
    resource = "Calls"
    prefix = "CA"


class TextStandIn(TwilioStandIn):
    mode = DeliveryMode.TEXT
    resource = "Messages"
    prefix = "SM"


class SmtpStandIn(StandIn):
    """A mail server on loopback."""

    mode = DeliveryMode.EMAIL
    good = MailgunStandIn.good
    bad = MailgunStandIn.bad
    tells = False

    def __init__(self, **of_gateway: Any) -> None:
        self.envelopes: list[Envelope] = []
        self.connections = 0
        self.reply = "250 2.0.0 queued as 1"
        self.reply_to_recipient = "250 OK"
        self.leaves_at = ""
        """The command at which it breaks off: RSET or QUIT."""
        self.reached = asyncio.Event()
        """An e-mail is there, and has no answer yet."""
        self._open: list[SMTP] = []
        self.of_gateway: dict[str, Any] = {
            "mail_from": MAIL_FROM,
            "clock": lambda: NOON,
            "encryption": "offered",
            "reply_seconds": 5.0,
        } | of_gateway

    @asynccontextmanager
    async def running(self, **of_server: Any) -> AsyncIterator["SmtpStandIn"]:
        """Run the server during the block; `of_server` is passed to aiosmtpd."""
        tls = of_server.pop("implicit_tls", None)

        def connect() -> SMTP:
            self.connections += 1
            options: dict[str, Any] = {
                "enable_SMTPUTF8": True,
                "hostname": "mail.example",
            } | of_server
            self._open.append(SMTP(self, **options))
            return self._open[-1]

        loop = asyncio.get_running_loop()
        server = await loop.create_server(connect, "127.0.0.1", 0, ssl=tls)
        self._server = server
        self.port: int = server.sockets[0].getsockname()[1]
        self.gateway = SmtpGateway("127.0.0.1", self.port, **self.of_gateway)
        try:
            yield self
        finally:
            await self.gateway.close()
            self.hang_up()
            self.stop()

    def stop(self) -> None:
        """Listen no more."""
        self._server.close()

    def hang_up(self) -> None:
        """Close every connection."""
        for server in self._open:
            if isinstance(server.transport, asyncio.Transport):
                server.transport.abort()

    def made_for_nobody(self) -> Gateway:
        """Return a gateway to a server that does not run."""
        return SmtpGateway("127.0.0.1", 1, **self.of_gateway)

    def taken(self) -> list[str]:
        return [address for envelope in self.envelopes for address in envelope.rcpt_tos]

    def emails(self) -> list[EmailMessage]:
        """Return the received emails, parsed."""
        contents = [one.content for one in self.envelopes if isinstance(one.content, bytes)]
        return [message_from_bytes(one, policy=policy.default) for one in contents]

    # The hooks of aiosmtpd

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.behaviour is Behaviour.LEAVES_EARLY:
            self.hang_up()
        if self.behaviour is Behaviour.IS_BUSY:
            return "451 4.7.1 greylisted, come back later"
        if address == self.bad:
            return f"550 5.1.1 <{address}>: no such user"
        if self.reply_to_recipient.startswith("250"):
            envelope.rcpt_tos.append(address)
        return self.reply_to_recipient

    async def handle_RSET(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        return self._may_leave("RSET", "250 OK")

    async def handle_QUIT(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        return self._may_leave("QUIT", "221 Bye")

    def _may_leave(self, command: str, reply: str) -> str:
        if self.leaves_at == command:
            self.hang_up()
        return reply

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        if self.behaviour is Behaviour.NEVER_ANSWERS:
            self.reached.set()
            await asyncio.Event().wait()
        if self.behaviour is not Behaviour.LOSES:
            self.envelopes.append(envelope)
        if self.behaviour in (Behaviour.LOSES, Behaviour.TAKES_WITHOUT_ANSWER):
            assert isinstance(server.transport, asyncio.Transport)
            server.transport.abort()
        if self.behaviour is Behaviour.ANSWERS_NONSENSE:
            return "It works!"
        return self.reply
