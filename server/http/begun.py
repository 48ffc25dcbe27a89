"""Something to await that is done as far as it goes without waiting: most often it is over then, and nobody has to watch it."""

from collections.abc import Awaitable, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Begun(Generic[T]):
    """What has been begun. If it is over, there is its result; otherwise it is to be awaited, once, in the same task."""

    result: T

    def __init__(self, awaited: Awaitable[T]) -> None:
        """Raises what is raised at once."""
        self._steps = awaited.__await__()
        self.is_over = False
        try:
            self._waits_for = next(self._steps)
        except StopIteration as end:
            self.is_over, self.result = True, end.value

    def __await__(self) -> Generator[Any, Any, T]:
        waits_for = self._waits_for
        try:
            while True:
                try:
                    given = yield waits_for
                except BaseException as error:
                    waits_for = self._steps.throw(error)
                else:
                    waits_for = self._steps.send(given)
        except StopIteration as end:
            result: T = end.value
            return result
