"""Resolves addresses: those of a person, the people behind an address, and when it was used.

Each opening of an address or of a person adds an audit entry.
"""

from collections.abc import Sequence
from datetime import datetime

from db.audit.entries import Action
from db.derived.addresses.problems import ProblemRecord
from db.derived.addresses.records import AddressRecord
from db.log.people import PersonRecord
from domain.ids import Kind, spell
from resolvers.request.batch_resolver import BatchResolver
from resolvers.request.context import Info


@BatchResolver
async def of_person(root: Sequence[PersonRecord], info: Info) -> Sequence[Sequence[AddressRecord]]:
    """The addresses of each person, last used first."""
    context = info.context
    lists = await context.loaders.addresses_of_person.load_all([person.id for person in root])
    by_id = await _by_id(info, {id for ids in lists for id in ids})
    await context.audit.load_all(
        [(Action.OPEN_PERSON, spell(Kind.PERSON, person.id)) for person in root]
    )
    return [[by_id[id] for id in ids if id in by_id] for ids in lists]


@BatchResolver
async def people_of(root: Sequence[AddressRecord], info: Info) -> Sequence[Sequence[PersonRecord]]:
    """The people of each address."""
    context = info.context
    lists = await context.loaders.people_of_address.load_all([address.id for address in root])
    ids = sorted({id for some in lists for id in some})
    records = await context.loaders.person.load_all(ids)
    people = {id: person for id, person in zip(ids, records, strict=True) if person is not None}
    await context.audit.load_all(
        [(Action.OPEN_ADDRESS, spell(Kind.ADDRESS, address.id)) for address in root]
    )
    return [[people[id] for id in some if id in people] for some in lists]


@BatchResolver
async def last_used_at(root: Sequence[AddressRecord], info: Info) -> Sequence[datetime | None]:
    """When the last delivery to each address left."""
    uses = await info.context.loaders.address_use.load_all([address.id for address in root])
    return [use.last_used_at for use in uses]


@BatchResolver
async def last_reached_at(root: Sequence[AddressRecord], info: Info) -> Sequence[datetime | None]:
    """When each address was last reached."""
    uses = await info.context.loaders.address_use.load_all([address.id for address in root])
    return [use.last_reached_at for use in uses]


@BatchResolver
async def problem_of(root: Sequence[AddressRecord], info: Info) -> Sequence[ProblemRecord | None]:
    """The problem of each address, resolved or not."""
    return await info.context.loaders.problem.load_all([address.id for address in root])


async def by_keys(info: Info, keys: Sequence[tuple[int, ...]]) -> Sequence[AddressRecord | None]:
    """The addresses with these keys, in order; None if no visible message went there."""
    context = info.context
    records = await context.loaders.address.load_many([key[0] for key in keys])
    opened = [address.id for address in records if address is not None]
    await context.audit.load_many([(Action.OPEN_ADDRESS, spell(Kind.ADDRESS, id)) for id in opened])
    return records


async def _by_id(info: Info, ids: set[int]) -> dict[int, AddressRecord]:
    wanted = sorted(ids)
    records = await info.context.loaders.address.load_all(wanted)
    return {id: one for id, one in zip(wanted, records, strict=True) if one is not None}
