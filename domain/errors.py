"""The errors that a client sees.

    LogError
     ├── BadUserInput      an invalid argument
     ├── Unauthenticated   no sign-in, or an invalid one
     ├── Forbidden         the viewer lacks a right
     ├── Conflict          the input contradicts the stored data
     ├── TooComplex        an operation exceeds the limits of one operation
     │    └── TooLong      its text is too long
     ├── TooMuch           the viewer's rate budget is used up
     ├── TimedOut          an operation exceeded its time limit
     └── Outage            the database is unavailable

Every message says what was wrong, the value, and what to do. Any other exception is a fault of ours, whose text no client
sees. A refusal by a rule is a value, not an exception.
"""

from typing import ClassVar


class LogError(Exception):
    """The base class; `code` is `extensions.code` in a GraphQL response."""

    code: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadUserInput(LogError):
    """An argument is malformed, out of range, or inconsistent with another one."""

    code = "BAD_USER_INPUT"


class Unauthenticated(LogError):
    """There is no sign-in, or it is expired, forged or for another audience."""

    code = "UNAUTHENTICATED"


class Forbidden(LogError):
    """The viewer lacks the right for this."""

    code = "FORBIDDEN"


class Conflict(LogError):
    """The id is already used for something else."""

    code = "CONFLICT"


class TooComplex(LogError):
    """An operation exceeds the limits of one operation."""

    code = "TOO_COMPLEX"


class TooLong(TooComplex):
    """The text of an operation is too long."""


class RateLimited(LogError):
    """The viewer's rate budget is used up; a retry may succeed after `retry_after` seconds."""

    code = "TOO_MUCH"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TimedOut(LogError):
    """An operation exceeded its time limit and was stopped."""

    code = "TIMEOUT"


class Outage(LogError):
    """The database is unavailable, or ended a transaction; a retry may succeed after `retry_after` seconds."""

    code = "UNAVAILABLE"
    retry_after: ClassVar[int] = 5

    def __init__(self) -> None:
        super().__init__(
            f"The database is unavailable. Try again in {self.retry_after} seconds; if that fails too, "
            "tell your administrator."
        )
