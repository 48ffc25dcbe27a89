"""The faults that a caller is told about.

    LogError
     ├── BadUserInput      an argument that cannot be meant as it stands
     ├── Unauthenticated   nobody is signed in, or the sign-in does not hold
     ├── Forbidden         somebody is signed in who lacks the right
     ├── Conflict          what was sent contradicts what is there
     ├── TooComplex        an operation asks for more than one may
     │    └── TooLong      its text alone is larger than is read
     ├── TooMuch           somebody has asked for as much as they may for now
     ├── TimedOut          an operation took longer than one may
     └── Outage            the database cannot be reached for now

Every message is written for the person who can do something about it: what was wrong, the value, what to do. Whatever is
not in this tree is a fault of ours and reaches no client. What a *rule* refuses is not here: a refusal is a value.
"""

from typing import ClassVar


class LogError(Exception):
    """The root: `code` is what a client reads in `extensions.code`."""

    code: ClassVar[str] = "INTERNAL"

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class BadUserInput(LogError):
    """An argument is malformed, out of range, or does not fit another one."""

    code = "BAD_USER_INPUT"


class Unauthenticated(LogError):
    """There is no sign-in, or it is expired, forged or meant for somebody else."""

    code = "UNAUTHENTICATED"


class Forbidden(LogError):
    """The viewer is known and may not do this."""

    code = "FORBIDDEN"


class Conflict(LogError):
    """The same id was used before for something else."""

    code = "CONFLICT"


class TooComplex(LogError):
    """An operation asks for more than one operation may."""

    code = "TOO_COMPLEX"


class TooLong(TooComplex):
    """The text of an operation is larger than is read."""


class TooMuch(LogError):
    """Somebody has asked for as much as they may for now; after `retry_after` seconds there is room again."""

    code = "TOO_MUCH"

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class TimedOut(LogError):
    """An operation took longer than one may, and was given up."""

    code = "TIMEOUT"


class Outage(LogError):
    """The database cannot be reached for now, or ended what was going on; after `retry_after` seconds it may be back."""

    code = "UNAVAILABLE"
    retry_after: ClassVar[int] = 5

    def __init__(self) -> None:
        super().__init__(
            f"The database does not answer. Ask again in {self.retry_after} seconds; if that fails too, "
            "tell your administrator."
        )
