"""Gateways that are built from settings."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx2
import pytest

from delivery.gateways import GatewaySettings, build
from delivery.gateways.base import Accepted
from delivery.gateways.port import Gateway
from delivery.gateways.settings import GatewaySettingsError, Installation
from domain.status import DeliveryMode
from tests.delivery.gateways.stand_ins import SmtpStandIn

WHOLE: dict[str, Any] = {
    "mail_from": "messages@plainview.example",
    "smtp_url": "smtp://sentlog:p%40ss@mail.plainview.example:2525",
    "mailgun_domain": "mg.plainview.example",
    "mailgun_key": "secret-key",
    "twilio_account_sid": "AC1",
    "twilio_auth_token": "secret-token",
    "twilio_from": "+1 612 555 0199",
}
EMAIL, VOICE, TEXT = DeliveryMode.EMAIL, DeliveryMode.VOICE, DeliveryMode.TEXT


def made(
    gateways: dict[DeliveryMode, str],
    *,
    public_url: str | None = "https://log.plainview.example",
    journal: Path | None = None,
    **changes: Any,
) -> dict[DeliveryMode, Gateway]:
    settings = GatewaySettings(gateways=gateways, **WHOLE | changes)
    installation = Installation(
        httpx2.AsyncClient(transport=httpx2.MockTransport(lambda _: httpx2.Response(500))),
        lambda: datetime(2026, 3, 2, tzinfo=UTC),
        public_url,
        {"twilio": 20.0, "smtp": 5.0},
        journal,
    )
    return dict(build(settings, installation))


def test_without_settings_only_the_inbox_has_a_gateway() -> None:
    gateways = made({})

    assert {mode: gateway.name for mode, gateway in gateways.items()} == {
        DeliveryMode.INBOX: "inbox"
    }


def test_each_mode_has_its_configured_gateway() -> None:
    gateways = made({EMAIL: "smtp", VOICE: "twilio", TEXT: "twilio"})

    assert gateways[EMAIL].name == "smtp"
    assert gateways[VOICE] is gateways[TEXT]
    assert gateways[VOICE].name == "twilio"
    assert (gateways[EMAIL].per_second, gateways[TEXT].per_second) == (5.0, 20.0)


async def test_the_simulator_serves_every_mode_but_the_inbox(tmp_path: Path) -> None:
    names = dict.fromkeys((EMAIL, VOICE, TEXT), "simulator")
    gateways = made(names, journal=tmp_path / "journal")

    assert gateways[EMAIL] is gateways[VOICE] is gateways[TEXT]
    assert gateways[DeliveryMode.INBOX].name == "inbox"
    await gateways[EMAIL].close()


@pytest.mark.parametrize(
    ("gateways", "changes", "problem"),
    [
        ({EMAIL: "pigeon"}, {}, "SENTLOG_GATEWAYS: there is no gateway 'pigeon': choose among"),
        ({VOICE: "smtp"}, {}, "SENTLOG_GATEWAYS: smtp does not deliver VOICE, only EMAIL."),
        ({EMAIL: "smtp"}, {"smtp_url": None}, "SENTLOG_SMTP_URL: it is not set"),
        ({EMAIL: "smtp"}, {"smtp_url": "http://mail"}, "SENTLOG_SMTP_URL: write it like smtp://"),
        ({EMAIL: "smtp"}, {"smtp_url": "smtp://m:x"}, "SENTLOG_SMTP_URL: it is not a URL."),
        ({EMAIL: "smtp"}, {"mail_from": None}, "SENTLOG_MAIL_FROM: it is not set"),
        ({EMAIL: "smtp"}, {"mail_from": "us"}, "SENTLOG_MAIL_FROM: 'us' is not an email address"),
        (
            {EMAIL: "smtp"},
            {"mail_from": "Us <us@x.example>"},
            "SENTLOG_MAIL_FROM: 'Us <us@x.example>' has a name: write the address alone, like us@x.example.",
        ),
        (
            {EMAIL: "smtp"},
            {"mail_from": "zoë@x.example"},
            "SENTLOG_MAIL_FROM: 'zoë@x.example' cannot be used: it has letters beyond ASCII before the @",
        ),
        (
            {EMAIL: "mailgun"},
            {"mail_from": None, "mailgun_domain": "mg..example"},
            "SENTLOG_MAILGUN_DOMAIN: 'no-reply@mg..example' is not an email address",
        ),
        ({EMAIL: "mailgun"}, {"mailgun_key": ""}, "SENTLOG_MAILGUN_KEY: it is not set"),
        (
            {EMAIL: "mailgun"},
            {"mailgun_url": "http://u:secret@mailgun.example"},
            "SENTLOG_MAILGUN_URL: http://mailgun.example is neither https nor on this machine",
        ),
        ({TEXT: "twilio"}, {"twilio_url": "ftp://x"}, "SENTLOG_TWILIO_URL: ftp://x is neither"),
        ({TEXT: "twilio"}, {"public_url": "http://log.x"}, "SENTLOG_PUBLIC_URL: http://log.x is"),
        ({TEXT: "twilio"}, {"public_url": None}, "SENTLOG_PUBLIC_URL: it is not set"),
        ({TEXT: "twilio"}, {"twilio_from": "MG1"}, "SENTLOG_TWILIO_FROM: 'MG1' is not a phone"),
    ],
)
def test_a_wrong_setting_is_refused_by_its_name(
    gateways: dict[DeliveryMode, str], changes: dict[str, Any], problem: str
) -> None:
    with pytest.raises(GatewaySettingsError) as refusal:
        made(gateways, **changes)

    assert str(refusal.value).startswith(problem)
    assert "secret" not in str(refusal.value)


async def test_emails_come_from_the_address_of_the_settings_in_its_normal_form() -> None:
    async with SmtpStandIn().running() as server:
        url = f"smtp://127.0.0.1:{server.port}"
        gateways = made({EMAIL: "smtp"}, smtp_url=url, mail_from=" Office@Bücher.example ")

        [outcome] = await gateways[EMAIL].send(server.handovers("heather@nomail.example"))
        await gateways[EMAIL].close()

        assert isinstance(outcome, Accepted)
        assert server.envelopes[0].mail_from == "office@xn--bcher-kva.example"
        assert server.emails()[0]["From"].addresses[0].addr_spec == "office@xn--bcher-kva.example"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.8.0.1", "[::1]"])
def test_a_stand_in_on_this_machine_needs_no_https(host: str) -> None:
    url = f"http://{host}:9000"

    gateways = made({EMAIL: "mailgun", TEXT: "twilio"}, mailgun_url=url, twilio_url=url)

    assert gateways[EMAIL].name == "mailgun"


def test_secrets_are_not_in_the_repr() -> None:
    shown = repr(GatewaySettings(**WHOLE))

    assert "secret" not in shown
    assert "p%40ss" not in shown
