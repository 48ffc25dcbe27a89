"""Any callback is either read, or refused with a documented error."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.gateways.base import Callback, CallbackRefused
from delivery.gateways.inbox import InboxGateway
from delivery.gateways.port import Gateway
from domain.status import DeliveryStatus
from tests.delivery.gateways.simulator.stand_in import SimulatorStandIn
from tests.delivery.gateways.stand_ins import NOON, CallStandIn, MailgunStandIn, SmtpStandIn

GATEWAYS = [
    InboxGateway(),
    SmtpStandIn().made_for_nobody(),
    MailgunStandIn().gateway,
    CallStandIn().gateway,
    SimulatorStandIn().gateway,
]

TARGETS = [f"/callbacks/twilio/{kind}?delivery=d-1" for kind in ("call", "confirm", "text", "x")]
FIELDS = """CallSid MessageSid CallStatus AnsweredBy SipResponseCode Digits MessageStatus ErrorCode Timestamp From Body
    OptOutType""".split()  # noqa: SIM905
NAMES = """signature event-data event timestamp token message headers message-id severity reason user-variables delivery
    delivery-status code""".split()  # noqa: SIM905
VALUES = ["CA" + "0" * 32, "Mon, 2 Mar 2026 99:00:00 +0000", "completed", "0", "+16125550101"]

forms = st.dictionaries(st.sampled_from(FIELDS), st.text(max_size=20) | st.sampled_from(VALUES))
anything = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner),
    max_leaves=15,
)
events = st.fixed_dictionaries(
    {"signature": st.just({"timestamp": "1", "token": "t", "signature": "s"})},
    optional={"event-data": st.dictionaries(st.sampled_from(NAMES), anything)},
)
bodies = st.one_of(
    st.binary(max_size=200),
    forms.map(lambda fields: "&".join(f"{name}={value}" for name, value in fields.items())).map(
        lambda text: text.encode("utf-8", "surrogatepass")
    ),
    (anything | events).map(lambda value: json.dumps(value).encode()),
)
callbacks = st.builds(
    Callback,
    target=st.text() | st.sampled_from([*TARGETS, "/callbacks/twilio/incoming"]),
    headers=st.dictionaries(st.sampled_from(["x-twilio-signature", "host"]), st.text()),
    body=bodies,
)


@pytest.mark.parametrize("gateway", GATEWAYS, ids=lambda gateway: gateway.name)
@given(callback=callbacks)
def test_junk_is_refused_and_never_a_fault(gateway: Gateway, callback: Callback) -> None:
    with pytest.raises(CallbackRefused):
        gateway.verify(callback, now=NOON)
    try:
        parsed = gateway.parse(callback, now=NOON)
    except CallbackRefused:
        return
    for receipt in parsed.receipts:
        assert receipt.at.tzinfo is not None
        assert receipt.status not in (DeliveryStatus.PENDING, DeliveryStatus.CANCELED)
