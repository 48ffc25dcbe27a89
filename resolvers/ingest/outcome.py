"""What an upload did: the answer to whoever sent it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, NamedTuple

MOST_PROBLEMS: Final = 1_000
"""Problems that an answer lists, and warnings; the others are counted."""


class Problem(NamedTuple):
    """What is wrong with a line (counted from 1), and which message was left out because of it."""

    line: int
    message: str | None
    field: str | None
    reason: str


class Warned(NamedTuple):
    """What a line says that cannot be used (lines are counted from 1). The message goes in without it."""

    line: int
    message: str
    field: str
    reason: str


@dataclass(slots=True)
class Outcome:
    """What an upload did, so far."""

    lines: int = 0
    """Lines that say something."""
    accepted: int = 0
    """Messages that went in; `recipients` and `deliveries` are theirs."""
    unchanged: int = 0
    """Messages that the log had already."""
    refused: int = 0
    """Messages that were left out. Lines of a message that never began, or had ended, count as one more."""
    recipients: int = 0
    deliveries: int = 0
    problems: list[Problem] = field(default_factory=list)
    """The first of them, in the order in which they were found; by line when the upload is done."""
    problem_count: int = 0
    warnings: list[Warned] = field(default_factory=list)
    """The first of them, by line."""
    warning_count: int = 0

    @property
    def is_clean(self) -> bool:
        return self.problem_count == 0

    def report(self, problem: Problem) -> None:
        """Count a problem, and list it while there is room."""
        self.problem_count += 1
        if len(self.problems) < MOST_PROBLEMS:
            self.problems.append(problem)

    def warn(self, warning: Warned) -> None:
        """Count a warning, and list it while there is room."""
        self.warning_count += 1
        if len(self.warnings) < MOST_PROBLEMS:
            self.warnings.append(warning)


Watch = Callable[[Outcome], None]
"""Is shown the outcome while it grows."""
