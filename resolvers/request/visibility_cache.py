"""What viewers may see, as far as it was looked up a moment ago: districts and schools hardly ever change.

What a viewer may see is `db.log.visibility`'s to say; who is turned away for it, `resolvers.request.context`'s.
"""

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy.ext.asyncio import AsyncEngine

from db.connect.engine import reading
from db.log.visibility import Visibility, visibility_of
from domain.viewer import Viewer

FRESH: Final = timedelta(seconds=5)
"""For so long the name and the zone of a district may be told as they were, and a new school of a viewer be missing."""

MOST: Final = 1_000
"""Districts, each with every choice of schools that a token names."""


class VisibilityCache:
    """What each viewer may see, cached in one process. What the log does not know yet is looked up each time: it may be there at once."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: OrderedDict[tuple[str, frozenset[str]], Visibility] = OrderedDict()

    async def of(self, engine: AsyncEngine, viewer: Viewer, *, now: datetime) -> Visibility | None:
        """What `viewer` may see; None where the log does not know the district."""
        key = viewer.district, viewer.schools
        known = self._known.get(key)
        if known is not None and known.now <= now < known.now + FRESH:
            return known._replace(now=now)
        async with reading(engine) as connection:
            visibility = await visibility_of(connection, viewer, now=now)
        if visibility is not None and (
            visibility.school_ids is None or len(visibility.school_ids) == len(viewer.schools)
        ):
            self._known[key] = visibility
            self._known.move_to_end(key)
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        return visibility
