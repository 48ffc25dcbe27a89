"""Parses JSON from clients, in the same way for all transports."""

from typing import Final

import orjson

from domain.errors import BadUserInput
from domain.surrogates import LoneSurrogate, find, find_in_json

_BYTE_ORDER_MARK: Final = "\ufeff"
_MARK_IN_BYTES: Final = _BYTE_ORDER_MARK.encode()


def read_json(text: bytes | bytearray | str, *, field: str | None = None) -> object:
    """The value. Ignores a byte order mark, as RFC 8259 (8.1) allows: some editors and tools write one.

    `field` names the source of the text, for errors. Raises `orjson.JSONDecodeError`, and `BadUserInput` for JSON that is valid
    except for a lone surrogate.
    """
    if isinstance(text, str):
        text = text.removeprefix(_BYTE_ORDER_MARK)
    elif text.startswith(_MARK_IN_BYTES):
        text = text.removeprefix(_MARK_IN_BYTES)
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        encoded = text.encode("utf-8", "surrogatepass") if isinstance(text, str) else bytes(text)
        if lone := find_in_json(encoded, field=field):
            raise _refuse(lone) from None
        raise


def require_whole_characters(value: object) -> None:
    """Pass if no text in a JSON value holds a lone surrogate. Raises `BadUserInput`."""
    if lone := find(value):
        raise _refuse(lone)


def _refuse(lone: LoneSurrogate) -> BadUserInput:
    where = "The JSON" if lone.field is None else f"`{lone.field}`"
    return BadUserInput(
        f"{where} holds half of a surrogate pair ({lone.code_point}), which is not a character. Send whole characters."
    )
