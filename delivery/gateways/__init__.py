"""Build the gateways of an installation or of one district from settings: one gateway for each mode.

The server reads the settings.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Final, NoReturn
from urllib.parse import SplitResult, unquote, urlsplit

import httpx2

from delivery.gateways.inbox import InboxGateway
from delivery.gateways.mailgun.gateway import MailgunGateway
from delivery.gateways.port import Gateway
from delivery.gateways.simulator.gateway import LIVELY, SimulatorBehavior, SimulatorGateway
from delivery.gateways.simulator.journal import Journal
from delivery.gateways.smtp import Encryption, SmtpGateway
from delivery.gateways.twilio.gateway import TwilioGateway
from domain.addresses import InvalidAddress, normalise
from domain.mailbox import read_mailbox
from domain.status import DeliveryMode


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings:
    """Settings of the gateways. A field `x` is the setting `SENTLOG_X`."""

    gateways: Mapping[DeliveryMode, str] = field(default_factory=dict)
    """The name of the gateway of each mode. Without one, deliveries of a mode stay pending. The inbox needs none."""
    public_url: str | None = None
    """The base URL of callbacks: the part before `/callbacks/`."""
    mail_from: str | None = None
    """The sender address of e-mails."""
    smtp_url: str | None = field(default=None, repr=False)
    mailgun_url: str = "https://api.mailgun.net"
    mailgun_domain: str | None = None
    mailgun_key: str | None = field(default=None, repr=False)
    mailgun_signing_key: str | None = field(default=None, repr=False)
    twilio_url: str = "https://api.twilio.com"
    twilio_account_sid: str | None = None
    twilio_auth_token: str | None = field(default=None, repr=False)
    twilio_from: str | None = None
    gateway_limits: Mapping[str, float] = field(default_factory=dict)
    """Rate limits in hand-overs per second, by the name of the gateway."""
    simulator_seed: int = 0
    simulator_journal: Path | None = None
    """The file of the simulated provider's journal; None: in memory, until the process ends."""
    simulator_temper: SimulatorBehavior = LIVELY


class GatewaySettingsError(Exception):
    """A setting is missing or wrong; the message names the setting and says what to do."""


def build(
    settings: GatewaySettings, *, client: httpx2.AsyncClient, clock: Callable[[], datetime]
) -> Mapping[DeliveryMode, Gateway]:
    """Return the gateway of each mode that has one; modes of one provider share a gateway.

    The caller closes `client`. Raises `GatewaySettingsError`.
    """
    by_name: dict[str, Gateway] = {}
    by_mode: dict[DeliveryMode, Gateway] = {DeliveryMode.INBOX: InboxGateway()}
    for mode, name in settings.gateways.items():
        make = _MAKERS.get(name)
        if make is None:
            known = ", ".join(sorted(_MAKERS))
            _refuse("gateways", f"there is no gateway {name!r}: choose among {known}")
        gateway = by_name[name] = by_name.get(name) or make(settings, client, clock)
        if mode not in gateway.modes:
            served = ", ".join(sorted(gateway.modes))
            _refuse("gateways", f"{name} does not deliver {mode}, only {served}")
        by_mode[mode] = gateway
    return by_mode


def _smtp(
    settings: GatewaySettings, client: httpx2.AsyncClient, clock: Callable[[], datetime]
) -> Gateway:
    url = _split(settings, "smtp_url")
    if url.scheme not in ("smtp", "smtps") or not url.hostname:
        _refuse("smtp_url", "write it like smtp://user:password@host:587, or smtps:// for port 465")
    starttls: Encryption = "offered" if _is_loopback(url.hostname) else "required"
    return SmtpGateway(
        url.hostname,
        url.port or (465 if url.scheme == "smtps" else 587),
        mail_from=_mail_from(settings),
        clock=clock,
        encryption="implicit" if url.scheme == "smtps" else starttls,
        user=unquote(url.username) if url.username else None,
        password=unquote(url.password) if url.password else None,
        per_second=settings.gateway_limits.get("smtp"),
    )


def _mailgun(
    settings: GatewaySettings, client: httpx2.AsyncClient, clock: Callable[[], datetime]
) -> Gateway:
    domain = _required(settings, "mailgun_domain")
    return MailgunGateway(
        client,
        url=_base_url(settings, "mailgun_url"),
        domain=domain,
        key=_required(settings, "mailgun_key"),
        signing_key=settings.mailgun_signing_key,
        mail_from=(
            _mail_from(settings)
            if settings.mail_from
            else _sender_address("mailgun_domain", f"no-reply@{domain}")
        ),
        per_second=settings.gateway_limits.get("mailgun"),
    )


def _twilio(
    settings: GatewaySettings, client: httpx2.AsyncClient, clock: Callable[[], datetime]
) -> Gateway:
    try:
        caller = normalise(DeliveryMode.TEXT, _required(settings, "twilio_from")).key
    except InvalidAddress as error:
        _refuse("twilio_from", str(error).rstrip("."))
    return TwilioGateway(
        client,
        url=_base_url(settings, "twilio_url"),
        account_sid=_required(settings, "twilio_account_sid"),
        auth_token=_required(settings, "twilio_auth_token"),
        caller=caller,
        public_url=_base_url(settings, "public_url"),
        per_second=settings.gateway_limits.get("twilio"),
    )


def _simulator(
    settings: GatewaySettings, client: httpx2.AsyncClient, clock: Callable[[], datetime]
) -> Gateway:
    return SimulatorGateway(
        Journal(settings.simulator_journal),
        clock=clock,
        seed=settings.simulator_seed,
        temper=settings.simulator_temper,
        per_second=settings.gateway_limits.get("simulator"),
    )


_MAKERS: Final = {
    SmtpGateway.name: _smtp,
    MailgunGateway.name: _mailgun,
    TwilioGateway.name: _twilio,
    SimulatorGateway.name: _simulator,
}


def _mail_from(settings: GatewaySettings) -> str:
    return _sender_address("mail_from", _required(settings, "mail_from"))


def _sender_address(setting: str, text: str) -> str:
    """Return the sender address of emails, in ASCII, since most servers accept no other."""
    try:
        mailbox = read_mailbox(text)
    except InvalidAddress as error:
        _refuse(setting, str(error).rstrip("."))
    if mailbox.name:
        _refuse(setting, f"{text!r} has a name: write the address alone, like {mailbox.address}")
    return mailbox.address


def _base_url(settings: GatewaySettings, name: str) -> str:
    """Return a URL that receives or sends secrets: https, or http on this machine."""
    url = _split(settings, name)
    if url.scheme == "https" and url.hostname:
        return url.geturl()
    if url.scheme == "http" and _is_loopback(url.hostname):
        return url.geturl()
    _refuse(
        name,
        f"{url.scheme}://{url.hostname} is neither https nor on this machine: write https://host",
    )


def _split(settings: GatewaySettings, name: str) -> SplitResult:
    try:
        url = urlsplit(_required(settings, name))
        _ = url.port  # raises if it is not a number
    except ValueError:
        _refuse(name, "it is not a URL")
    return url


def _required(settings: GatewaySettings, name: str) -> str:
    value: str | None = getattr(settings, name)
    if not value:
        _refuse(name, "it is not set, and a gateway that was chosen needs it")
    return value


def _is_loopback(host: str | None) -> bool:
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def _refuse(name: str, problem: str) -> NoReturn:
    raise GatewaySettingsError(f"SENTLOG_{name.upper()}: {problem}.")
