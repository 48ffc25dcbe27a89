"""E-mail through any SMTP server.

Standards: RFC 5321 (SMTP; 4.2.1 first digit of a reply, 4.5.3.2 timeouts), RFC 3207 (STARTTLS), RFC 6531 (addresses beyond
ASCII). RFC 3834: automatic mail is marked, so that no absence notice answers it.

The server's reply is final: SMTP has no receipts, and no list of accepted emails. So a hand-over without an answer is sent
again, with the Message-ID of its delivery.
"""

import asyncio
import ssl
from collections.abc import Callable, Sequence
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime
from functools import partial
from typing import ClassVar, Final, Literal, NamedTuple
from urllib.parse import unquote

from aiosmtplib import (
    SMTP,
    SMTPDataError,
    SMTPException,
    SMTPHeloError,
    SMTPRecipientRefused,
    SMTPResponseException,
)
from pydantic import Field, SecretStr

from delivery.gateways.base import Accepted, Handover, NotAccepted, Outcome, Refused, Unsure
from delivery.gateways.headers import mailbox_header, text_header, token_header
from delivery.gateways.port import Gateway, Passage
from delivery.gateways.settings import (
    Installation,
    MailSettings,
    is_loopback,
    refuse,
    require_sender,
    require_url,
)
from delivery.gateways.wording import (
    enhanced_code,
    markup,
    message_id,
    plain,
    redacted,
    sender_name,
)
from domain.message import BodyFormat
from domain.status import DeliveryMode, DeliveryStatus

# Statuses

STATUSES: Final = {
    2: DeliveryStatus.SENT,
    4: DeliveryStatus.PENDING,
    5: DeliveryStatus.FAILED,
}
"""The status after a reply to a recipient or to the message, by its first digit; 4 is retried."""

ACCOUNT_CODES: Final = frozenset({530, 534, 535, 538})
"""Replies that demand another login or TLS (RFC 4954, 6; RFC 3207): an administrator has to fix the settings."""

REPLY_SECONDS: Final = 60.0
"""Timeout of a reply in seconds. RFC 5321 recommends ten minutes after the last line, but a lease is shorter."""

_NO_EHLO: Final = (500, 502)
"""Replies to EHLO of a server that knows only HELO (RFC 5321, 3.2)."""

Encryption = Literal["implicit", "required", "offered"]

# 7-bit content, which no server has to convert.
_POLICY: Final = SMTP_POLICY.clone(cte_type="7bit")


# The request


