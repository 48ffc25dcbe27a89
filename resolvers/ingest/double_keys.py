"""Detects duplicate keys in JSON objects: JSON allows them, but does not define their meaning.

msgspec takes the last one. Counting quotation marks proves quickly that most lines have none.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import msgspec

from resolvers.ingest.line_types import BadLine, UploadedRecipient

_decode_any = msgspec.json.Decoder().decode


class _Double(NamedTuple):
    """Stands for an object with a duplicate key."""

    key: str


def check_recipient(line: UploadedRecipient, text: bytes) -> None:
    """Pass if `text`, from which `line` was parsed, has no duplicate key. Raises `BadLine`.

    Runs in the innermost loop of an upload. It is skipped for messages that are in the log, which are compared by digest.
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
    # A duplicate key adds two quotation marks beyond those of the fields; so does an explicit null.
    if text.count(b'"') != quotes:
        check_keys(text)


def check_keys(text: bytes) -> None:
    """Pass if the JSON `text` has no duplicate key. Raises `BadLine`."""
    plain = text
    if b"\\" in text:
        plain = text.replace(rb"\\", b"").replace(rb"\"", b"")
    if plain.count(b'"') == 2 * _strings(_decode_any(text)):
        return
    for field in _doubles(json.loads(text, object_pairs_hook=_object)):
        raise BadLine(field, "this key stands twice: leave one out")


def _strings(value: object) -> int:
    """The number of strings in a value, including keys; each has two quotation marks."""
    if isinstance(value, str):
        return 1
    if isinstance(value, dict):
        return len(value) + sum(map(_strings, value.values()))
    if isinstance(value, list):
        return sum(map(_strings, value))
    return 0


def _object(pairs: Sequence[tuple[str, Any]]) -> object:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            return _Double(key)
        result[key] = value
    return result


def _doubles(value: object, field: str = "") -> Iterator[str]:
    """The paths of the duplicate keys."""
    if isinstance(value, _Double):
        yield f"{field}.{value.key}".lstrip(".")
    elif isinstance(value, dict):
        for name, part in value.items():
            yield from _doubles(part, f"{field}.{name}".lstrip("."))
    elif isinstance(value, list):
        for place, part in enumerate(value):
            yield from _doubles(part, f"{field}[{place}]")
