"""The loaders of what a message's state follows from, besides its counters; `resolvers.request.loaders` includes them."""

from functools import cached_property

from db.connect.database import Database
from db.dispatch import resend
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
