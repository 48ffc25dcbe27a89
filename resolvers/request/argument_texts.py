"""Checks texts in arguments."""

from domain.errors import BadUserInput
from domain.search import fold


def require_storable(text: str, *, argument: str) -> str:
    """`text`, if a database can store it. Raises `BadUserInput`."""
    if "\0" in text:
        raise BadUserInput(
            f"{argument} holds a NUL character, which is in no text here. Take it out."
        )
    return text


def visible_text(text: str | None, *, argument: str) -> str | None:
    """The text; None if it is empty or invisible. Raises `BadUserInput`."""
    return require_storable(text, argument=argument) if text and fold(text) else None


def folded_text(text: str | None, *, argument: str) -> str | None:
    """The folded text; None if it is empty or invisible. Raises `BadUserInput`."""
    return fold(require_storable(text, argument=argument)) or None if text else None
