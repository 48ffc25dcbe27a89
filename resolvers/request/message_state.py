"""The loaders of what a message's state follows from, besides its counters; `resolvers.request.loaders` includes them."""

from collections.abc import Sequence
from functools import cached_property

from db.connect.database import Database
from db.dispatch import resend
from db.log.outcome_counts import NOBODY, OutcomeCount, outcome_counts
from db.log.visibility import Visibility
from resolvers.request.loader import Loader


class MessageStateLoaders:
    """Loads the state of many messages, with one statement for each part of it."""

    def __init__(self, database: Database, visibility: Visibility) -> None:
        self._database = database
        self._keyed = database.generic
        self._visibility = visibility

    @cached_property
    def has_failed(self) -> Loader[int, bool]:
        """Whether a message has a failed delivery that can be sent again."""

        async def fetch(ids: list[int]) -> list[bool]:
            found = await resend.with_failed(self._keyed, ids)
            return [id in found for id in ids]

        return Loader(fetch)

    @cached_property
    def outcome_counts(self) -> Loader[int, Sequence[OutcomeCount]]:
        """How many recipients of a message have each outcome."""

        async def fetch(ids: list[int]) -> list[Sequence[OutcomeCount]]:
            async with self._database.reading() as connection:
                found = await outcome_counts(connection, ids)
            return [found.get(id, NOBODY) for id in ids]

        return Loader(fetch)
