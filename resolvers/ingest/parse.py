"""Parses the lines of an upload, and explains errors to the person who wrote the file.

`resolvers.ingest.line_types` defines the lines.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from domain.message import BodyFormat, Source
from domain.status import DeliveryMode, DeliveryStatus, MessageStatus
from domain.surrogates import find_in_json
from resolvers.ingest.double_keys import check_keys
from resolvers.ingest.line_splitter import LONGEST_LINE
from resolvers.ingest.line_types import BadLine, Line, UploadedRecipient

_decode: Final[Callable[[bytes], Line]] = msgspec.json.Decoder(Line).decode
_decode_any = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode

_NUL: Final = b"\\u0000"
_UNREADABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class LineOwner(NamedTuple):
    """The kind of an invalid line, and the id of its message, as far as they can be read."""

    kind: str | None
    message: str | None


def parse(text: bytes) -> Line:
    """The line with all fields checked, and its instants in UTC. Raises `BadLine`."""
    if len(text) > LONGEST_LINE:
        raise BadLine(
            None, f"this line is longer than {LONGEST_LINE} bytes: does the file have line ends?"
        )
    try:
        line = _decode(text)
    except msgspec.ValidationError as error:
        raise _explain(str(error)) from None
    except _UNREADABLE as error:
        if lone := find_in_json(text):
            raise BadLine(
                lone.field,
                f"half of a surrogate pair ({lone.code_point}) is not a character: write the whole character",
            ) from None
        raise BadLine(None, f"this is not a JSON object in UTF-8: {error}") from None
    if _NUL in text:  # searching the bytes is cheap; checking each text of each line is not
        for field in _with_nul(_decode_any(text)):
            raise BadLine(field, "the character U+0000 cannot be stored: leave it out")
    if not isinstance(
        line, UploadedRecipient
    ):  # `check_recipient` checks those, which are the most
        check_keys(text)
    line.check()
    return line


def canonical(line: Line) -> bytes:
    """The line in a canonical form: independent of the order and spacing of fields, and of explicit nulls."""
    return _encode(line)


def owner_of(text: bytes) -> LineOwner:
    """The kind of an invalid line, and the message it belongs to, as far as they can be read."""
    try:
        value = _decode_any(text)
    except _UNREADABLE:
        return LineOwner(None, None)
    if not isinstance(value, dict):
        return LineOwner(None, None)
    kind = value.get("kind")
    message = value.get("id" if kind == "message" else "message")
    return LineOwner(
        kind if isinstance(kind, str) else None,
        message if isinstance(message, str) and message else None,
    )


def _with_nul(value: object, field: str = "") -> Iterator[str]:
    """The paths of texts that contain U+0000."""
    if isinstance(value, str):
        if "\0" in value:
            yield field
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _with_nul(part, f"{field}.{name}".lstrip("."))
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from _with_nul(part, f"{field}[{place}]")


_PLACE: Final = re.compile(r"^(?P<reason>.*) - at `\$\.?(?P<field>.*)`$", re.DOTALL)
_FIELD_ITSELF: Final[Mapping[re.Pattern[str], str]] = {
    re.compile(r"^Object missing required field `(?P<field>.*)`$", re.DOTALL): (
        "this field is required"
    ),
    re.compile(r"^Object contains unknown field `(?P<field>.*)`$", re.DOTALL): (
        "this field is unknown here: is it spelled right?"
    ),
}
_INSTANT: Final = re.compile(r"^(Invalid RFC3339 encoded|Expected `) ?`?datetime")
_CHOICE: Final = re.compile(r"^Invalid enum value (?P<value>.*)$", re.DOTALL)
_CHOICES: Final[Mapping[str, type[StrEnum]]] = {
    "mode": DeliveryMode,
    "modes": DeliveryMode,
    "bodyFormat": BodyFormat,
    "source": Source,
    "status": MessageStatus,
    "devices.status": DeliveryStatus,
}
_KINDS: Final = "a line's kind is district, school, message, recipient or end"


def _explain(message: str) -> BadLine:
    """The decoder's message in terms of the file."""
    place = _PLACE.match(message)
    reason, path = (place["reason"], place["field"]) if place else (message, "")
    for pattern, text in _FIELD_ITSELF.items():
        if match := pattern.match(reason):
            return BadLine(f"{path}.{match['field']}".lstrip("."), text)
    if path == "kind":
        return BadLine("kind", _KINDS)
    if _INSTANT.match(reason):
        return BadLine(
            path, "this is no instant: write it with its offset, like 2020-01-31T11:00:00-06:00"
        )
    if choice := _CHOICE.match(reason):
        names = ", ".join(_choices(path))
        return BadLine(path, f"{choice['value']} is not one of {names}")
    return BadLine(path or None, reason[:1].lower() + reason[1:])


def _choices(path: str) -> type[StrEnum]:
    plain = re.sub(r"\[\d+\]", "", path)
    return _CHOICES[plain if plain in _CHOICES else plain.rpartition(".")[2]]
