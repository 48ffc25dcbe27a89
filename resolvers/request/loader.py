"""The base of loaders: collects the keys of one level into one batch, for values, pages and totals.

`resolvers.request.loaders` has the loaders.
"""

from asyncio import Future, shield, wait
from collections import defaultdict
from collections.abc import Awaitable, Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, overload

from aiodataloader import DataLoader

from db.sql.keyset_paging import Slice
from domain.paging import Page
from resolvers.request.list_keys import DeliveryList, PersonList, RecipientList, ReportList

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
L = TypeVar("L", RecipientList, DeliveryList, PersonList, ReportList)
Fetch = Callable[[Sequence[K]], Awaitable[Mapping[K, V]]]
FetchPages = Callable[[Sequence[L], Page], Awaitable[Mapping[int, Slice[V]]]]


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


PageLoader = Loader[tuple[L, Page], Slice[V]]


@overload
def value_loader(fetch: Fetch[K, V]) -> Loader[K, V | None]: ...
@overload
def value_loader(fetch: Fetch[K, V], absent: V) -> Loader[K, V]: ...
def value_loader(fetch: Fetch[K, Any], absent: Any = None) -> Loader[K, Any]:
    """A loader of single values; `absent` if there is none."""

    async def batch(keys: list[K]) -> list[Any]:
        rows = await fetch(keys)
        return [rows.get(key, absent) for key in keys]

    return Loader(batch)


def page_loader(fetch: FetchPages[L, V]) -> PageLoader[L, V]:
    """A loader of pages: equal pages of equal lists of many parents are one statement."""

    async def batch(keys: list[tuple[L, Page]]) -> list[Slice[V]]:
        alike: dict[Hashable, list[tuple[L, Page]]] = defaultdict(list)
        for wanted, page in keys:
            # A cursor belongs to the list of one parent, so a page with a cursor is loaded alone.
            has_cursor = page.after is not None or page.before is not None
            alike[(wanted if has_cursor else wanted[1:], page)].append((wanted, page))
        rows: dict[tuple[L, Page], Slice[V]] = {}
        for group in alike.values():
            pages = await fetch([wanted for wanted, _ in group], group[0][1])
            rows |= {(wanted, page): pages[wanted[0]] for wanted, page in group}
        return [rows[key] for key in keys]

    return Loader(batch)


def count_loader(fetch: Callable[[Sequence[L]], Awaitable[Mapping[int, int]]]) -> Loader[L, int]:
    """A loader of the totals of lists."""

    async def batch(keys: list[L]) -> list[int]:
        alike: dict[Hashable, list[L]] = defaultdict(list)
        for wanted in keys:
            alike[wanted[1:]].append(wanted)
        rows: dict[L, int] = {}
        for group in alike.values():
            counts = await fetch(group)
            rows |= {wanted: counts.get(wanted[0], 0) for wanted in group}
        return [rows[key] for key in keys]

    return Loader(batch)


def union_of(sets: Iterable[frozenset[str] | None]) -> frozenset[str] | None:
    """The union of some sets of fields; None, for all fields, if one of them is None."""
    fields: frozenset[str] = frozenset()
    for some in sets:
        if some is None:
            return None
        fields |= some
    return fields
