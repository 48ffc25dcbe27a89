"""The mailbox that answers to an email go to, as a person writes it."""

import re
from typing import Final, NamedTuple

from domain.addresses import InvalidAddress, normalise
from domain.status import DeliveryMode
from domain.texts import one_line

_QUOTED: Final = re.compile(r'"(?P<name>(?:[^"\\]|\\.)*)"')
_ESCAPED: Final = re.compile(r"\\(.)")
_HOW: Final = "write one address: name@domain, or Name <name@domain>"


class Mailbox(NamedTuple):
    """One mailbox: the name to show, perhaps empty, and the address in its normal form."""

    name: str
    address: str


def read_mailbox(text: str) -> Mailbox:
    """The one mailbox that `text` means: `office@x.example`, `Front Office <office@x.example>`.

    A comma in the name needs no quotation marks: `Smith, Jane <jane@x.example>` is one person. Quotation marks around a
    name are not part of it. Raises `InvalidAddress` for anything else, several mailboxes included, and for a name before
    the `@` beyond ASCII: only servers with SMTPUTF8 take an email that mentions it, and the others would refuse the email.
    """
    line = one_line(text)
    before, bracket, after = line.rpartition("<")
    if not bracket:
        return Mailbox("", _address(line))
    address, bracket, rest = after.partition(">")
    if not bracket or rest.strip(" ;,."):
        raise _invalid(text, f"it is not one mailbox: {_HOW}")
    return Mailbox(_name(before.strip(), text), _address(address.strip()))


def _name(written: str, text: str) -> str:
    if quoted := _QUOTED.fullmatch(written):
        return one_line(_ESCAPED.sub(r"\1", quoted["name"]))
    # `a@x.example, B <b@x.example>` is two mailboxes, and not one with a strange name.
    if "<" in written or ">" in written or ("@" in written and re.search("[,;]", written)):
        raise _invalid(text, f"it is more than one mailbox: {_HOW}")
    return written


def _address(text: str) -> str:
    address = normalise(DeliveryMode.EMAIL, text).key
    if not address.isascii():
        raise _invalid(text, "it has letters beyond ASCII before the @: write another")
    if "=?" in address:  # no header may hold it: `delivery/gateways/headers.py`
        raise _invalid(text, "it looks like an encoded word: write another")
    return address


def _invalid(text: str, reason: str) -> InvalidAddress:
    return InvalidAddress(f"{text!r} cannot be used: {reason}", reason=reason)
