"""The settings of gateways: for all districts, and for a district that has its own.

`delivery.gateways` decides what a gateway needs; this module only reads the values.
"""

from collections.abc import Mapping
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr

from domain.status import DeliveryMode


def json_object(value: object) -> object:
    """Parse a JSON object, unless it is parsed already. Raises `ValueError`."""
    if not isinstance(value, str):
        return value
    try:
        read = orjson.loads(value)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"it is not JSON ({error.msg}, character {error.pos + 1})") from None
    if not isinstance(read, dict):
        raise ValueError("it is no object of JSON")
    return read


class ProviderSettings(BaseModel):
    """The settings of providers. A description completes the sentence "It takes …" of an error."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", hide_input_in_errors=True, str_strip_whitespace=True
    )

    gateways: Annotated[Mapping[DeliveryMode, str], BeforeValidator(json_object)] = Field(
        default={},
        description='JSON, mode to gateway: {"EMAIL":"smtp","VOICE":"twilio","TEXT":"twilio"}',
    )
    mail_from: str | None = Field(
        default=None, description="an e-mail address: office@district.example"
    )
    smtp_url: SecretStr | None = Field(
        default=None,
        repr=False,
        description="smtp://user:password@host:587, or smtps:// for port 465",
    )
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

    def explicit(self) -> dict[str, Any]:
        """The values that are set explicitly, as keyword arguments of `delivery.gateways.GatewaySettings`."""
        fields = {
            name: getattr(self, name)
            for name in ProviderSettings.model_fields
            if name in self.model_fields_set
        }
        return {
            name: value.get_secret_value() if isinstance(value, SecretStr) else value
            for name, value in fields.items()
        }


def merge(common: ProviderSettings, district: ProviderSettings) -> dict[str, Any]:
    """The values for a district: its own, and for those it leaves out the common ones."""
    gateways = {**common.gateways, **district.gateways}
    return common.explicit() | district.explicit() | {"gateways": gateways}
