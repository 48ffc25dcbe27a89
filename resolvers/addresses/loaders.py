"""The loaders of addresses: one statement loads those of a whole level."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from db.connect.database import Database
from db.derived.addresses import problems, records
from db.derived.addresses.problems import ProblemRecord
from db.derived.addresses.records import AddressRecord, AddressUse
from db.log.visibility import Visibility
from resolvers.request import masks
from resolvers.request.loader import Loader, value_loader
from resolvers.request.masks import Masker


class AddressLoaders:
    """The loaders of addresses of one request, created on first use."""

    def __init__(self, database: Database, visibility: Visibility, *, masker: Masker) -> None:
        self.database = database
        self.visibility = visibility
        self.masker = masker

    @cached_property
    def address(self) -> Loader[int, AddressRecord | None]:
        async def fetch(ids: Sequence[int]) -> Mapping[int, AddressRecord]:
            async with self.database.reading() as connection:
                rows = await records.addresses(connection, ids, visibility=self.visibility)
            return self.masker.records(rows, masks.OF_ADDRESS)

        return value_loader(fetch)

    @cached_property
    def address_use(self) -> Loader[int, AddressUse]:
        async def fetch(ids: Sequence[int]) -> Mapping[int, AddressUse]:
            async with self.database.reading() as connection:
                return await records.uses(connection, ids)

        return value_loader(fetch, AddressUse())

    @cached_property
    def problem(self) -> Loader[int, ProblemRecord | None]:
        """The problems of addresses that are visible."""

        async def fetch(ids: Sequence[int]) -> Mapping[int, ProblemRecord]:
            async with self.database.reading() as connection:
                rows = await problems.problems(connection, ids)
            return self.masker.records(rows, masks.OF_PROBLEM)

        return value_loader(fetch)

    @cached_property
    def people_of_address(self) -> Loader[int, Sequence[int]]:
        async def fetch(ids: Sequence[int]) -> Mapping[int, Sequence[int]]:
            async with self.database.reading() as connection:
                return await records.people_of(connection, ids, visibility=self.visibility)

        return value_loader(fetch, ())

    @cached_property
    def addresses_of_person(self) -> Loader[int, Sequence[int]]:
        async def fetch(ids: Sequence[int]) -> Mapping[int, Sequence[int]]:
            async with self.database.reading() as connection:
                return await records.addresses_of_people(
                    connection, ids, visibility=self.visibility
                )

        return value_loader(fetch, ())
