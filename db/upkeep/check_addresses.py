"""Checks the states of addresses against their deliveries, and returns the differences. It repairs nothing."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import select

from db.derived.addresses.rows import STATE, state_values, states_of
from db.sql.connections import ReadConnection
from db.sql.key_lists import any_of
from db.tables.addresses import ADDRESS_FAILURES
from db.tables.log import ADDRESS
from db.upkeep.check import Difference, text_of
from domain.contact_problems import AddressProblem, problem_of

_CHECKED = ("district_id", *STATE, *AddressProblem._fields)


async def next_addresses(connection: ReadConnection, after: int, *, count: int) -> Sequence[int]:
    """Return the ids of the next `count` addresses after the id `after`, in order."""
    statement = select(ADDRESS.c.id).where(ADDRESS.c.id > after).order_by(ADDRESS.c.id).limit(count)
    return (await connection.scalars(statement)).all()


async def address_differences(
    connection: ReadConnection, ids: Sequence[int]
) -> Sequence[Difference]:
    """Return the differences in the states of these addresses. Call it in a snapshot, as `db.upkeep.check.differences`."""
    stored = {
        row[0]: dict(zip(_CHECKED, row[1:], strict=True))
        for row in await connection.execute(
            select(ADDRESS_FAILURES.c.address_id, *ADDRESS_FAILURES.c[_CHECKED]).where(
                any_of(ADDRESS_FAILURES.c.address_id, ids)
            )
        )
    }
    counted = await _counted(connection, ids)
    return [
        Difference(f"address {id}", name, text_of(before.get(name)), text_of(now.get(name)))
        for id in ids
        if (before := stored.get(id, {})) != (now := counted.get(id, {}))
        for name in _CHECKED
        if before.get(name) != now.get(name)
    ]


async def _counted(
    connection: ReadConnection, ids: Sequence[int]
) -> Mapping[int, Mapping[str, Any]]:
    statement = select(ADDRESS.c.id, ADDRESS.c.district_id, ADDRESS.c.opted_out_at).where(
        any_of(ADDRESS.c.id, ids)
    )
    rows = (await connection.execute(statement)).all()
    districts = {row.id: row.district_id for row in rows}
    opted_out = {row.id: row.opted_out_at for row in rows if row.opted_out_at is not None}
    values: dict[int, Mapping[str, Any]] = {}
    for id, state in (await states_of(connection, ids, opted_out=opted_out)).items():
        problem = problem_of(state, opted_out_at=opted_out.get(id)) or (None, None, None)
        values[id] = dict(
            zip(_CHECKED, (districts[id], *state_values(state), *problem), strict=True)
        )
    return values
