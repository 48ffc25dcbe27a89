"""The loaders of what a message's state follows from, besides its counters; `resolvers.request.loaders` includes them."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from functools import cached_property

from db.connect.database import Database
from db.dispatch import due, provider_rate, resend
from db.log.recipients import NOBODY, OutcomeCount, outcome_counts
from db.log.visibility import Visibility
from db.upkeep import installation
from domain.status import DeliveryMode
from domain.waits import Retries
from resolvers.request.loader import Loader


class MessageStateLoaders:
    """Loads the state of many messages, with one statement for each part of it."""

    database: Database
    visibility: Visibility

    @cached_property
    def has_failed(self) -> Loader[int, bool]:
        """Whether a message has a failed delivery that can be sent again."""

        async def fetch(ids: list[int]) -> list[bool]:
            found = await resend.with_failed(self.database.generic, ids)
            return [id in found for id in ids]

        return Loader(fetch)

    @cached_property
    def outcome_counts(self) -> Loader[int, Sequence[OutcomeCount]]:
        """How many recipients of a message have each outcome."""

        async def fetch(ids: list[int]) -> list[Sequence[OutcomeCount]]:
            async with self.database.reading() as connection:
                found = await outcome_counts(connection, ids)
            return [found.get(id, NOBODY) for id in ids]

        return Loader(fetch)

    @cached_property
    def retries(self) -> Loader[int, Mapping[DeliveryMode, Retries]]:
        """The pending deliveries of a message that wait for their next attempt, by mode."""

        async def fetch(ids: list[int]) -> list[Mapping[DeliveryMode, Retries]]:
            found = await due.retries(self.database.generic, ids, now=self.visibility.now)
            by_message: dict[int, dict[DeliveryMode, Retries]] = {id: {} for id in ids}
            for (id, mode), one in found.items():
                by_message[id][mode] = one
            return [by_message[id] for id in ids]

        return Loader(fetch)

    @cached_property
    def provider_wait(self) -> Loader[str, timedelta]:
        """How long a provider cannot be used, by its name; zero if it can be used now."""

        async def fetch(names: list[str]) -> list[timedelta]:
            async with self.database.reading() as connection:
                waits = await provider_rate.waits(connection)
            return [waits.get(name, timedelta()) for name in names]

        return Loader(fetch)

    @cached_property
    def has_worker(self) -> Loader[int, bool]:
        """Whether a process does the work of a district in the background; the same for all districts."""

        async def fetch(ids: list[int]) -> list[bool]:
            async with self.database.reading() as connection:
                is_seen = await installation.is_worker_seen(connection)
            return [is_seen] * len(ids)

        return Loader(fetch)
