"""Parses the reply address of an email, as a person types it."""

import re
from typing import Final, NamedTuple

from domain.addresses import InvalidAddress, normalise
from domain.status import DeliveryMode
from domain.texts import one_line

_QUOTED: Final = re.compile(r'"(?P<name>(?:[^"\\]|\\.)*)"')
_ESCAPED: Final = re.compile(r"\\(.)")
_HOW: Final = "write one address: name@domain, or Name <name@domain>"


class Mailbox(NamedTuple):
    """One mailbox: the display name, perhaps empty, and the normalized address."""

    name: str
    address: str


def read_mailbox(text: str) -> Mailbox:
    """Parse one mailbox: `office@x.example` or `Front Office <office@x.example>`.

    A comma in the name needs no quotation marks: `Smith, Jane <jane@x.example>` is one person. Quotation marks around a
    name are removed. Raises `InvalidAddress` for anything else, including several mailboxes. A local part beyond ASCII is
    invalid too, because servers without SMTPUTF8 would reject the email.
    """
    line = one_line(text)
    before, bracket, after = line.rpartition("<")
    if not bracket:
        return Mailbox("", _address(line))
    address, bracket, rest = after.partition(">")
    if not bracket or rest.strip(" ;,."):
        raise _invalid(text, f"it is not one mailbox: {_HOW}")
    return Mailbox(_name(before.strip(), text), _address(address.strip()))


def _name(phrase: str, text: str) -> str:
    if quoted := _QUOTED.fullmatch(phrase):
        return one_line(_ESCAPED.sub(r"\1", quoted["name"]))
    # `a@x.example, B <b@x.example>` is two mailboxes, and not one with a strange name.
    if "<" in phrase or ">" in phrase or ("@" in phrase and re.search("[,;]", phrase)):
        raise _invalid(text, f"it is more than one mailbox: {_HOW}")
    return phrase


def _address(text: str) -> str:
    address = normalise(DeliveryMode.EMAIL, text).key
    if not address.isascii():
        raise _invalid(text, "it has letters beyond ASCII before the @: write another")
    if "=?" in address:  # no header may contain it: `delivery/gateways/headers.py`
        raise _invalid(text, "it looks like an encoded word: write another")
    return address


def _invalid(text: str, reason: str) -> InvalidAddress:
    return InvalidAddress(f"{text!r} cannot be used: {reason}", reason=reason)
