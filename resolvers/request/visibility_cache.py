"""Caches what viewers may see for a few seconds: districts and schools hardly ever change.

`db.log.visibility` determines it; `resolvers.request.context` refuses viewers without a district.
"""

from collections import OrderedDict
from datetime import datetime, timedelta
from typing import Final

from db.connect.database import Database
from db.log.visibility import Visibility, visibility_of
from domain.viewer import Viewer

FRESH: Final = timedelta(seconds=5)
"""For how long a changed name or zone of a district, or a new school, may stay unnoticed."""

MOST: Final = 1_000
"""Maximum districts, each counted once per set of schools in a token."""


class VisibilityCache:
    """What viewers may see, cached per process. Districts and schools that are missing are not cached, since they may appear at any time."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._known: OrderedDict[tuple[str, frozenset[str]], Visibility] = OrderedDict()

    async def of(self, database: Database, viewer: Viewer, *, now: datetime) -> Visibility | None:
        """What `viewer` may see; None if the log does not have the district."""
        key = viewer.district, viewer.schools
        cached = self._known.get(key)
        if cached is not None and cached.now <= now < cached.now + FRESH:
            return cached._replace(now=now)
        async with database.reading() as connection:
            visibility = await visibility_of(connection, viewer, now=now)
        if visibility is not None and (
            visibility.school_ids is None or len(visibility.school_ids) == len(viewer.schools)
        ):
            self._known[key] = visibility
            self._known.move_to_end(key)
            if len(self._known) > self._most:
                self._known.popitem(last=False)
        return visibility
