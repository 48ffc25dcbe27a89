"""Keys that stand twice in an object of a line: JSON allows them, and says nothing of what they mean.

msgspec takes the last one. Lines that plainly have none are told by their number of quotation marks.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from resolvers.ingest.line_types import BadLine, Recipient

_decode_any = msgspec.json.Decoder().decode


class _Double(NamedTuple):
    """Stands for an object in which a key stands twice."""

    key: str


def check_recipient(line: Recipient, text: bytes) -> None:
    """Pass if no key stands twice in an object of `text`, from which `line` was made; raises `BadLine`.

    This is in the innermost loop of an upload, and is left out where the log has the message: there its digest decides.
    """
    quotes = 20 if line.student is None else 30
    for device in line.devices:
        quotes += 8
        if device.status is not None:
            quotes += 4
        if device.callStatus is not None:
            quotes += 2
        if device.confirmed is not None:
            quotes += 2
        if device.at is not None:
            quotes += 4
    # A key that stands twice is two quotation marks more than the line needs, and so is one that says null.
    if text.count(b'"') != quotes:
        check_keys(text)


def check_keys(text: bytes) -> None:
    """Pass if no key stands twice in an object of `text`, which is JSON; raises `BadLine`."""
    plain = text
    if b"\\" in text:
        plain = text.replace(rb"\\", b"").replace(rb"\"", b"")
    if plain.count(b'"') == 2 * _strings(_decode_any(text)):
        return
    for field in _doubles(json.loads(text, object_pairs_hook=_object)):
        raise BadLine(field, "this key stands twice: leave one out")


def _strings(value: object) -> int:
    """How many strings are in a value, with the keys of its objects: each has two quotation marks."""
    if isinstance(value, str):
        return 1
    if isinstance(value, dict):
        return len(value) + sum(map(_strings, value.values()))
    if isinstance(value, list):
        return sum(map(_strings, value))
    return 0


def _object(pairs: Sequence[tuple[str, Any]]) -> object:
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            return _Double(key)
        found[key] = value
    return found


def _doubles(value: object, field: str = "") -> Iterator[str]:
    """The fields of the keys that stand twice."""
    if isinstance(value, _Double):
        yield f"{field}.{value.key}".lstrip(".")
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _doubles(part, f"{field}.{name}".lstrip("."))
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from _doubles(part, f"{field}[{place}]")
