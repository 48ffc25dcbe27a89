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

CALL_ERRORS: Final = {
    21211: -2,  # not a phone number
    21217: -2,
    13223: -2,
    13224: -13,  # no carrier calls it
    21214: -21,  # cannot be reached
    21215: -31,  # the account may not call that country
    13227: -31,
    21216: -22,  # the account may not call that number
    13225: -22,
}
"""Why Twilio refuses a call to one number, by its error; every other error is about us, and mends itself or is mended."""

TEXT_ERRORS: Final = {
    21211: -2,
    21217: -2,
    UNSUBSCRIBED: OPTED_OUT,
    21408: -30,  # the account may not text that country
    21612: -30,  # no route from our number to that one
    21614: -30,  # not a mobile number
    21617: -30,  # too long
    21635: -30,  # a landline
}

STOP_WORDS: Final = frozenset(
    {"STOP", "STOPALL", "UNSUBSCRIBE", "CANCEL", "END", "QUIT", "OPTOUT", "REVOKE"}
)
START_WORDS: Final = frozenset({"START", "YES", "UNSTOP"})
"""What Twilio takes for a refusal of texts, or for leave to send them; it answers them itself."""


def call_outcome(
    word: str, answered_by: str | None, *, sip: str | None = None, has_extension: bool = False
) -> Standing:
    """Where a call stands, by its word, who answered, and the last SIP response."""
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


def text_outcome(word: str, error: int | str | None = None) -> Standing:
    """Where a text stands, by its word and error."""
    if str(error) == str(UNSUBSCRIBED):
        return status_of_code(OPTED_OUT), OPTED_OUT
    code = TEXT_STATUSES.get(word)
    return (None, None) if code is None else (status_of_code(code), code)


def refusal(mode: DeliveryMode, error: int | None, reason: str) -> Outcome:
    """What an error of Twilio's means for one hand-over."""
    codes = CALL_ERRORS if mode is DeliveryMode.VOICE else TEXT_ERRORS
    if error not in codes:
        return NotAccepted(reason)
    code = codes[error]
    return Refused(reason, status_of_code(code), code)
