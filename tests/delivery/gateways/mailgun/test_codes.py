"""Mailgun's events and errors: which failures are final, and what a refusal is about."""

import httpx2
import pytest

from delivery.gateways.base import NotAccepted, Refused
from delivery.gateways.mailgun.codes import (
    event_status,
    failure_code,
    is_about_an_address,
    is_about_the_message,
)
from domain.status import DeliveryStatus
from tests.delivery.gateways.stand_ins import MailgunStandIn

FAILED, SENT = DeliveryStatus.FAILED, DeliveryStatus.SENT


@pytest.mark.parametrize(
    ("severity", "reason", "code", "status"),
    [
        ("temporary", "generic", 421, SENT),
        ("temporary", "bounce", 452, SENT),
        ("temporary", "greylisted", "451", SENT),
        ("temporary", None, None, SENT),
        ("temporary", "old", 498, FAILED),
        ("temporary", "generic", 602, FAILED),
        ("temporary", "generic", "602", FAILED),
        ("permanent", "bounce", 550, FAILED),
        ("permanent", "generic", 552, FAILED),
        ("permanent", "suppress-bounce", 605, FAILED),
        ("permanent", "suppress-unsubscribe", 606, FAILED),
        ("permanent", "suppress-complaint", 607, FAILED),
        ("temporary", "suppress-bounce", None, FAILED),
        (None, None, None, FAILED),
    ],
)
def test_a_failure_is_final_if_mailgun_does_not_retry(
    severity: str | None, reason: str | None, code: int | str | None, status: DeliveryStatus
) -> None:
    assert event_status("failed", severity=severity, reason=reason, code=code) is status


@pytest.mark.parametrize(
    ("reason", "code", "reply", "failure"),
    [
        ("suppress-bounce", 605, "Not delivering to previously bounced address", "605"),
        ("suppress-complaint", None, None, "607"),
        ("generic", "606", None, "606"),
        ("old", 498, "4.4.1 timed out", "602"),
        ("bounce", 550, "5.1.1 no such user", "5.1.1"),
        ("bounce", 550, "host 5.1.1.9 said no", "550"),
        ("generic", 552, None, "552"),
        (None, None, None, None),
    ],
)
def test_a_failure_has_mailgun_s_code_or_that_of_the_receiving_server(
    reason: str | None, code: int | str | None, reply: str | None, failure: str | None
) -> None:
    assert failure_code(reason, code=code, reply=reply) == failure


PROBLEMS = [
    ("'to' parameter is not a valid address. please check documentation", "address"),
    ("to parameter is not a valid address", "address"),
    ("'h:Reply-To' parameter is not a valid address", "message"),
    ("reply-to parameter is not a valid address", "message"),
    ("Need at least one of 'text', 'html' or 'template' parameters specified", "message"),
    ("Message is too large", "message"),
    ("message exceeds the maximum size", "message"),
    ("'from' parameter is not a valid address. please check documentation", "account"),
    ("Sandbox subdomains are for test purposes only. Please add your own domain", "account"),
    ("Domain mg.plainview.example is not allowed to send: The domain is unverified", "account"),
    ("Please activate your Mailgun account", "account"),
    ("recipient-variables is not valid JSON", "account"),
    ("", "account"),
]


@pytest.mark.parametrize(("problem", "about"), PROBLEMS)
def test_a_refusal_is_about_an_address_the_message_or_the_account(problem: str, about: str) -> None:
    assert (is_about_an_address(problem), is_about_the_message(problem)) == (
        about == "address",
        about == "message",
    )


@pytest.mark.parametrize(("problem", "about"), PROBLEMS)
async def test_permanent_errors_are_refused_and_others_are_retried(
    problem: str, about: str
) -> None:

    mailgun = MailgunStandIn()
    answer = httpx2.Response(400, json={"message": problem})
    mailgun.take = lambda request, form: answer  # type: ignore[method-assign]

    outcomes = await mailgun.gateway.send(mailgun.handovers(*mailgun.good))

    expected = NotAccepted if about == "account" else Refused
    assert [type(outcome) for outcome in outcomes] == [expected] * 3
