"""A loader: what the fields of one level ask for one by one is fetched at once. What is loaded is in `resolvers.request.loaders`."""

from asyncio import Future, shield, wait
from collections.abc import Hashable, Sequence
from typing import TypeVar

from aiodataloader import DataLoader

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Loader(DataLoader[K, V]):
    """A loader that can be asked for many at once, and that survives whoever asked and was called off.

    GraphQL calls the other fields off where one fails; to call off who waits for a future calls off the future, and with it
    all others who wait for the same.
    """

    def load(self, key: K) -> Future[V]:
        """What a key stands for."""
        return shield(super().load(key))

    async def load_all(self, keys: Sequence[K]) -> list[V]:
        """What each key stands for, in their order; one future a key, however often it is there, and no task."""
        load = super().load
        asked = {key: load(key) for key in dict.fromkeys(keys)}
        try:
            # Those of one batch are done together, so that nearly all are found done.
            found = {
                key: future.result() if future.done() else await shield(future)
                for key, future in asked.items()
            }
        except BaseException:
            for future in asked.values():
                future.add_done_callback(_heard)
            raise
        return [found[key] for key in keys]

    async def settled(self) -> None:
        """Wait until all that was asked for is there, or has failed."""
        while waiting := [future for future in self._cache.values() if not future.done()]:
            await wait(waiting)


def _heard(future: Future[V]) -> None:
    """Take note of an error that nobody waits for any more, or Python says so in the log."""
    if not future.cancelled():
        future.exception()
