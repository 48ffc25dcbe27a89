"""What people are to a message. Their names and rows are in `db`."""

from enum import StrEnum


class Role(StrEnum):
    """A contact is written to; a student is whom it is about. The sending system numbers the two apart."""

    CONTACT = "CONTACT"
    STUDENT = "STUDENT"
