import hmac
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from urllib.parse import quote_from_bytes, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from delivery.gateways.base import Callback, Consent, Forged, Malformed, Parsed, Reply
from delivery.gateways.twilio.callbacks import check_signature, parse
from domain.receipts import Receipt
from domain.status import DeliveryStatus
from tests.delivery.gateways.stand_ins import AUTH_TOKEN, NOON, PUBLIC_URL, CallStandIn

SID = "CA" + "0" * 32
CALL = "/callbacks/twilio/call?delivery=d-1"
TEXT = "/callbacks/twilio/text?delivery=d-1"
CONFIRM = "/callbacks/twilio/confirm?delivery=d-1"
INCOMING = "/callbacks/twilio/incoming"


def callback(target: str, signature: str = "", **fields: str) -> Callback:
    headers = {"x-twilio-signature": signature}
    return Callback(target=target, headers=headers, body=urlencode(fields).encode())


def read(target: str, **fields: str) -> Parsed:
    return parse(callback(target, **fields), public_url=PUBLIC_URL, now=NOON)


# The signature


def test_the_signature_example_of_twilio_s_documentation_is_accepted() -> None:
    fields = {
        "CallSid": "CA1234567890ABCDE",
        "Caller": "+14158675309",
        "Digits": "1234",
        "From": "+14158675309",
        "To": "+18005551212",
    }
    signed = callback("/myapp.php?foo=1&bar=2", "RSOYDt4T1cUTdK1PDd93/VVr8B8=", **fields)

    check_signature(signed, public_url="https://mycompany.com", auth_token="12345")
    with pytest.raises(Forged):
        check_signature(signed, public_url="https://mycompany.com", auth_token="12346")


def sign(url: str, fields: dict[str, str]) -> str:
    text = url + "".join(name + fields[name] for name in sorted(fields))
    return b64encode(hmac.digest(AUTH_TOKEN.encode(), text.encode(), "sha1")).decode()


def test_the_gateway_accepts_signatures_with_its_token_for_its_url() -> None:
    fields = {"CallSid": SID, "CallStatus": "busy"}
    gateway = CallStandIn().gateway
    signed = callback(CALL, sign(PUBLIC_URL + CALL, fields), **fields)

    assert gateway.verify(signed, now=NOON) is None
    [receipt] = gateway.parse(signed, now=NOON).receipts
    assert (receipt.key, receipt.code) == ("d-1", 1)


@pytest.mark.parametrize("signed_host", ["log.example", "log.example:443", "log.example:8443"])
def test_the_port_of_our_address_may_be_signed_or_not(signed_host: str) -> None:
    fields = {"CallSid": SID}
    signature = sign(f"https://{signed_host}{CALL}", fields)

    check_signature(
        callback(CALL, signature, **fields),
        public_url="https://log.example:8443",
        auth_token=AUTH_TOKEN,
    )


@pytest.mark.parametrize(
    ("target", "fields"),
    [
        ("/callbacks/twilio/call?delivery=d-2", {"CallSid": SID}),
        (CALL, {"CallSid": SID, "Digits": "0"}),
        (CALL, {"CallSid": "CA" + "1" * 32}),
        (CALL, {}),
        ("//[", {"CallSid": SID}),
        (CALL + "\ud800", {"CallSid": SID}),
        ("[", {"CallSid": SID}),
    ],
)
def test_a_changed_url_or_field_breaks_the_signature(target: str, fields: dict[str, str]) -> None:
    signature = sign(PUBLIC_URL + CALL, {"CallSid": SID})

    with pytest.raises(Forged):
        check_signature(
            callback(target, signature, **fields), public_url=PUBLIC_URL, auth_token=AUTH_TOKEN
        )


@given(st.binary(min_size=1, max_size=30))
def test_bytes_that_are_not_utf8_are_signed_unchanged(value: bytes) -> None:
    body = b"Body=" + quote_from_bytes(value).encode()
    text = f"{PUBLIC_URL}{INCOMING}Body".encode() + value
    signature = b64encode(hmac.digest(AUTH_TOKEN.encode(), text, "sha1")).decode()
    signed = Callback(target=INCOMING, headers={"x-twilio-signature": signature}, body=body)

    check_signature(signed, public_url=PUBLIC_URL, auth_token=AUTH_TOKEN)


def test_a_request_without_signature_is_refused() -> None:
    unsigned = Callback(target=CALL, headers={}, body=b"")

    with pytest.raises(Forged):
        check_signature(unsigned, public_url=PUBLIC_URL, auth_token=AUTH_TOKEN)


# How a call or text stands


def test_a_call_is_dated_by_twilio() -> None:
    parsed = read(
        CALL,
        CallSid=SID,
        CallStatus="completed",
        AnsweredBy="human",
        Timestamp="Mon, 02 Mar 2026 17:59:00 +0000",
    )

    assert parsed == Parsed(
        [
            Receipt(
                NOON - timedelta(minutes=1),
                DeliveryStatus.DELIVERED,
                5,
                detail="completed, human",
                key="d-1",
                reference=SID,
            )
        ]
    )


