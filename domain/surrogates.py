"""Finds lone surrogates: halves of a UTF-16 pair (U+D800 to U+DFFF). JSON can contain them, UTF-8 and databases cannot."""

import json
import re
from typing import Final, NamedTuple

_SURROGATE: Final = re.compile(rb"\\u[dD][89a-fA-F]|\xed[\xa0-\xbf]")
"""An escaped surrogate, also of a whole pair, or one in bytes."""

_LONE: Final = re.compile("[\ud800-\udfff]")


class LoneSurrogate(NamedTuple):
    """The position of a lone surrogate."""

    field: str | None
    """The path of the text with it (`variables.names[0]`), or of the object with such a key; None for the whole value."""
    code_point: str
    """In the form `U+D800`."""


def find_in_json(text: bytes, *, field: str | None = None) -> LoneSurrogate | None:
    """Return the first lone surrogate in a JSON text, escaped or in bytes; None if there is none, or if it is not JSON.

    `field` is the path of the whole value.
    """
    if not _SURROGATE.search(text):
        return None
    try:
        value = json.loads(text.decode("utf-8", "surrogatepass"))
    except (ValueError, RecursionError):
        return None
    return find(value, field=field)


def find(value: object, *, field: str | None = None) -> LoneSurrogate | None:
    """Return the first lone surrogate in a JSON value, in document order; `field` is the path of the whole value."""
    left = [(field, value)]  # a list instead of recursion, because the value may be nested deeply
    while left:
        path, part = left.pop()
        texts = part if isinstance(part, dict) else (part,) if isinstance(part, str) else ()
        for text in texts:
            if lone := _LONE.search(text):
                return LoneSurrogate(path, f"U+{ord(lone[0]):04X}")
        if isinstance(part, dict):
            inner = [(f"{path}.{name}" if path else name, one) for name, one in part.items()]
            left += reversed(inner)
        elif isinstance(part, list):
            left += reversed([(f"{path or ''}[{place}]", one) for place, one in enumerate(part)])
    return None
