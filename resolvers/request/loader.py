"""The base of loaders: collects the keys of one level into one batch. `resolvers.request.loaders` has the loaders."""

from asyncio import Future, shield, wait
from collections.abc import Hashable, Sequence
from typing import TypeVar

from aiodataloader import DataLoader

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Loader(DataLoader[K, V]):
    """A loader with a method for many keys, whose futures survive the cancellation of a waiter.

    GraphQL cancels the other fields if one fails. Canceling a waiter would cancel the future it shares with others.
    """

    def load(self, key: K) -> Future[V]:
        """The value of a key."""
        return shield(super().load(key))

    async def load_all(self, keys: Sequence[K]) -> list[V]:
        """The values of the keys in their order, with one future per distinct key and no task."""
        load = super().load
        futures = {key: load(key) for key in dict.fromkeys(keys)}
        try:
            # The futures of one batch complete together, so nearly all are done here.
            values = {
                key: future.result() if future.done() else await shield(future)
                for key, future in futures.items()
            }
        except BaseException:
            for future in futures.values():
                future.add_done_callback(_retrieve)
            raise
        return [values[key] for key in keys]

    async def wait_until_idle(self) -> None:
        """Wait until all pending keys are loaded or have failed."""
        while waiting := [future for future in self._cache.values() if not future.done()]:
            await wait(waiting)


def _retrieve(future: Future[V]) -> None:
    """Retrieve an error that no one waits for, or Python logs that it was never retrieved."""
    if not future.cancelled():
        future.exception()
