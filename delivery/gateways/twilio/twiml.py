"""The TwiML of a call: its script, and the response to a pressed key.

https://www.twilio.com/docs/voice/twiml/gather https://www.twilio.com/docs/api/errors/32018
"""

from typing import Final
from xml.etree.ElementTree import Element, SubElement, tostring

MEDIA_TYPE: Final = "text/xml"

LONGEST: Final = 4000
"""Most characters of the TwiML in a request for a call (error 32018)."""

CONFIRMS: Final = "0"
"""The key that confirms the message."""

_WRITTEN: Final = {"&": len("&amp;"), "<": len("&lt;"), ">": len("&gt;")}

_PROMPT: Final = "To confirm that you have received this message, press 0."
_THANKS: Final = "Thank you. Goodbye."

NOTHING: Final = "<Response />"
"""The response to a callback that needs no instructions."""


def voice_twiml(script: str, *, confirm_url: str) -> tuple[str, bool]:
    """Return a call that speaks `script` and asks for the key, and whether the script had to be cut to fit."""
    room = LONGEST - len(_call("-", confirm_url)) + 1
    kept = _beginning(script, room)
    return _call(kept, confirm_url), kept != script


def confirm_twiml(digits: str, *, confirm_url: str) -> str:
    """Return the response to a pressed key: thanks, or the question again."""
    response = Element("Response")
    if digits == CONFIRMS:
        _say(response, _THANKS)
    else:
        _say(_gather(response, confirm_url), _PROMPT)
    return tostring(response, encoding="unicode")


def _call(script: str, confirm_url: str) -> str:
    response = Element("Response")
    gather = _gather(response, confirm_url)  # a key that is pressed during the script counts too
    _say(gather, script)
    _say(gather, _PROMPT)
    return tostring(response, encoding="unicode")


def _gather(parent: Element, url: str) -> Element:
    return SubElement(parent, "Gather", numDigits="1", finishOnKey="", timeout="5", action=url)


def _say(parent: Element, text: str) -> None:
    SubElement(parent, "Say").text = text


def _beginning(text: str, room: int) -> str:
    """Return as many whole words of `text` as fit into `room` characters of XML: half a word may be another word."""
    for number, character in enumerate(text):
        room -= _WRITTEN.get(character, 1)
        if room < 0:
            return text[:number].rpartition(" ")[0]
    return text
