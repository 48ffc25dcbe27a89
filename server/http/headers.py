"""Reads request headers from an ASGI scope: names in lower case, as bytes."""

from starlette.types import Scope


def first(scope: Scope, name: bytes) -> str | None:
    """The first header with this name in lower case; None if it is missing."""
    for header, value in scope["headers"]:
        if header == name:
            return bytes(value).decode("latin-1")
    return None