def test_a_failed_call_has_the_code_of_its_sip_response() -> None:
    [receipt] = read(CALL, CallSid=SID, CallStatus="failed", SipResponseCode="404").receipts

    assert (receipt.status, receipt.code, receipt.at) == (DeliveryStatus.FAILED, 3, NOON)


def test_a_call_to_an_extension_is_known_by_its_callback_url() -> None:
    [receipt] = read(CALL + "&extension=1", CallSid=SID, CallStatus="completed").receipts

    assert (receipt.status, receipt.code) == (DeliveryStatus.DELIVERED, 13)


def test_a_text_is_dated_by_its_callback() -> None:
    parsed = read(TEXT, MessageSid="SM" + "0" * 32, MessageStatus="undelivered", ErrorCode="30006")

    assert parsed == Parsed(
        [
            Receipt(
                NOON,
                DeliveryStatus.FAILED,
                -40,
                detail="undelivered, 30006",
                key="d-1",
                reference="SM" + "0" * 32,
                failure="30006",
            )
        ]
    )


@pytest.mark.parametrize("target", [CALL, TEXT])
def test_an_unknown_word_is_kept_as_it_is(target: str) -> None:
    [receipt] = read(target, CallSid=SID, CallStatus="x-ray", MessageStatus="x-ray").receipts

    assert (receipt.status, receipt.code) == (None, None)
    assert (receipt.detail or "").startswith("x-ray")


@pytest.mark.parametrize(
    ("target", "fields"),
    [
        ("/callbacks/twilio/call", {"CallSid": SID, "CallStatus": "completed"}),
        (CALL, {"CallStatus": "completed"}),
        (CALL, {"CallSid": "CA-1\ud800", "CallStatus": "completed"}),
        ("/callbacks/twilio/elsewhere?delivery=d-1", {"CallSid": SID}),
        ("//[", {"CallSid": SID}),
        (CALL, {"CallSid": SID} | {f"Field{number}": "" for number in range(200)}),
        (INCOMING, {"Body": "STOP"}),
        (INCOMING, {"Body": "STOP", "From": "somebody"}),
    ],
)
def test_a_callback_without_key_or_id_is_malformed(target: str, fields: dict[str, str]) -> None:
    body = urlencode(fields, errors="surrogatepass").encode()

    with pytest.raises(Malformed):
        parse(Callback(target=target, headers={}, body=body), public_url=PUBLIC_URL, now=NOON)


# Keys that are pressed


def test_pressing_0_confirms_and_is_thanked() -> None:
    parsed = read(CONFIRM, CallSid=SID, Digits="0", CallStatus="in-progress")

    thanks = "<Response><Say>Thank you. Goodbye.</Say></Response>"
    assert parsed == Parsed(
        [
            Receipt(
                NOON,
                DeliveryStatus.DELIVERED,
                5,
                confirmed=True,
                detail="pressed 0",
                key="d-1",
                reference=SID,
            )
        ],
        reply=Reply("text/xml", thanks),
    )


@pytest.mark.parametrize("digits", ["5", "", "00", "#"])
def test_any_other_key_repeats_the_question_and_makes_no_receipt(digits: str) -> None:
    parsed = read(CONFIRM, CallSid=SID, Digits=digits)

    assert parsed.receipts == ()
    assert parsed.reply is not None
    assert f'action="{PUBLIC_URL}{CONFIRM}"' in parsed.reply.body


# Texts to our number


@pytest.mark.parametrize(
    ("fields", "opted_out"),
    [
        ({"Body": "STOP"}, True),
        ({"Body": " stop\n"}, True),
        ({"Body": "Unsubscribe"}, True),
        ({"Body": "revoke"}, True),
        ({"Body": "no more please", "OptOutType": "STOP"}, True),
        ({"Body": "start"}, False),
        ({"Body": "UNSTOP"}, False),
        ({"Body": "x", "OptOutType": "START"}, False),
        ({"Body": "START", "OptOutType": "STOP"}, True),
        ({"Body": "STOP", "OptOutType": " start "}, False),
        ({"Body": "“Arrêt !”"}, True),
    ],
)
def test_stop_and_start_are_opt_out_and_opt_in(fields: dict[str, str], opted_out: bool) -> None:
    parsed = read(INCOMING, From="+16125550101", MessageSid="SM" + "0" * 32, **fields)

    assert parsed == Parsed(
        consents=[Consent(NOON, "+16125550101", opted_out)],
        reply=Reply("text/xml", "<Response />"),
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"Body": "Don't stop"},
        {"OptOutType": "HELP"},
        {"OptOutType": "HELP", "Body": "STOP"},
        {"OptOutType": "LATER", "Body": "STOP"},
        {},
    ],
)
def test_any_other_text_changes_nothing(fields: dict[str, str]) -> None:
    parsed = read(INCOMING, From="+16125550101", **fields)

    assert (list(parsed.receipts), list(parsed.consents)) == ([], [])
    assert parsed.reply == Reply("text/xml", "<Response />")


def test_an_invalid_time_becomes_the_time_of_the_callback() -> None:
    [receipt] = read(
        CALL, CallSid=SID, CallStatus="busy", Timestamp="Mon, 99 Feb 2026 18:00:00"
    ).receipts

    assert receipt.at == NOON
    assert receipt.at == datetime(2026, 3, 2, 18, tzinfo=UTC)
