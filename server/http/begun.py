"""Starts an awaitable eagerly: if it finishes without suspending, no task and no timeout is needed."""

from collections.abc import Awaitable, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class EagerAwait(Generic[T]):
    """An awaitable that has been started. Either `is_over` and `result` is set, or await it once, in the same task."""

    result: T

    def __init__(self, awaited: Awaitable[T]) -> None:
        """Run it up to the first suspension. Raises what it raises."""
        self._steps = awaited.__await__()
        self.is_over = False
        try:
            self._suspended_on = next(self._steps)
        except StopIteration as end:
            self.is_over, self.result = True, end.value

    def __await__(self) -> Generator[Any, Any, T]:
        suspended_on = self._suspended_on
        try:
            while True:
                try:
                    sent = yield suspended_on
                except BaseException as error:
                    suspended_on = self._steps.throw(error)
                else:
                    suspended_on = self._steps.send(sent)
        except StopIteration as end:
            result: T = end.value
            return result
