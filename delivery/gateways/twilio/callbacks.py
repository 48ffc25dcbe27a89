"""Twilio's callbacks: check signatures, and read callbacks as receipts and opt-outs.

https://www.twilio.com/docs/usage/security (X-Twilio-Signature), /docs/usage/webhooks/voice-webhooks,
https://www.twilio.com/docs/messaging/guides/outbound-message-status-in-status-callbacks and /docs/messaging/tutorials/advanced-opt-out

    /callbacks/twilio/call?delivery=KEY       the status of a call
    /callbacks/twilio/confirm?delivery=KEY    a key was pressed; the response continues the call
    /callbacks/twilio/text?delivery=KEY       the status of a text
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
    failure_code,
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
"""Twilio's id of a call or a message."""

_OPT_OUT_TYPES: Final = {keyword.value: keyword for keyword in Keyword}
_NUMBER: Final = re.compile(r"\+[1-9]\d{6,14}")
_DETAILS: Final = ("CallStatus", "AnsweredBy", "SipResponseCode", "MessageStatus", "ErrorCode")


def check_signature(callback: Callback, *, public_url: str, auth_token: str) -> None:
    """Raise `Forged` unless this URL and these fields are signed with the token."""
    signature = callback.headers.get("x-twilio-signature", "")
    fields = "".join(name + value for name, value in sorted(set(_form(callback.body))))
    for url in _spellings(public_url + callback.target):
        try:
            signed = (url + fields).encode("utf-8", "surrogateescape")
        except UnicodeEncodeError:  # no request has such a URL
            break
        expected = b64encode(hmac.digest(auth_token.encode(), signed, "sha1"))
        if hmac.compare_digest(expected, signature.encode("utf-8", "replace")):
            return
    raise Forged("its signature is wrong: SENTLOG_PUBLIC_URL must be the URL that Twilio calls")


def parse(callback: Callback, *, public_url: str, now: datetime) -> Parsed:
    """Read a verified callback, like `Gateway.parse`. Raises `Malformed`."""
    try:
        split = urlsplit(callback.target)
    except ValueError:
        raise Malformed("its URL cannot be read") from None
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
        receipt = receipt._replace(failure=failure_code(form.get("ErrorCode")))
        _warn_of_account(error_number(form.get("ErrorCode")))
    else:
        raise Malformed("no callback of Twilio goes to this URL")
    detail = redacted(", ".join(form[name] for name in _DETAILS if form.get(name)))
    return Parsed([receipt._replace(status=status, code=code, detail=detail)])


def _warn_of_account(error: int | None) -> None:
    """Log a warning if a text failed for a reason that an administrator has to fix."""
    if error in ACCOUNT_ERRORS:
        _log.warning(
            "a text failed: an administrator has to fix the cause",
            gateway="twilio",
            code=error,
            reason=ACCOUNT_ERRORS[error],
        )


def _confirm(digits: str, receipt: Receipt, *, confirm_url: str) -> Parsed:
    """Read a pressed key: only 0 confirms the delivery."""
    answer = Reply(MEDIA_TYPE, confirm_twiml(digits, confirm_url=confirm_url))
    if digits != CONFIRMS:
        return Parsed(reply=answer)
    confirmation = receipt._replace(
        status=DeliveryStatus.DELIVERED, code=5, confirmed=True, detail="pressed 0"
    )
    return Parsed([confirmation], reply=answer)


def _incoming(form: Mapping[str, str], now: datetime) -> Parsed:
    """Read a text to our number: an opt-out, an opt-in, or nothing."""
    number = form.get("From", "")
    if _NUMBER.fullmatch(number) is None:
        raise Malformed("a text from no phone number")
    keyword = _keyword(form.get("OptOutType", "").strip().upper(), form.get("Body", ""))
    consents = [] if keyword is None else [Consent(now, number, keyword is Keyword.STOP)]
    return Parsed(consents=consents, reply=Reply(MEDIA_TYPE, NOTHING))


def _keyword(opt_out_type: str, body: str) -> Keyword | None:
    """Return the keyword of a text: Twilio's (STOP, START, HELP) if Advanced Opt-Out is on, otherwise by its words."""
    return _OPT_OUT_TYPES.get(opt_out_type) if opt_out_type else read_keyword(body)


def _form(body: bytes) -> list[tuple[str, str]]:
    """Return the fields of a form; none if it is not a form. Bytes that are not UTF-8 are kept, for the signature."""
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
    """Return a URL as it is, without its port, and with port 443: Twilio has signed each of these forms."""
    try:
        split = urlsplit(url)
        host = split.hostname or ""
    except ValueError:
        return []
    name = f"[{host}]" if ":" in host else host
    return [url, *(split._replace(netloc=name + port).geturl() for port in ("", ":443"))]
