"""The stand-ins for providers, new for each test."""

import pytest

from tests.delivery.gateways.stand_ins import CallStandIn, MailgunStandIn, TextStandIn


@pytest.fixture
def calls() -> CallStandIn:
    return CallStandIn()


@pytest.fixture
def texts() -> TextStandIn:
    return TextStandIn()


@pytest.fixture
def mailgun() -> MailgunStandIn:
    return MailgunStandIn()
