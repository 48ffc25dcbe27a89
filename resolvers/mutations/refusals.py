"""What a business rule refuses, as values: each says in words for a person what was wrong and what to do.

A refusal that only one mutation knows stands beside it.
"""

from typing import Final, NamedTuple


class NotFound(NamedTuple):
    """There is no such thing, or none that the viewer may see: nothing tells the two apart."""

    message: str


NO_MESSAGE: Final = NotFound("There is no message with this id that you may see.")

NO_REPORT: Final = NotFound("There is no report with this id that you may see.")
