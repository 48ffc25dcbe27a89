"""Write headers of emails from data: from a text, or from a name and an address.

RFC 5322 (2.2.3 folding, 3.4 mailboxes), RFC 2047 (encoded words), RFC 6532 (addresses in UTF-8). The standard email package
parses a value before it writes it, and in some releases of Python a typed encoded word becomes another header. This module
parses nothing: a reader shows every text as it was typed, on one line.

It imports only the standard library and `domain.texts`, so that a test can run it on each supported Python.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from typing import Final, Literal

from domain.texts import one_line

LONGEST_LINE: Final = 998
"""Most octets of a line without the line break (RFC 5322, 2.1.1)."""

_LINE: Final = 76
"""Most characters of a line with an encoded word (RFC 2047, 2); other lines keep to it if they can."""

_WORD: Final = 75
_OPENING: Final = "=?utf-8?q?"
_CLOSING: Final = "?="

_WORD_AND_SPACE: Final = re.compile("[^ ]+ ?")
_LOOKS_ENCODED: Final = "=?"
_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_ATOMS: Final = re.compile(rf"{_ATOM}(?: {_ATOM})*")
# Octets that need no encoding in an encoded word of a name (RFC 2047, 5 (3)).
_SHOWN: Final = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")

# RFC 6531, 3.3: a letter beyond ASCII counts as an atom's. White space and controls beyond ASCII do not.
_LETTER: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\u00a1-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff-]+"
_LOCAL_PART: Final = re.compile(rf'{_LETTER}(?:\.{_LETTER})*|"(?:[ !#-\[\]-~]|\\[ -~])*"')
_DOMAIN: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?(?:\.[A-Za-z0-9-]+)*")

TextField = Literal["Subject", "Date"]
MailboxField = Literal["From", "To", "Reply-To"]
TokenField = Literal["Message-ID", "Auto-Submitted"]


def text_header(field: TextField, text: str) -> bytes:
    """Return the lines of a header with a text."""
    line = one_line(text)
    room = _room(field)
    words = line.split(" ")
    is_plain = line.isascii() and _LOOKS_ENCODED not in line and len(max(words, key=len)) <= room
    return _folded(field, words if is_plain else _encoded(line, room))


def mailbox_header(field: MailboxField, address: str, *, name: str = "") -> bytes:
    """Return the lines of a header with exactly one mailbox. Raises `ValueError` for an address that no header can hold."""
    check_address(address)
    return _folded(field, _mailbox(one_line(name), address, room=_room(field)))


def token_header(field: TokenField, token: str) -> bytes:
    """Return the line of a header with one token, neither encoded nor folded. Raises `ValueError`."""
    if re.fullmatch("[!-~]+", token) is None:
        raise ValueError(f"{field} cannot hold {token!r}: only visible ASCII")
    return _folded(field, [token])


def encoded_mailbox(address: str, *, name: str = "") -> str:
    """Return one mailbox in ASCII on one line, for a provider that folds headers but does not encode them.

    Raises `ValueError` for an address that no header can hold.
    """
    check_address(address)
    return " ".join(_mailbox(one_line(name), address, room=_room("Reply-To")))


def plain_mailbox(address: str, *, name: str = "") -> str:
    """Return one mailbox in Unicode on one line, for a provider that encodes and folds headers.

    Raises `ValueError` for an address that no header can hold.
    """
    check_address(address)
    line = one_line(name)
    return f"{_phrase(line)} <{address}>" if line else address


def check_address(address: str) -> None:
    """Raise `ValueError` unless `address` is one address: a local part, and a domain in ASCII (IDNA)."""
    local, _, domain = address.rpartition("@")
    if (
        _LOCAL_PART.fullmatch(local) is None
        or any(character.isspace() for character in local if not character.isascii())
        or _LOOKS_ENCODED in local  # some mail readers would decode it
        or _DOMAIN.fullmatch(domain) is None
    ):
        raise ValueError(f"no header can hold the address {address!r}")


def _mailbox(name: str, address: str, *, room: int) -> Sequence[str]:
    """Return the words of a mailbox."""
    if not name:
        return [address]
    phrase = _phrase(name)
    if not name.isascii() or _LOOKS_ENCODED in name or len(phrase) > room:
        return [*_encoded(name, room), f"<{address}>"]
    return [phrase, f"<{address}>"]


def _phrase(name: str) -> str:
    """Return `name` as a phrase: as atoms if possible, otherwise as a quoted string."""
    if _ATOMS.fullmatch(name):
        return name
    return '"' + re.sub(r'(["\\])', r"\\\1", name) + '"'


def _room(field: str) -> int:
    """Return the length of the longest word that fits after the name of `field`."""
    return min(_WORD, _LINE - len(f"{field}: "))


def _folded(field: str, words: Sequence[str]) -> bytes:
    """Return the lines of a header. The first word follows the name, since some readers take a blank first line for empty."""
    lines = [f"{field}: {words[0]}"]
    for word in words[1:]:
        if len(lines[-1]) + 1 + len(word) <= _LINE:
            lines[-1] += f" {word}"
        else:
            lines.append(f" {word}")
    encoded = [line.encode() for line in lines]
    if max(map(len, encoded)) > LONGEST_LINE:
        raise ValueError(f"a line of {field} would be longer than {LONGEST_LINE} octets")
    return b"".join(line + b"\r\n" for line in encoded)


# Encoded words


def _encoded(text: str, room: int) -> list[str]:
    """Return `text` as encoded words of at most `room` characters each."""
    in_base64 = 4 * -(-_octets(text) // 3)
    payload = room - len(_OPENING) - len(_CLOSING)
    if _q_length(text) <= in_base64:
        return [f"{_OPENING}{_q(part)}{_CLOSING}" for part in _parts(text, payload, _q_length)]
    opening = _OPENING.replace("q", "b")
    return [
        f"{opening}{b64encode(part.encode()).decode()}{_CLOSING}"
        for part in _parts(text, payload // 4 * 3, _octets)
    ]


def _parts(text: str, most: int, size: Callable[[str], int]) -> Iterator[str]:
    """Yield parts of `text` of at most `most` by `size`, cut after spaces; only a word longer than a part is cut.

    Some readers, such as Python's for names, show a space between encoded words. This way it is never inside a word.
    """
    part, used = "", 0
    for piece in _pieces(text, most, size):
        if used + size(piece) > most:
            yield part
            part, used = "", 0
        part, used = part + piece, used + size(piece)
    yield part


def _pieces(text: str, most: int, size: Callable[[str], int]) -> Iterator[str]:
    for word in _WORD_AND_SPACE.findall(text):
        if size(word) <= most:
            yield word
        else:
            yield from word


def _octets(text: str) -> int:
    return len(text.encode())


def _q_length(text: str) -> int:
    return len(_q(text))


def _q(text: str) -> str:
    """Return `text` in the Q encoding for a name."""
    return "".join(
        chr(octet) if octet in _SHOWN else "_" if octet == 0x20 else f"={octet:02X}"
        for octet in text.encode()
    )
