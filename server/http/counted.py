"""How many of something each viewer has at once in this process, and that one too many is refused."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

from domain.errors import TooMuch


class Held:
    """What each viewer holds; viewers are told apart by a key, as `domain.viewer.viewer_key` makes it."""

    def __init__(self, most: int, *, what: str) -> None:
        """Of each viewer at most so many; `what` names them for whoever has too many: "WebSockets"."""
        self.most = most
        self._what = what
        self._held: Counter[str] = Counter()

    def __len__(self) -> int:
        """How many are held, by all viewers together."""
        return self._held.total()

    def take(self, key: str) -> None:
        """One more for a viewer. Raises `TooMuch`, and then none is held."""
        if self._held[key] >= self.most:
            raise TooMuch(
                f"You have {self.most} {self._what} under way, which is all you may. End one first.",
                retry_after=1,
            )
        self._held[key] += 1

    def give_back(self, key: str) -> None:
        """One less for a viewer who took it."""
        self._held[key] -= 1
        if not self._held[key]:
            del self._held[key]

    @contextmanager
    def one(self, key: str) -> Iterator[None]:
        """One more for the block. Raises as `take`."""
        self.take(key)
        try:
            yield
        finally:
            self.give_back(key)