def compose(handover: Handover, *, mail_from: str, at: datetime) -> bytes:
    """Return the email: headers, plain text, and also HTML if the body is HTML.

    Raises `ValueError` if no header can hold the address.
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
    # `EmailMessage` adds the headers of the body: MIME-Version, Content-Type, Content-Transfer-Encoding.
    body = EmailMessage(_POLICY)
    body.set_content(plain(content))
    if content.body_format is BodyFormat.HTML:
        body.add_alternative(markup(content), subtype="html")
    return b"".join([*headers, body.as_bytes()])


class _SmtpEmail(NamedTuple):
    """An encoded e-mail to one address."""

    address: str
    email: bytes


# The class


class SmtpGateway(Gateway[_SmtpEmail]):
    """Sends e-mail over a few persistent connections.

    `encryption` is "implicit" (TLS from the first byte), "required" (STARTTLS, or no email is sent) or "offered" (STARTTLS
    if the server has it; for loopback only).
    """

    name = "smtp"
    modes = frozenset({DeliveryMode.EMAIL})
    # Three for each connection. If the process is killed, emails without a recorded outcome are sent again: so a small batch.
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

    def compose(self, handover: Handover) -> _SmtpEmail | Refused:
        try:
            email = compose(handover, mail_from=self._mail_from, at=self._clock())
        except ValueError as error:  # no header can hold the address
            return Refused(f"it cannot be an e-mail: {redacted(str(error))}")
        return _SmtpEmail(handover.address, email)

    async def transmit(self, composed: Sequence[_SmtpEmail], passage: Passage) -> Sequence[Outcome]:
        [email] = composed
        async with self._gate:
            await passage.check()
            try:
                server = await self._start_email(beyond_ascii=not email.address.isascii())
            except _Unsupported as error:
                return [Refused(str(error))]
            except (SMTPException, OSError, ValueError) as error:
                return [NotAccepted(f"before the recipient was named: {_reply_text(error)}")]
            is_reusable = False
            try:
                outcome, is_reusable = await _hand_over(server, email, passage)
            finally:  # also when this is cancelled in the middle of an e-mail
                if is_reusable:
                    self._idle.append(server)
                else:
                    server.close()
            return [outcome]

    async def _start_email(self, *, beyond_ascii: bool) -> SMTP:
        """Return a connection after MAIL: an idle one or a new one."""
        while self._idle:
            server = self._idle.pop()
            try:
                return await self._mail(server, beyond_ascii=beyond_ascii)
            except (SMTPException, OSError):  # servers close idle connections
                continue
        server = self._connection()
        await server.connect()
        return await self._mail(server, beyond_ascii=beyond_ascii)

    async def _mail(self, server: SMTP, *, beyond_ascii: bool) -> SMTP:
        """Send MAIL. Close the connection if that fails."""
        is_usable = False
        try:
            if beyond_ascii and not await _offers_smtputf8(server):
                is_usable = True
                self._idle.append(server)
                raise _Unsupported(
                    "the mail server does not offer SMTPUTF8, which an address with letters beyond ASCII needs"
                )
            # RFC 6531, 3.6: a server with SMTPUTF8 also has 8BITMIME, which the 8-bit headers need.
            options = ["BODY=8BITMIME", "SMTPUTF8"] if beyond_ascii else []
            await server.mail(self._mail_from, options=options)
            is_usable = True
        finally:
            if not is_usable:
                server.close()
        return server

    async def close(self) -> None:
        while self._idle:
            server = self._idle.pop()
            try:
                await server.quit()
            except (SMTPException, OSError):
                server.close()


class _Unsupported(Exception):
    """The server lacks an extension that this address needs."""


async def _offers_smtputf8(server: SMTP) -> bool:
    """Return whether the server accepts addresses beyond ASCII, by its reply to the latest EHLO.

    The client discards the reply to an EHLO before STARTTLS (RFC 3207, 4.2), so a new connection needs another EHLO.
    """
    if server.is_ehlo_or_helo_needed:
        try:
            await server.ehlo()
        except SMTPHeloError as error:
            if error.code not in _NO_EHLO:
                raise
    return server.supports_extension("smtputf8")


async def _hand_over(server: SMTP, email: _SmtpEmail, passage: Passage) -> tuple[Outcome, bool]:
    """Send RCPT and DATA. Return the outcome, and whether the connection can be reused."""
    address = email.address
    try:
        await server.rcpt(address, encoding="ascii" if address.isascii() else "utf-8")
    except SMTPRecipientRefused as error:
        outcome = _outcome(error) or NotAccepted(
            f"a reply that SMTP does not know: {_reply_text(error)}"
        )
        return outcome, await _reset(server)
    except (SMTPException, OSError, ValueError) as error:
        return NotAccepted(f"before the e-mail was given: {_reply_text(error)}"), False
    await passage.leave()
    try:
        reply = await server.data(email.email)
    except SMTPDataError as error:
        outcome = _outcome(error) or Unsure(
            f"a reply that SMTP does not know: {_reply_text(error)}"
        )
        return outcome, await _reset(server)
    except (SMTPException, OSError) as error:
        return Unsure(f"no answer to the e-mail: {_reply_text(error)}"), False
    return Accepted(None, DeliveryStatus.SENT, detail=redacted(f"250 {reply.message}")), True


async def _reset(server: SMTP) -> bool:
    try:
        await server.rset()
    except (SMTPException, OSError):
        return False
    return True


# Refusals


def _outcome(error: SMTPDataError | SMTPRecipientRefused) -> Outcome | None:
    """Return the outcome of a server's refusal; None for a reply code that SMTP does not define."""
    if error.code in ACCOUNT_CODES:
        return NotAccepted(_reply_text(error))
    meaning = STATUSES.get(error.code // 100)
    if meaning is DeliveryStatus.FAILED:
        code = enhanced_code(str(error.message)) or str(error.code)
        return Refused(_reply_text(error), failure=code)
    if meaning is DeliveryStatus.PENDING:
        return NotAccepted(_reply_text(error))
    return None


def _reply_text(error: Exception) -> str:
    """Return the server's reply, or the class of the error, without addresses."""
    if isinstance(error, SMTPResponseException):
        return redacted(f"{error.code} {error.message}")
    return type(error).__name__


# Settings


class SmtpSettings(MailSettings):
    """A server of emails, and the login there."""

    gateway: ClassVar[type[Gateway]] = SmtpGateway

    smtp_url: SecretStr | None = Field(
        default=None,
        repr=False,
        description="smtp://user:password@host:587, or smtps:// for port 465",
    )

    def make_gateway(self, installation: Installation) -> Gateway:
        url = require_url("smtp_url", self.smtp_url)
        if url.scheme not in ("smtp", "smtps") or not url.hostname:
            refuse(
                "smtp_url", "write it like smtp://user:password@host:587, or smtps:// for port 465"
            )
        starttls: Encryption = "offered" if is_loopback(url.hostname) else "required"
        return SmtpGateway(
            url.hostname,
            url.port or (465 if url.scheme == "smtps" else 587),
            mail_from=require_sender("mail_from", self.mail_from),
            clock=installation.clock,
            encryption="implicit" if url.scheme == "smtps" else starttls,
            user=unquote(url.username) if url.username else None,
            password=unquote(url.password) if url.password else None,
            per_second=installation.limits.get(SmtpGateway.name),
        )
