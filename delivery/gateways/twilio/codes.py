"""Twilio's statuses and errors, and the call statuses of the log that they mean.

https://www.twilio.com/docs/voice/api/call-resource#call-status-values, /docs/voice/answering-machine-detection,
https://www.twilio.com/docs/messaging/api/message-resource#message-status-values and https://www.twilio.com/docs/api/errors
"""

from collections.abc import Mapping
from typing import Final

from delivery.gateways.base import NotAccepted, Outcome, Refused
from domain.call_status import OPTED_OUT, TEXT_SENT
from domain.receipts import status_of_code
from domain.status import DeliveryMode, DeliveryStatus

Standing = tuple[DeliveryStatus | None, int | None]
"""Status and code of a delivery; both None for an unknown word."""

_UNDERWAY: Final = (DeliveryStatus.IN_PROGRESS, None)

CALL_STATUSES: Final[Mapping[str, int | None]] = {
    "queued": None,
    "initiated": None,
    "ringing": None,
    "in-progress": None,
    "busy": 1,
    "no-answer": 0,
    "failed": 10,
    "canceled": 10,
}
"""The code of a call by Twilio's status, None while it goes on; `completed` depends on who answered."""

ANSWERED_BY: Final = {
    "human": 5,
    "machine_start": 6,
    "machine_end_beep": 6,
    "machine_end_silence": 6,
    "machine_end_other": 6,
    "fax": 7,
    # A person or a machine answered. Nobody else calls a person who counts as contacted, so do not guess.
    "unknown": 9,
}

SIP_CODES: Final = {404: 3, 410: 3, 604: 3, 484: -2, 486: 1, 600: 1, 408: 0, 503: -26}
"""The code of a `failed` call, by the last SIP response (RFC 3261, 21)."""

EXTENSION_DIALED: Final = 13

TEXT_STATUSES: Final = {
    "accepted": -39,
    "scheduled": -39,
    "queued": -39,
    "sending": -39,
    "sent": TEXT_SENT,
    "delivered": -28,
    "read": -28,
    "undelivered": -40,
    "failed": -30,
    "canceled": -30,
}

UNSUBSCRIBED: Final = 21610

# Errors: https://www.twilio.com/docs/api/errors. Some belong to buying numbers; no known hand-over gets them. If one does, the
# error means the same.

CALL_ERRORS: Final = {
    21201: -2,  # no number to call
    21211: -2,  # not a phone number
    21217: -2,  # does not appear to be a phone number
    21401: -2,  # not a phone number (buying one)
    21421: -2,  # the same
    21451: -2,  # no such area code
    21604: -2,  # no number to call
    13223: -2,  # not a phone number
    13226: -2,  # no such country code
    13224: -13,  # no carrier calls it
    21214: -21,  # cannot be reached
    21215: -31,  # the account may not call that country
    13227: -31,
    21216: -22,  # the account may not call that number
    13225: -22,
    21266: -14,  # it is our own number
}
"""Errors for which Twilio refuses a call to one number: a retry cannot help."""

TEXT_ERRORS: Final = {
    21211: -2,  # not a phone number
    21217: -2,  # does not appear to be a phone number
    21401: -2,  # not a phone number (buying one)
    21421: -2,  # the same
    21451: -2,  # no such area code
    21604: -2,  # no number to text
    UNSUBSCRIBED: OPTED_OUT,
    21265: -30,  # a short code: texts cannot be sent to it
    21266: -30,  # it is our own number
    21268: -30,  # a premium or information service
    21408: -30,  # the account may not text that country
    21602: -30,  # no body
    21605: -30,  # too long
    21612: -30,  # no route from our number to that one
    21614: -30,  # not a mobile number
    21617: -30,  # too long
    21618: -30,  # a body that Twilio does not send
    21619: -30,  # neither body nor media
    21635: -30,  # a landline
}
"""Errors for which Twilio refuses a text to one number, at the hand-over or later: a retry cannot help."""

