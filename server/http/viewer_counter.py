"""Counts something per viewer in this process, up to a limit."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from domain.errors import RateLimited


class ViewerCounter:
    """The counts of all viewers, by the key that `domain.viewer.viewer_key` makes."""

    def __init__(self, most: int, *, what: str) -> None:
        """`most`: the limit per viewer. `what` names the counted things in the error: "WebSockets"."""
        self.most = most
        self._what = what
        self._counts: Counter[str] = Counter()

    def __len__(self) -> int:
        """The total of all viewers."""
        return self._counts.total()

    def take(self, key: str) -> None:
        """Count one more for a viewer. Raises `TooMuch` at the limit, and counts nothing."""
        if self._counts[key] >= self.most:
            raise RateLimited(
                f"You have {self.most} {self._what} under way, which is all you may. End one first.",
                retry_after=1,
            )
        self._counts[key] += 1

    def give_back(self, key: str) -> None:
        """Count one less for a viewer."""
        self._counts[key] -= 1
        if not self._counts[key]:
            del self._counts[key]

    @contextmanager
    def one(self, key: str) -> Iterator[None]:
        """Count one more within the block. Raises as `take`."""
        self.take(key)
        try:
            yield
        finally:
            self.give_back(key)
