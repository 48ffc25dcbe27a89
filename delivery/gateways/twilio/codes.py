"""Twilio's words and errors, and the codes of the log that they mean.

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
"""Where a delivery stands, and its code; both None for a word that is not known."""

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
"""The code of a call by its word, None while it goes on; `completed` depends on who answered."""

ANSWERED_BY: Final = {
    "human": 5,
    "machine_start": 6,
    "machine_end_beep": 6,
    "machine_end_silence": 6,
    "machine_end_other": 6,
    "fax": 7,
    # Somebody or something answered. Who counts as contacted is called by nobody else: so not on a guess.
    "unknown": 9,
}

SIP_CODES: Final = {404: 3, 410: 3, 604: 3, 484: -2, 486: 1, 600: 1, 408: 0, 503: -26}
"""What a `failed` call failed of, by the last SIP response (RFC 3261, 21)."""

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

# Errors: https://www.twilio.com/docs/api/errors. Some belong to buying numbers and come by no hand-over that is known; where
# they come all the same, they say the same about the number.

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
"""Why Twilio refuses a call to one number, by its error: no repetition mends that."""

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
"""Why Twilio refuses a text to one number, by its error, when it is handed over or later: no repetition mends that."""

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
"""What an administrator has to mend, by Twilio's error. Until then it is tried again, and the log warns."""

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
"""What passes by itself: it is tried again. An error that is in no table is taken for one of these: it loses nothing."""


def call_outcome(
    word: str, answered_by: str | None, *, sip: str | None = None, has_extension: bool = False
) -> Standing:
    """Where a call stands, by its word, who answered, and the last SIP response."""
    if lacks_answer(word, answered_by, has_extension=has_extension):
        return _UNDERWAY
    if word == "completed":
        # With an extension nobody listens for who answers.
        code = EXTENSION_DIALED if has_extension else ANSWERED_BY.get(answered_by or "unknown", 9)
        return status_of_code(code), code
    if word not in CALL_STATUSES:
        return None, None
    known = CALL_STATUSES[word]
    if known is None:
        return _UNDERWAY
    if word == "failed" and sip and sip.isdecimal():
        known = SIP_CODES.get(int(sip[:4]), known)
    return status_of_code(known), known


def lacks_answer(word: str, answered_by: str | None, *, has_extension: bool) -> bool:
    """Whether a call has ended and Twilio does not say (yet) who answered: its Call resource may say so later."""
    return word == "completed" and not answered_by and not has_extension


def text_outcome(word: str, error: int | str | None = None) -> Standing:
    """Where a text stands, by its word and error."""
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
    """An error of Twilio's, which callbacks spell as text; None where there is none."""
    text = str(error)
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 6 else None


def refusal(mode: DeliveryMode, error: int | None, reason: str) -> Outcome:
    """What an error of Twilio's means for one hand-over."""
    codes = CALL_ERRORS if mode is DeliveryMode.VOICE else TEXT_ERRORS
    if error not in codes:
        to_mend = ACCOUNT_ERRORS.get(error or 0)
        return NotAccepted(f"{to_mend} ({reason})" if to_mend else reason)
    code = codes[error]
    return Refused(reason, status_of_code(code), code)
