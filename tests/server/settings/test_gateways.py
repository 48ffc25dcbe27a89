"""The settings of gateways, and how a district's own are merged with the common ones."""

import pytest
from pydantic import SecretStr

from delivery.gateways import GatewaySettings
from domain.status import DeliveryMode
from server.settings.settings import Settings, SettingsError
from tests.tables import table

BAD_VALUES = """
    SENTLOG_GATEWAYS | smtp | it is not JSON (unexpected character, expected a JSON value, character 1) | JSON, mode to gateway: {"EMAIL":"smtp","VOICE":"twilio","TEXT":"twilio"}
    SENTLOG_GATEWAYS | ["smtp"] | it is no object of JSON | JSON, mode to gateway: {"EMAIL":"smtp","VOICE":"twilio","TEXT":"twilio"}
    SENTLOG_GATEWAYS | {"FAX":"smtp"} | FAX: it should be 'INBOX', 'EMAIL', 'VOICE' or 'TEXT' | JSON, mode to gateway: {"EMAIL":"smtp","VOICE":"twilio","TEXT":"twilio"}
    SENTLOG_GATEWAY_LIMITS | {"twilio":0} | twilio: it should be greater than 0 | JSON, gateway to hand-overs a second: {"twilio":1,"mailgun":100}
    SENTLOG_DISTRICTS | {"plainview":{"twilo_from":"a secret"}} | plainview.twilo_from: there is no such setting | JSON, a district's id to the settings of gateways that are other for it, in lower case: {"plainview":{"twilio_from":"+16125550100"}}
"""
"""A variable, its value, why that is refused, and what the variable takes."""


@pytest.mark.parametrize(("name", "value", "reason", "takes"), table(BAD_VALUES))
def test_what_cannot_be_read_is_named_down_to_its_place(
    name: str, value: str, reason: str, takes: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        Settings.from_environment({name: value})

    shown = "the value (a secret, not shown)" if "secret" in value else repr(value)
    assert refused.value.problems == (f"{name}: {shown} is refused: {reason}. It takes {takes}.",)


def test_a_district_says_only_what_is_other() -> None:
    common = GatewaySettings.model_validate(
        {
            "gateways": {"EMAIL": "smtp", "VOICE": "twilio"},
            "smtp_url": "smtp://house",
            "mail_from": "office@house.example",
            "twilio_from": "+16125550100",
        }
    )
    district = GatewaySettings.model_validate(
        {
            "gateways": {"EMAIL": "mailgun"},
            "mail_from": None,
            "twilio_from": "+16125550199",
        }
    )

    assert common.for_district(district).model_dump(exclude_unset=True) == {
        "gateways": {DeliveryMode.EMAIL: "mailgun", DeliveryMode.VOICE: "twilio"},
        "smtp_url": SecretStr("smtp://house"),
        "mail_from": None,
        "twilio_from": "+16125550199",
    }


def test_no_secret_is_shown() -> None:
    settings = Settings.from_environment(
        {
            "SENTLOG_SMTP_URL": "smtp://u:pass-word@h",
            "SENTLOG_MAILGUN_KEY": "pass-word",
            "SENTLOG_MAILGUN_SIGNING_KEY": "pass-word",
            "SENTLOG_TWILIO_AUTH_TOKEN": "pass-word",
            "SENTLOG_DISTRICTS": '{"plainview":{"mailgun_key":"pass-word"}}',
        }
    )

    for shown in (repr(settings), str(settings), repr(settings.model_dump())):
        assert "pass-word" not in shown
