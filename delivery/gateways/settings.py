"""What the settings of all providers share: their base class, and how a value is checked when its gateway is built."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from datetime import datetime
from ipaddress import ip_address
from pathlib import Path
from typing import ClassVar, NamedTuple, NoReturn
from urllib.parse import SplitResult, urlsplit

import httpx2
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from delivery.gateways.port import Gateway
from domain.addresses import InvalidAddress
from domain.mailbox import read_mailbox


class GatewaySettingsError(Exception):
    """A setting is missing or wrong; the message names the setting and says what to do."""


class Installation(NamedTuple):
    """What all gateways of an installation share. The caller closes `client`."""

    client: httpx2.AsyncClient
    clock: Callable[[], datetime]
    public_url: str | None = None
    """The base URL of callbacks: the part before `/callbacks/`."""
    limits: Mapping[str, float] = {}
    """Rate limits in hand-overs per second, by the name of the gateway."""
    journal: Path | None = None
    """The file of the simulated provider's journal; None: in memory, until the process ends."""


class ProviderSettings(BaseModel):
    """The settings of one provider: a field `x` is the setting `SENTLOG_X`.

    A description completes the sentence "It takes …" of an error.
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True
    )

    gateway: ClassVar[type[Gateway]]

    @abstractmethod
    def make_gateway(self, installation: Installation) -> Gateway:
        """Return the gateway of this provider. Raises `GatewaySettingsError`."""


class MailSettings(ProviderSettings):
    """The setting that all providers of email share."""

    mail_from: str | None = Field(
        default=None, description="an e-mail address: office@district.example"
    )


def require(name: str, value: str | SecretStr | None) -> str:
    """Return the value of the setting `name`. Raises `GatewaySettingsError` if it is not set or empty."""
    text = value.get_secret_value() if isinstance(value, SecretStr) else value
    if not text:
        refuse(name, "it is not set, and a gateway that was chosen needs it")
    return text


def require_url(name: str, value: str | SecretStr | None) -> SplitResult:
    """Return the parts of a URL. Raises `GatewaySettingsError`."""
    try:
        url = urlsplit(require(name, value))
        _ = url.port  # raises if it is not a number
    except ValueError:
        refuse(name, "it is not a URL")
    return url


def require_secure_url(name: str, value: str | None) -> str:
    """Return a URL that receives or sends secrets: https, or http on this machine. Raises `GatewaySettingsError`."""
    url = require_url(name, value)
    if url.scheme == "https" and url.hostname:
        return url.geturl()
    if url.scheme == "http" and is_loopback(url.hostname):
        return url.geturl()
    refuse(
        name,
        f"{url.scheme}://{url.hostname} is neither https nor on this machine: write https://host",
    )


def require_sender(name: str, value: str | None) -> str:
    """Return the sender address of emails, in ASCII, since most servers accept no other. Raises `GatewaySettingsError`."""
    text = require(name, value)
    try:
        mailbox = read_mailbox(text)
    except InvalidAddress as error:
        refuse(name, str(error).rstrip("."))
    if mailbox.name:
        refuse(name, f"{text!r} has a name: write the address alone, like {mailbox.address}")
    return mailbox.address


def is_loopback(host: str | None) -> bool:
    """Return whether a host name is this machine."""
    try:
        return host == "localhost" or ip_address(host or "").is_loopback
    except ValueError:
        return False


def refuse(name: str, problem: str) -> NoReturn:
    """Raise `GatewaySettingsError` about the setting `name`."""
    raise GatewaySettingsError(f"SENTLOG_{name.upper()}: {problem}.")
