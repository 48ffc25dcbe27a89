"""Texts that a person typed into an argument.

What they are looked for in, and how, is in `domain.search` and in `db`.
"""

from domain.errors import BadUserInput
from domain.search import fold


def storable(text: str, *, argument: str) -> str:
    """`text`, if a database can hold it. Raises `BadUserInput`."""
    if "\0" in text:
        raise BadUserInput(
            f"{argument} holds a NUL character, which is in no text here. Take it out."
        )
    return text


def typed(text: str | None, *, argument: str) -> str | None:
    """What was typed; None where nothing was that anybody could see. Raises `BadUserInput`."""
    return storable(text, argument=argument) if text and fold(text) else None


def folded(text: str | None, *, argument: str) -> str | None:
    """The key of what was typed; None where nothing was that anybody could see. Raises `BadUserInput`."""
    return fold(storable(text, argument=argument)) or None if text else None
