"""The roles of people in a message."""

from enum import StrEnum


class Role(StrEnum):
    """A contact receives a message; a student is its subject. The sending system's ids are unique only within a role."""

    CONTACT = "CONTACT"
    STUDENT = "STUDENT"
