"""The settings of Mailgun."""

from typing import ClassVar

from pydantic import Field, SecretStr

from delivery.gateways.mailgun.gateway import MailgunGateway
from delivery.gateways.port import Gateway
from delivery.gateways.settings import (
    Installation,
    MailSettings,
    require,
    require_secure_url,
    require_sender,
)


class MailgunSettings(MailSettings):
    """A domain at Mailgun, and its keys."""

    gateway: ClassVar[type[Gateway]] = MailgunGateway

    mailgun_url: str = Field(
        default="https://api.mailgun.net", description="the https address of Mailgun's API"
    )
    mailgun_domain: str | None = Field(
        default=None, description="the name of a domain that Mailgun sends for"
    )
    mailgun_key: SecretStr | None = Field(
        default=None, repr=False, description="a key for Mailgun's API"
    )
    mailgun_signing_key: SecretStr | None = Field(
        default=None, repr=False, description="the key by which Mailgun signs webhooks"
    )

    def make_gateway(self, installation: Installation) -> Gateway:
        domain, signing = require("mailgun_domain", self.mailgun_domain), self.mailgun_signing_key
        return MailgunGateway(
            installation.client,
            url=require_secure_url("mailgun_url", self.mailgun_url),
            domain=domain,
            key=require("mailgun_key", self.mailgun_key),
            signing_key=signing.get_secret_value() if signing else None,
            mail_from=(
                require_sender("mail_from", self.mail_from)
                if self.mail_from
                else require_sender("mailgun_domain", f"no-reply@{domain}")
            ),
            per_second=installation.limits.get(MailgunGateway.name),
        )
