"""Refusals of business rules, as values with a message for a person.

A refusal of a single mutation is defined beside that mutation.
"""

from typing import Final, NamedTuple


class NotFound(NamedTuple):
    """There is no such thing, or none that the viewer may see; clients cannot tell which."""

    message: str


NO_MESSAGE: Final = NotFound("There is no message with this id that you may see.")

NO_ADDRESS: Final = NotFound("There is no address with this id that you may see.")

NO_PROBLEM: Final = NotFound("This address has no problem that could be resolved.")

NO_REPORT: Final = NotFound("There is no report with this id that you may see.")

NO_PERSON: Final = NotFound("There is no person with this id that you may see.")

NO_SCHOOL: Final = NotFound("There is no school with one of these ids that you may see.")
