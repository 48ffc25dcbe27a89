"""The settings of Twilio."""

from typing import ClassVar

from pydantic import Field, SecretStr

from delivery.gateways.port import Gateway
from delivery.gateways.settings import (
    Installation,
    ProviderSettings,
    refuse,
    require,
    require_secure_url,
)
from delivery.gateways.twilio.gateway import TwilioGateway
from domain.addresses import InvalidAddress, normalise
from domain.status import DeliveryMode


class TwilioSettings(ProviderSettings):
    """An account at Twilio, and the number that calls."""

    gateway: ClassVar[type[Gateway]] = TwilioGateway

    twilio_url: str = Field(
        default="https://api.twilio.com", description="the https address of Twilio's API"
    )
    twilio_account_sid: str | None = Field(
        default=None, description="the SID of an account at Twilio: AC…"
    )
    twilio_auth_token: SecretStr | None = Field(
        default=None, repr=False, description="the auth token of that account"
    )
    twilio_from: str | None = Field(default=None, description="a phone number: +16125550100")

    def make_gateway(self, installation: Installation) -> Gateway:
        try:
            caller = normalise(DeliveryMode.TEXT, require("twilio_from", self.twilio_from)).key
        except InvalidAddress as error:
            refuse("twilio_from", str(error).rstrip("."))
        return TwilioGateway(
            installation.client,
            url=require_secure_url("twilio_url", self.twilio_url),
            account_sid=require("twilio_account_sid", self.twilio_account_sid),
            auth_token=require("twilio_auth_token", self.twilio_auth_token),
            caller=caller,
            public_url=require_secure_url("public_url", installation.public_url),
            per_second=installation.limits.get(TwilioGateway.name),
        )