ACCOUNT_ERRORS: Final = {
    10001: "the Twilio account is not active",
    10002: "a trial account cannot do this",
    20003: "SENTLOG_TWILIO_ACCOUNT_SID and SENTLOG_TWILIO_AUTH_TOKEN are not accepted",
    20005: "the Twilio account is not active",
    20008: "the credentials are Twilio's test credentials",
    21205: "SENTLOG_PUBLIC_URL is not an address that Twilio can call",
    21210: "SENTLOG_TWILIO_FROM is not verified as a caller",
    21212: "SENTLOG_TWILIO_FROM is not a number that can call or text",
    21213: "SENTLOG_TWILIO_FROM is missing",
    21219: "a trial account calls only numbers that it has verified",
    21264: "SENTLOG_TWILIO_FROM cannot send texts",
    21267: "a trial account cannot send from a name",
    21601: "SENTLOG_TWILIO_FROM cannot send texts",
    21603: "SENTLOG_TWILIO_FROM is missing",
    21606: "SENTLOG_TWILIO_FROM cannot send texts to this destination",
    21607: "SENTLOG_TWILIO_FROM cannot send texts",
    21608: "a trial account texts only numbers that it has verified",
    21609: "SENTLOG_PUBLIC_URL is not an address that Twilio can call",
    21659: "SENTLOG_TWILIO_FROM is not a number of Twilio's, or of another country",
    21660: "SENTLOG_TWILIO_FROM belongs to another account",
    21661: "SENTLOG_TWILIO_FROM cannot send texts",
    21701: "the messaging service does not exist",
    21703: "the messaging service has no phone number",
    21704: "the messaging service has no sender for this destination",
    30002: "the Twilio account is suspended",
    30023: "the daily limit of the sender's brand is reached (A2P 10DLC)",
    30032: "the toll-free number is not verified",
    30034: "SENTLOG_TWILIO_FROM is not registered (A2P 10DLC)",
}
"""Errors that an administrator has to fix. Until then deliveries are retried, and the log warns."""

PASSING_ERRORS: Final = frozenset(
    {
        10004,  # too many calls at the same time
        14107,  # too many texts a second
        20429,  # too many requests
        20500,  # Twilio's own fault
        20503,  # Twilio is not available
        21611,  # our number has too many texts waiting
        30001,  # the queue is full
    }
)
"""Temporary errors: deliveries are retried. An error that is in no table is treated like one of these, so nothing is lost."""


def call_outcome(
    word: str, answered_by: str | None, *, sip: str | None = None, has_extension: bool = False
) -> Standing:
    """Return status and code of a call, by Twilio's status, who answered, and the last SIP response."""
    if lacks_answer(word, answered_by, has_extension=has_extension):
        return _UNDERWAY
    if word == "completed":
        # With an extension there is no answering machine detection.
        code = EXTENSION_DIALED if has_extension else ANSWERED_BY.get(answered_by or "unknown", 9)
        return status_of_code(code), code
    if word not in CALL_STATUSES:
        return None, None
    call_status = CALL_STATUSES[word]
    if call_status is None:
        return _UNDERWAY
    if word == "failed" and sip and sip.isdecimal():
        call_status = SIP_CODES.get(int(sip[:4]), call_status)
    return status_of_code(call_status), call_status


def lacks_answer(word: str, answered_by: str | None, *, has_extension: bool) -> bool:
    """Return whether a call has ended without who answered: Twilio's Call resource may have that later."""
    return word == "completed" and not answered_by and not has_extension


def text_outcome(word: str, error: int | str | None = None) -> Standing:
    """Return status and code of a text, by Twilio's status and error."""
    number = error_number(error)
    if number == UNSUBSCRIBED:
        return status_of_code(OPTED_OUT), OPTED_OUT
    code = TEXT_STATUSES.get(word)
    if code is None:
        return None, None
    if word in ("failed", "undelivered") and number in TEXT_ERRORS:
        code = TEXT_ERRORS[number]
    return status_of_code(code), code


def error_number(error: int | str | None) -> int | None:
    """Return Twilio's error as a number; callbacks have it as text. None if there is none."""
    text = str(error)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else None


def failure_code(error: int | str | None) -> str | None:
    """Return Twilio's error as a code of `domain.delivery_failures`."""
    number = error_number(error)
    return str(number) if number else None


def refusal(mode: DeliveryMode, error: int | None, reason: str) -> Outcome:
    """Return the outcome of a hand-over that Twilio answered with an error."""
    codes = CALL_ERRORS if mode is DeliveryMode.VOICE else TEXT_ERRORS
    if error not in codes:
        problem = ACCOUNT_ERRORS.get(error or 0)
        return NotAccepted(f"{problem} ({reason})" if problem else reason)
    code = codes[error]
    return Refused(reason, status_of_code(code), code, str(error))
