"""E-mail through any SMTP server.

RFC 5321 (SMTP; 4.2.1 for what the first digit of a reply means, 4.5.3.2 for how long to wait), RFC 3207 (STARTTLS),
RFC 6531 (addresses beyond ASCII), RFC 3834 (automatic mail is marked, so that no absence notice answers it).

A server's word is the last one: SMTP knows no receipts, and keeps no list of what it took. So a hand-over without an
answer goes again, under a Message-ID that belongs to the delivery.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from functools import partial
from typing import Final, Literal, NamedTuple

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPHeloError,
    SMTPRecipientRefused,
    SMTPResponseException,
)

from delivery.gateways.base import Accepted, Handover, NotAccepted, Outcome, Refused, Unsure
from delivery.gateways.gate import Passage
from delivery.gateways.headers import mailbox_header, text_header, token_header
from delivery.gateways.port import Gateway
from delivery.gateways.wording import markup, message_id, plain, redacted, sender_name
from domain.message import BodyFormat
from domain.status import DeliveryMode, DeliveryStatus

# Statuses

STATUSES: Final = {
    2: DeliveryStatus.SENT,
    4: DeliveryStatus.PENDING,
    5: DeliveryStatus.FAILED,
}
"""What a reply to a recipient or to the message means, by its first digit; 4 is tried again."""

ACCOUNT_CODES: Final = frozenset({530, 534, 535, 538})
"""Replies that demand another login or TLS (RFC 4954, 6; RFC 3207): no address is at fault, and an administrator mends it."""

REPLY_SECONDS: Final = 60.0
"""RFC 5321 would have us wait for ten minutes after the last line; a lease is shorter."""

_NO_EHLO: Final = (500, 502)
"""What a server answers that knows HELO only (RFC 5321, 3.2)."""

Encryption = Literal["implicit", "required", "offered"]

# A message that no server has to convert on its way.
_POLICY: Final = SMTP_POLICY.clone(cte_type="7bit")


# The request


def compose(handover: Handover, *, mail_from: str, at: datetime) -> bytes:
    """The email: its headers, then plain text, and HTML beside it where the body is HTML.

    Raises `ValueError` where no header can hold the address.
    """
    content = handover.content
    domain = mail_from.rpartition("@")[2]
    headers = [
        mailbox_header("From", mail_from, name=sender_name(content)),
        mailbox_header("To", handover.address),
        text_header("Subject", content.subject),
        text_header("Date", format_datetime(at)),
        token_header("Message-ID", message_id(handover.key, domain)),
        token_header("Auto-Submitted", "auto-generated"),
    ]
    if reply_to := content.reply_to:
        headers.append(mailbox_header("Reply-To", reply_to.address, name=reply_to.name))
    # The body brings headers of its own: MIME-Version, Content-Type, Content-Transfer-Encoding.
    body = EmailMessage(_POLICY)
    body.set_content(plain(content))
    if content.body_format is BodyFormat.HTML:
        body.add_alternative(markup(content), subtype="html")
    return b"".join([*headers, body.as_bytes()])


class _Letter(NamedTuple):
    """An e-mail to one address, as it goes over the line."""

    address: str
    email: bytes


# The class


class SmtpGateway(Gateway[_Letter]):
    """Sends e-mail over a few connections that stay open.

    `encryption` is "implicit" (TLS from the first byte), "required" (STARTTLS or nothing) or "offered" (STARTTLS where
    the server has it: for loopback only).
    """

    name = "smtp"
    modes = frozenset({DeliveryMode.EMAIL})
    # Three for each connection. What a process had given to the server when it was killed, and not recorded, goes once more:
    # the fewer, the better.
    batch = 24

    def __init__(
        self,
        host: str,
        port: int,
        *,
        mail_from: str,
        clock: Callable[[], datetime],
        encryption: Encryption = "required",
        user: str | None = None,
        password: str | None = None,
        tls: ssl.SSLContext | None = None,
        connections: int = 8,
        per_second: float | None = None,
        reply_seconds: float = REPLY_SECONDS,
    ) -> None:
        self._connection: Callable[[], SMTP] = partial(
            SMTP,
            hostname=host,
            port=port,
            username=user,
            password=password,
            timeout=reply_seconds,
            use_tls=encryption == "implicit",
            start_tls={"implicit": False, "required": True}.get(encryption),
            tls_context=tls,
        )
        self._mail_from = mail_from
        self._clock = clock
        self._gate = asyncio.Semaphore(connections)
        self._idle: list[SMTP] = []
        self.per_second = per_second

    def compose(self, handover: Handover) -> _Letter | Refused:
        try:
            email = compose(handover, mail_from=self._mail_from, at=self._clock())
        except ValueError as error:  # a header of it cannot be written
            return Refused(f"it cannot be an e-mail: {redacted(str(error))}")
        return _Letter(handover.address, email)

    async def transmit(self, composed: Sequence[_Letter], passage: Passage) -> Sequence[Outcome]:
        [letter] = composed
        async with self._gate:
            await passage.check()
            try:
                server = await self._begun(beyond_ascii=not letter.address.isascii())
            except _Inapt as error:
                return [Refused(str(error))]
            except (SMTPException, OSError, ValueError) as error:
                return [NotAccepted(f"before the recipient was named: {_said(error)}")]
            finished = False
            try:
                outcome, finished = await _hand_over(server, letter, passage)
            finally:  # also when this is cancelled in the middle of an e-mail
                if finished:
                    self._idle.append(server)
                else:
                    server.close()
            return [outcome]

    async def _begun(self, *, beyond_ascii: bool) -> SMTP:
        """A connection on which an e-mail has begun: an idle one, or one that is opened now."""
        while self._idle:
            server = self._idle.pop()
            try:
                return await self._begin(server, beyond_ascii=beyond_ascii)
            except (SMTPException, OSError):  # servers close what is idle for long
                continue
        server = self._connection()
        await server.connect()
        return await self._begin(server, beyond_ascii=beyond_ascii)

    async def _begin(self, server: SMTP, *, beyond_ascii: bool) -> SMTP:
        begun = False
        try:
            if beyond_ascii and not await _offers_smtputf8(server):
                begun = True  # nothing is wrong with the connection
                self._idle.append(server)
                raise _Inapt(
                    "the mail server does not offer SMTPUTF8, which an address with letters beyond ASCII needs"
                )
            # RFC 6531, 3.6: whoever offers SMTPUTF8 offers 8BITMIME, and the headers have 8 bits.
            options = ["BODY=8BITMIME", "SMTPUTF8"] if beyond_ascii else []
            await server.mail(self._mail_from, options=options)
            begun = True
        finally:
            if not begun:
                server.close()
        return server

    async def close(self) -> None:
        while self._idle:
            server = self._idle.pop()
            try:
                await server.quit()
            except (SMTPException, OSError):
                server.close()


class _Inapt(Exception):
    """The server cannot do what this address needs."""


async def _offers_smtputf8(server: SMTP) -> bool:
    """Whether the server takes addresses beyond ASCII, by its answer to the EHLO that holds now.

    What a server says before STARTTLS is forgotten (RFC 3207, 4.2): on a connection that is new, nothing is known yet.
    """
    if server.is_ehlo_or_helo_needed:
        try:
            await server.ehlo()
        except SMTPHeloError as error:
            if error.code not in _NO_EHLO:
                raise
    return server.supports_extension("smtputf8")


async def _hand_over(server: SMTP, letter: _Letter, passage: Passage) -> tuple[Outcome, bool]:
    """Name the recipient and give the e-mail; the outcome, and whether the connection is as good as new."""
    address = letter.address
    try:
        await server.rcpt(address, encoding="ascii" if address.isascii() else "utf-8")
    except SMTPRecipientRefused as error:
        outcome = _outcome(error) or NotAccepted(f"a reply that SMTP does not know: {_said(error)}")
        return outcome, await _reset(server)
    except (SMTPException, OSError, ValueError) as error:
        return NotAccepted(f"before the e-mail was given: {_said(error)}"), False
    await passage.leave()
    try:
        reply = await server.data(letter.email)
    except SMTPDataError as error:
        outcome = _outcome(error) or Unsure(f"a reply that SMTP does not know: {_said(error)}")
        return outcome, await _reset(server)
    except (SMTPException, OSError) as error:
        return Unsure(f"no answer to the e-mail: {_said(error)}"), False
    return Accepted(None, DeliveryStatus.SENT, detail=redacted(f"250 {reply.message}")), True


async def _reset(server: SMTP) -> bool:
    try:
        await server.rset()
    except (SMTPException, OSError):
        return False
    return True


# Receipts: SMTP has none, but what a refusal says


def _outcome(error: SMTPDataError | SMTPRecipientRefused) -> Outcome | None:
    """What the server's refusal means; None where SMTP gives it no meaning."""
    if error.code in ACCOUNT_CODES:
        return NotAccepted(_said(error))
    meaning = STATUSES.get(error.code // 100)
    if meaning is DeliveryStatus.FAILED:
        return Refused(_said(error))
    if meaning is DeliveryStatus.PENDING:
        return NotAccepted(_said(error))
    return None


def _said(error: Exception) -> str:
    """The server's reply, or the kind of the fault, without addresses."""
    if isinstance(error, SMTPResponseException):
        return redacted(f"{error.code} {error.message}")
    return type(error).__name__
