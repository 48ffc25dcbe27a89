"""The headers of a request, as the server hands them on: names in lower case, as bytes."""

from starlette.types import Scope


def first(scope: Scope, name: bytes) -> str | None:
    """The first header of a name, which is given in lower case; None where there is none."""
    for found, value in scope["headers"]:
        if found == name:
            return bytes(value).decode("latin-1")
    return None
