"""What each viewer may ask for in a while: a leaky bucket, told of in `extensions.cost` of each answer.

What an operation costs is `schema.documents.costs`' to say. Where several processes answer, they share the buckets by the database:
each takes out of a bucket in portions, so that most operations need no statement of their own.
"""

import math
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncEngine

from db.connect.engine import writing
from db.upkeep import budget
from domain.errors import TooMuch
from domain.viewer import Viewer, viewer_key

PORTIONS: Final = 50
"""A process takes the fiftieth part of a bucket at once: what it does not use is lost to the viewer, and leaks away."""

FRESH: Final = 60.0
"""Seconds for which a portion may be used."""

MOST_VIEWERS: Final = 10_000
"""Of whom one process knows at once: those who have not asked for longest begin anew."""

Draw = Callable[[str, int], Awaitable[int | None]]
"""Takes objects out of a viewer's bucket: how many are left, or None where that is too many."""


class Bucket(NamedTuple):
    """How much there is for each viewer, and how fast it comes back: objects, and objects a second."""

    capacity: int
    per_second: float


class Charge(NamedTuple):
    """What an operation cost a viewer, and what is left."""

    cost: int
    limit: int
    left: int
    bucket: Bucket

    def told(self) -> Mapping[str, Any]:
        """As `extensions.cost`: objects, and objects a second."""
        return {
            "requested": self.cost,
            "limit": self.limit,
            "capacity": self.bucket.capacity,
            "left": self.left,
            "restoredPerSecond": self.bucket.per_second,
        }


class _Portion(NamedTuple):
    left_of_it: int
    left_in_bucket: int
    taken_at: float


class Budget:
    """What the viewers may ask for."""

    def __init__(
        self,
        draw: Draw,
        bucket: Bucket,
        *,
        portion: int = 0,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """`portion` is taken at once where less is asked for; 0 where taking costs nothing."""
        self.bucket = bucket
        self._draw = draw
        self._portion = portion
        self._seconds = seconds
        self._portions: OrderedDict[str, _Portion] = OrderedDict()

    async def charge(self, viewer: Viewer, cost: int, *, limit: int) -> Charge:
        """Take what an operation costs out of the viewer's bucket. Raises `TooMuch`."""
        key = viewer_key(viewer)
        left = self._from_portion(key, cost)
        if left is None:
            left = await self._from_bucket(key, min(cost, self.bucket.capacity))
        return Charge(cost, limit, left, self.bucket)

    def _from_portion(self, key: str, cost: int) -> int | None:
        held = self._portions.pop(key, None)
        if held is None or held.taken_at + FRESH < self._seconds() or held.left_of_it < cost:
            return None
        left = held.left_of_it - cost
        self._keep(key, _Portion(left, held.left_in_bucket, held.taken_at))
        return held.left_in_bucket + left

    async def _from_bucket(self, key: str, cost: int) -> int:
        portion = max(cost, self._portion)
        left = await self._draw(key, portion)
        if left is None and portion > cost:
            portion, left = cost, await self._draw(key, cost)
        if left is None:
            wait = math.ceil(cost / self.bucket.per_second)
            raise TooMuch(
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


def shared(engine: AsyncEngine, bucket: Bucket) -> Budget:
    """The budget of all processes on a database."""

    async def draw(key: str, cost: int) -> int | None:
        async with writing(engine) as connection:
            return await budget.draw(
                connection,
                key,
                cost=cost,
                capacity=bucket.capacity,
                per_second=bucket.per_second,
            )

    return Budget(draw, bucket, portion=bucket.capacity // PORTIONS)


def of_one_process(
    bucket: Bucket, *, seconds: Callable[[], float] = time.monotonic, most: int = MOST_VIEWERS
) -> Budget:
    """The budget where one process answers alone."""
    empty_at: OrderedDict[str, float] = OrderedDict()

    async def draw(key: str, cost: int) -> int | None:
        now = seconds()
        taken = max(empty_at.pop(key, now) - now, 0.0) * bucket.per_second
        fits = taken + cost <= bucket.capacity
        empty_at[key] = now + (taken + cost * fits) / bucket.per_second
        if len(empty_at) > most:
            empty_at.popitem(last=False)
        return round(bucket.capacity - taken - cost) if fits else None

    return Budget(draw, bucket, seconds=seconds)
