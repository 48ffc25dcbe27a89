"""What Twilio reports by itself: whether Twilio signed it, and what it says.

https://www.twilio.com/docs/usage/security (X-Twilio-Signature), /docs/usage/webhooks/voice-webhooks,
https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks and /docs/messaging/tutorials/advanced-opt-out

    /callbacks/twilio/call?delivery=KEY       how a call stands
    /callbacks/twilio/confirm?delivery=KEY    a key was pressed; the answer goes on with the call
    /callbacks/twilio/text?delivery=KEY       how a text stands
    /callbacks/twilio/incoming                a text to our number: STOP or START
"""

import hmac
import re
from base64 import b64encode
from collections.abc import Mapping
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl, urlsplit

import structlog

from delivery.gateways.base import Callback, Consent, Forged, Malformed, Parsed, Reply
from delivery.gateways.exchange import mail_instant
from delivery.gateways.twilio.codes import (
    ACCOUNT_ERRORS,
    call_outcome,
    error_number,
    lacks_answer,
    text_outcome,
)
from delivery.gateways.twilio.twiml import CONFIRMS, MEDIA_TYPE, NOTHING, confirm_twiml
from delivery.gateways.wording import redacted
from domain.opt_out import Keyword, read_keyword
from domain.receipts import Receipt
from domain.status import DeliveryStatus

_log = structlog.get_logger(__name__)

SID: Final = re.compile(r"(CA|SM|MM)[0-9a-f]{32}")
"""Twilio's name for a call or a message."""

_OPT_OUT_TYPES: Final = {keyword.value: keyword for keyword in Keyword}
_NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}")
_TOLD: Final = ("CallStatus", "AnsweredBy", "SipResponseCode", "MessageStatus", "ErrorCode")


def check_signature(callback: Callback, *, public_url: str, auth_token: str) -> None:
    """Raise `Forged` unless whoever knows the token signed this address and these fields."""
    given = callback.headers.get("x-twilio-signature", "")
    fields = "".join(name + value for name, value in sorted(set(_form(callback.body))))
    for url in _spellings(public_url + callback.target):
        try:
            signed = (url + fields).encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:  # no request has such an address
            break
        right = b64encode(hmac.digest(auth_token.encode(), signed, "sha1"))
        if hmac.compare_digest(right, given.encode("utf-8", "replace")):
            return
    raise Forged("its signature does not hold: SENTLOG_PUBLIC_URL must be what Twilio calls")


def parse(callback: Callback, *, public_url: str, now: datetime) -> Parsed:
    """As `Gateway.parse`."""
    try:
        split = urlsplit(callback.target)
    except ValueError:
        raise Malformed("its address cannot be read") from None
    kind = split.path.rstrip("/").rpartition("/")[2]
    form, query = dict(_form(callback.body)), dict(parse_qsl(split.query))
    if kind == "incoming":
        return _incoming(form, now)
    key, sid = query.get("delivery"), form.get("CallSid") or form.get("MessageSid", "")
    if not key or SID.fullmatch(sid) is None:
        raise Malformed("it names no delivery, or no call or message")
    at = mail_instant(form.get("Timestamp")) or now
    receipt = Receipt(at, None, key=key, reference=sid, address=form.get("To") or None)
    if kind == "confirm":
        url = public_url + callback.target
        return _confirm(form.get("Digits", ""), receipt, confirm_url=url)
    if kind == "call":
        word, answered_by = form.get("CallStatus", ""), form.get("AnsweredBy")
        has_extension = "extension" in query
        status, code = call_outcome(
            word, answered_by, sip=form.get("SipResponseCode"), has_extension=has_extension
        )
        lacks = lacks_answer(word, answered_by, has_extension=has_extension)
        receipt = receipt._replace(is_incomplete=lacks)
    elif kind == "text":
        status, code = text_outcome(form.get("MessageStatus", ""), form.get("ErrorCode"))
        _warn_of_account(error_number(form.get("ErrorCode")))
    else:
        raise Malformed("Twilio has no business at this address")
    detail = redacted(", ".join(form[name] for name in _TOLD if form.get(name)))
    return Parsed([receipt._replace(status=status, code=code, detail=detail)])


def _warn_of_account(error: int | None) -> None:
    """Say in the log that texts fail for a reason that an administrator has to mend."""
    if error in ACCOUNT_ERRORS:
        _log.warning("a text failed", gateway="twilio", code=error, reason=ACCOUNT_ERRORS[error])


def _confirm(digits: str, receipt: Receipt, *, confirm_url: str) -> Parsed:
    """A key was pressed: only the right one says anything about the delivery."""
    answer = Reply(MEDIA_TYPE, confirm_twiml(digits, confirm_url=confirm_url))
    if digits != CONFIRMS:
        return Parsed(reply=answer)
    heard = receipt._replace(
        status=DeliveryStatus.DELIVERED, code=5, confirmed=True, detail="pressed 0"
    )
    return Parsed([heard], reply=answer)


def _incoming(form: Mapping[str, str], now: datetime) -> Parsed:
    """A text to our number: only whether it asks for no more texts, or for texts again, is of interest."""
    number = form.get("From", "")
    if _NUMBER.fullmatch(number) is None:
        raise Malformed("a text from no phone number")
    keyword = _keyword(form.get("OptOutType", "").strip().upper(), form.get("Body", ""))
    consents = [] if keyword is None else [Consent(now, number, keyword is Keyword.STOP)]
    return Parsed(consents=consents, reply=Reply(MEDIA_TYPE, NOTHING))


def _keyword(opt_out_type: str, body: str) -> Keyword | None:
    """What a text asks for: what Twilio made of it (STOP, START, HELP) where Advanced Opt-Out is on, else its words."""
    return _OPT_OUT_TYPES.get(opt_out_type) if opt_out_type else read_keyword(body)


def _form(body: bytes) -> list[tuple[str, str]]:
    """The fields of a form; none where it is no form. Bytes that are no text stay what they are, or no signature holds."""
    try:
        return parse_qsl(
            body.decode("utf-8", "surrogateescape"),
            keep_blank_values=True,
            errors="surrogateescape",
            max_num_fields=200,
        )
    except ValueError:
        return []


def _spellings(url: str) -> list[str]:
    """A URL as it is, without its port, and with the one that https means: Twilio has signed each of them in its time."""
    try:
        split = urlsplit(url)
        host = split.hostname or ""
    except ValueError:
        return []
    name = f"[{host}]" if ":" in host else host
    return [url, *(split._replace(netloc=name + port).geturl() for port in ("", ":443"))]
