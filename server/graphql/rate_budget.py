"""The rate budget of each viewer: a leaky bucket, reported in `extensions.cost` of each response.

`schema.documents.costs` computes the cost of an operation. Several processes share the buckets in the database; each takes
portions out of a bucket, so that most operations need no statement.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from db.connect.database import Database
from db.upkeep import budget
from domain.errors import RateLimited
from domain.viewer import Viewer, viewer_key

PORTIONS: Final = 50
"""A process takes a fiftieth of a bucket at once. What it does not use leaks away and is lost to the viewer."""

FRESH: Final = 60.0
"""Seconds for which a portion is valid."""

MOST_VIEWERS: Final = 10_000
"""Viewers that a process remembers; the one that has been idle longest is dropped and starts with a full bucket."""

Draw = Callable[[str, int], Awaitable[int | None]]
"""Takes objects out of a viewer's bucket; returns how many are left, or None if there are too few."""


class BudgetLimits(NamedTuple):
    """The objects of each viewer, and the objects a second that leak back."""

    capacity: int
    per_second: float


class Charge(NamedTuple):
    """The cost of an operation, and what is left of the viewer's bucket."""

    cost: int
    limit: int
    left: int
    bucket: BudgetLimits

    def extension(self) -> Mapping[str, Any]:
        """The content of `extensions.cost`: objects, and objects a second."""
        return {
            "requested": self.cost,
            "limit": self.limit,
            "capacity": self.bucket.capacity,
            "left": self.left,
            "restoredPerSecond": self.bucket.per_second,
        }


class _Portion(NamedTuple):
    left: int
    left_in_bucket: int
    taken_at: float


class RateBudget:
    """The rate budget of all viewers."""

    def __init__(
        self,
        draw: Draw,
        bucket: BudgetLimits,
        *,
        portion: int = 0,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """`portion`: objects to take at once, even if fewer are needed; 0 if taking costs nothing."""
        self.bucket = bucket
        self._draw = draw
        self._portion = portion
        self._seconds = seconds
        self._portions: OrderedDict[str, _Portion] = OrderedDict()

    async def charge(self, viewer: Viewer, cost: int, *, limit: int) -> Charge:
        """Charge an operation to the viewer's bucket. Raises `RateLimited`."""
        key = viewer_key(viewer)
        left = self._from_portion(key, cost)
        if left is None:
            left = await self._from_bucket(key, min(cost, self.bucket.capacity))
        return Charge(cost, limit, left, self.bucket)

    def _from_portion(self, key: str, cost: int) -> int | None:
        portion = self._portions.pop(key, None)
        if portion is None or portion.taken_at + FRESH < self._seconds() or portion.left < cost:
            return None
        left = portion.left - cost
        self._keep(key, _Portion(left, portion.left_in_bucket, portion.taken_at))
        return portion.left_in_bucket + left

    async def _from_bucket(self, key: str, cost: int) -> int:
        portion = max(cost, self._portion)
        left = await self._draw(key, portion)
        if left is None and portion > cost:
            portion, left = cost, await self._draw(key, cost)
        if left is None:
            wait = math.ceil(cost / self.bucket.per_second)
            raise RateLimited(
                f"You have asked for as much as you may for now: {self.bucket.capacity} objects at once, and "
                f"{self.bucket.per_second:g} more each second. Ask again in {wait} seconds, or for less than {cost} objects.",
                retry_after=wait,
            )
        if portion > cost:
            self._keep(key, _Portion(portion - cost, left, self._seconds()))
        return left + portion - cost

    def _keep(self, key: str, portion: _Portion) -> None:
        self._portions[key] = portion
        if len(self._portions) > MOST_VIEWERS:
            self._portions.popitem(last=False)


def shared_budget(database: Database, bucket: BudgetLimits) -> RateBudget:
    """The budget of all processes on one database."""

    async def draw(key: str, cost: int) -> int | None:
        async with database.writing() as connection:
            return await budget.draw(
                connection,
                key,
                cost=cost,
                capacity=bucket.capacity,
                per_second=bucket.per_second,
            )

    return RateBudget(draw, bucket, portion=bucket.capacity // PORTIONS)


def local_budget(
    bucket: BudgetLimits, *, seconds: Callable[[], float] = time.monotonic, most: int = MOST_VIEWERS
) -> RateBudget:
    """The budget of a single process, kept in memory."""
    empty_at: OrderedDict[str, float] = OrderedDict()

    async def draw(key: str, cost: int) -> int | None:
        now = seconds()
        taken = max(empty_at.pop(key, now) - now, 0.0) * bucket.per_second
        fits = taken + cost <= bucket.capacity
        empty_at[key] = now + (taken + cost * fits) / bucket.per_second
        if len(empty_at) > most:
            empty_at.popitem(last=False)
        return round(bucket.capacity - taken - cost) if fits else None

    return RateBudget(draw, bucket, seconds=seconds)
