"""Read the headers of an email strictly by RFC 5322, RFC 2047 and RFC 6532.

It shares no code with the email package, nor with what writes the headers. A test that reads with it fails at the first
octet that a strict server or reader could take for something else.
"""

import re
from base64 import b64decode
from collections.abc import Iterator
from typing import Final, NamedTuple

LONGEST_LINE: Final = 998
LONGEST_ENCODED: Final = 75
LONGEST_LINE_WITH_ENCODED: Final = 76

_FIELD: Final = re.compile(r"([A-Za-z][A-Za-z0-9-]*):(?: (.*))?", re.DOTALL)
_ENCODED: Final = re.compile(r"=\?utf-8\?([qb])\?([!->@-~]+)\?=")
_TOKEN: Final = re.compile(
    r"""(?P<space>[ ]+)
    |(?P<quoted>"(?:[^"\\]|\\.)*")
    |(?P<angle><[^<>\s]+>)
    |(?P<atom>[^\s<>"(),:;@\\\[\]]+)""",
    re.VERBOSE,
)


class Header(NamedTuple):
    """A header, unfolded but not decoded."""

    name: str
    value: str


class Address(NamedTuple):
    """One address of a header, and its decoded name."""

    name: str
    address: str


def headers_of(email: bytes, *, utf8: bool = False) -> list[Header]:
    """Return the headers of `email` in order; they must be ASCII unless `utf8`."""
    head, blank, _ = email.partition(b"\r\n\r\n")
    assert blank, "no blank line ends the headers"
    lines = head.split(b"\r\n")
    for line in lines:
        assert b"\r" not in line, line
        assert b"\n" not in line, line
        assert line.strip(b" \t"), "a line of a header is blank"
        assert len(line) <= LONGEST_LINE, line
        assert not re.search(rb"[\x00-\x08\x0b-\x1f\x7f]", line), line
        if _ENCODED.search(line.decode()):
            assert len(line) <= LONGEST_LINE_WITH_ENCODED, line
    text = head.decode("utf-8" if utf8 else "ascii")
    read = []
    for unfolded in re.sub(r"\r\n(?=[ \t])", "", text).split("\r\n"):
        field = _FIELD.fullmatch(unfolded)
        assert field is not None, unfolded
        read.append(Header(field[1], field[2] or ""))
    return read


def text_of(value: str) -> str:
    """Return the decoded text of an unstructured value."""
    return "".join(_shown(re.findall(r"[ \t]+|[^ \t]+", value)))


def addresses_of(value: str) -> list[Address]:
    """Return the addresses of a list of mailboxes."""
    found, words, at = list[Address](), list[str](), 0
    if re.fullmatch(r"[^\s<>\"(),:;]+@[^\s<>\"(),:;]+", value):
        return [Address("", value)]
    while at < len(value):
        token = _TOKEN.match(value, at)
        assert token is not None, value[at:]
        at = token.end()
        if token["angle"] is None:
            words.append(token[0])
            continue
        found.append(Address(_phrase(words), token["angle"][1:-1]))
        words.clear()
        if at < len(value):
            assert value[at] == ",", value[at:]
            at += 1
    assert not words, value
    return found


def _phrase(words: list[str]) -> str:
    assert words, "an address in angle brackets has no name, and could stand alone"
    for word in words:
        assert not (word.startswith('"') and "=?" in word), "an encoded word in a quoted string"
    return "".join(_shown(words, unquotes=True)).strip()


def _shown(words: list[str], *, unquotes: bool = False) -> Iterator[str]:
    """Return words and the white space between them, decoded: white space between encoded words is dropped."""
    for number, word in enumerate(words):
        between = word.isspace() and 0 < number < len(words) - 1
        if between and all(_ENCODED.fullmatch(words[number + side]) for side in (-1, 1)):
            continue
        if unquotes and word.startswith('"'):
            yield re.sub(r"\\(.)", r"\1", word[1:-1])
            continue
        if encoded := _ENCODED.fullmatch(word):
            assert len(word) <= LONGEST_ENCODED, word
            yield _decoded(encoded[1], encoded[2])
            continue
        assert "=?" not in word, f"{word} looks like an encoded word to some readers"
        yield word


def _decoded(encoding: str, text: str) -> str:
    if encoding == "b":
        octets = b64decode(text, validate=True)
    else:
        assert re.fullmatch(r"(?:[A-Za-z0-9!*+/_-]|=[0-9A-F]{2})+", text), text
        written = text.replace("_", "=20")
        octets = re.sub(rb"=(..)", lambda found: bytes([int(found[1], 16)]), written.encode())
    return octets.decode()  # no character is cut in two
