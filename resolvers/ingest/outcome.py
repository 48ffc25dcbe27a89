"""The outcome of an upload, returned to its sender."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

MOST_PROBLEMS: Final = 1_000
"""Maximum problems, and warnings, to list; all are counted."""


class Problem(NamedTuple):
    """A problem with a line (numbered from 1), and the message that was left out because of it."""

    line: int
    message: str | None
    field: str | None
    reason: str


class LineWarning(NamedTuple):
    """A value of a line (numbered from 1) that cannot be used; the message is taken in without it."""

    line: int
    message: str
    field: str
    reason: str


@dataclass(slots=True)
class Outcome:
    """The outcome of an upload so far."""

    lines: int = 0
    """Non-blank lines."""
    accepted: int = 0
    """Messages taken in; `recipients` and `deliveries` count theirs."""
    unchanged: int = 0
    """Messages that were in the log already."""
    refused: int = 0
    """Messages left out. Lines of a message that never began, or had ended, count as one more."""
    recipients: int = 0
    deliveries: int = 0
    problems: list[Problem] = field(default_factory=list)
    """The first ones, in the order of detection; by line once the upload has ended."""
    problem_count: int = 0
    warnings: list[LineWarning] = field(default_factory=list)
    """The first ones, by line."""
    warning_count: int = 0

    @property
    def is_clean(self) -> bool:
        return self.problem_count == 0

    def report(self, problem: Problem) -> None:
        """Count a problem, and list it if there is room."""
        self.problem_count += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)

    def warn(self, warning: LineWarning) -> None:
        """Count a warning, and list it if there is room."""
        self.warning_count += 1
        if len(self.warnings) < MOST_PROBLEMS:
            self.warnings.append(warning)


Watch = Callable[[Outcome], None]
"""A function that is called with the growing outcome."""
