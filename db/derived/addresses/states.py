"""Keeps the states of addresses, in the transactions that change their deliveries.

Locks: a transaction that may add or change a failure locks its addresses alone, and one that reached addresses shares
them. Otherwise an arrival and a first failure at the same time would not see each other. All are locked in the order of
their ids. An import may reach every address of a district; it holds one lock instead, which all that may add a failure
share (`keep_failures_out`). That lock comes after those of messages and before that of any address. A transaction
that shares it must not wait for an address that an open import inserted: the import waits for the lock later.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple

from sqlalchemy import Select, delete, func, select, true

from db.derived.addresses.rows import STATE, StoredState, state_values, states_of, stored
from db.sql.bulk_write import insert_rows, update_rows
from db.sql.connections import ReadConnection, WriteConnection
from db.sql.key_lists import any_of
from db.tables.addresses import ADDRESS_FAILURES
from db.tables.log import ADDRESS
from domain.contact_problems import AddressState, Fate, add, problem_of

FAILURES_LOCK: Final = 0x5E47108
"""The key of PostgreSQL's advisory lock that transactions share which may add a failure; an import of history holds it alone."""

_SHARED: Final = func.pg_advisory_xact_lock_shared(FAILURES_LOCK)


class FateChange(NamedTuple):
    """What a delivery said about its address before and after a change."""

    address_id: int
    before: Fate | None
    after: Fate | None
    is_complaint: bool = False
    """The time of the complaint about the delivery changed."""

    @property
    def is_nothing(self) -> bool:
        return self.before == self.after and not self.is_complaint

    @property
    def is_addition(self) -> bool:
        """Whether the state only has one more fate: a new one, or a later arrival of the same delivery."""
        if self.is_complaint or self.after is None:
            return False
        if self.before is None:
            return True
        both_reached = self.before.is_reached and self.after.is_reached
        return both_reached and self.before.at <= self.after.at

    @property
    def is_of_failure(self) -> bool:
        """Whether an address without a row may need one afterwards."""
        return self.is_complaint or (self.after is not None and not self.after.is_reached)


class PossibleChange(NamedTuple):
    """A change of a delivery that may change the state of its address."""

    address_id: int
    may_fail: bool
    """It may be one of a failure. Others matter only to an address with a row."""
    read: Callable[[], FateChange]
    """Compares what the delivery said before and after: of most changes nobody has to know."""


_COLUMNS: Final = ("address_id", "district_id", *STATE, "kind", "since", "latest_at")
_UPSERT: Final = "ON CONFLICT (address_id) DO UPDATE SET " + ", ".join(
    f"{name} = excluded.{name}" for name in _COLUMNS[1:]
)


async def update(
    connection: WriteConnection,
    possible: Iterable[PossibleChange],
    *,
    opted: Collection[int] = (),
) -> None:
    """Update the states for changes of deliveries, which are written already. `opted`: addresses that opted out or in."""
    by_address: dict[int, list[PossibleChange]] = defaultdict(list)
    may_fail: set[int] = set()
    for one in possible:
        by_address[one.address_id].append(one)
        if one.may_fail:
            may_fail.add(one.address_id)
    ids = sorted(by_address.keys() | set(opted))
    if not ids:
        return
    await _lock(connection, ids, alone=bool(may_fail or opted))
    known = await stored(connection, ids, locks=True)
    changes = {
        id: [change for one in by_address[id] if not (change := one.read()).is_nothing]
        for id in by_address.keys() & (known.keys() | may_fail)
    }
    failing = {id for id, some in changes.items() if any(one.is_of_failure for one in some)}
    written: dict[int, AddressState] = {}
    arrived: list[tuple[datetime | None, int]] = []
    unclear = {id for id in failing | set(opted) if id not in known}
    for id, row in known.items():
        state = _with_additions(row.state, changes.get(id, ()))
        if state is None:
            unclear.add(id)
        elif id in opted:
            written[id] = state
        elif state != row.state:
            if _is_arrival_alone(row.state, state):
                arrived.append((state.last_reached_at, id))
            else:
                written[id] = state
    await update_rows(
        connection, ADDRESS_FAILURES, arrived, keys=("address_id",), columns=("last_reached_at",)
    )
    await _write(connection, written, unclear, known)


async def recount(connection: WriteConnection, address_ids: Collection[int]) -> None:
    """Set the states of these addresses to what follows from their deliveries."""
    if not address_ids:
        return
    ids = sorted(address_ids)
    await _lock(connection, ids, alone=True)
    await _write(connection, {}, ids, await stored(connection, ids, locks=True))


async def keep_failures_out(connection: WriteConnection, *, for_each: Select[Any]) -> None:
    """Wait for transactions that may have added a failure, and let others wait until this one ends; without a row, do nothing.

    Call it when all deliveries of this transaction are written, and before it locks an address.
    """
    if connection.dialect.name == "postgresql":
        alone = func.pg_advisory_xact_lock(FAILURES_LOCK)
        await connection.execute(select(alone).select_from(for_each.subquery()))


async def share_failures(connection: WriteConnection) -> None:
    """Wait for an import that keeps failures out, and keep it waiting until this transaction ends.

    `update` and `recount` do so themselves. A transaction that locks addresses before them calls it before the first one.
    """
    if connection.dialect.name == "postgresql":
        await connection.execute(select(_SHARED))


async def with_rows(connection: ReadConnection, address_ids: Sequence[int]) -> Sequence[int]:
    """Return those of these addresses that have a row."""
    statement = select(ADDRESS_FAILURES.c.address_id).where(
        any_of(ADDRESS_FAILURES.c.address_id, address_ids)
    )
    return (await connection.scalars(statement)).all()


def _is_arrival_alone(before: AddressState, after: AddressState) -> bool:
    """Return whether only the time of the last arrival changes: most arrivals end no failures and no complaint."""
    return before.complained_at is None and after == before._replace(
        last_reached_at=after.last_reached_at
    )


def _with_additions(state: AddressState, changes: Sequence[FateChange]) -> AddressState | None:
    """Return the state after changes that are all later than it; None if the rows must be read again."""
    if not all(change.is_addition for change in changes):
        return None
    fates = [change.after for change in changes if change.after is not None]
    after: AddressState | None = state
    for fate in sorted(fates, key=lambda fate: (fate.at, fate.is_reached, fate.key)):
        after = None if after is None else add(after, fate)
    return after


async def _lock(connection: WriteConnection, ids: Sequence[int], *, alone: bool) -> None:
    """Lock these addresses in the order of their ids, `alone` or shared. SQLite has one writer and needs no lock."""
    if connection.dialect.name == "sqlite":
        return
    rows = select(ADDRESS.c.id).where(any_of(ADDRESS.c.id, ids)).order_by(ADDRESS.c.id)
    if alone:
        # In the same statement, which acquires this lock before that of any row.
        rows = rows.join_from(select(_SHARED).cte(), ADDRESS, true())
    # `key_share`: rows that refer to the address can be inserted meanwhile.
    locking = rows.with_for_update(of=ADDRESS, key_share=alone, read=not alone)
    await connection.execute(select(func.count()).select_from(locking.subquery()))


async def _write(
    connection: WriteConnection,
    written: Mapping[int, AddressState],
    unclear: Collection[int],
    known: Mapping[int, StoredState],
) -> None:
    """Write these states, and those of `unclear` as their deliveries say."""
    ids = sorted({*written, *unclear})
    if not ids:
        return
    opted_out = await _opted_out(connection, ids)
    states = dict(written)
    if unclear:
        counted = await states_of(connection, unclear, opted_out=opted_out.keys() & set(unclear))
        states |= {id: counted.get(id, AddressState()) for id in unclear}
    districts = await _districts(connection, [id for id in ids if id not in known])
    rows: list[tuple[object, ...]] = []
    gone: list[int] = []
    for id in ids:
        state = states[id]
        problem = problem_of(state, opted_out_at=opted_out.get(id))
        if not state.is_empty or problem is not None:
            district_id = known[id].district_id if id in known else districts[id]
            rows.append((id, district_id, *state_values(state), *(problem or (None, None, None))))
        elif id in known:
            gone.append(id)
    await insert_rows(connection, ADDRESS_FAILURES, rows, columns=_COLUMNS, on_conflict=_UPSERT)
    if gone:
        await connection.execute(
            delete(ADDRESS_FAILURES).where(any_of(ADDRESS_FAILURES.c.address_id, gone))
        )


async def _opted_out(connection: ReadConnection, ids: Sequence[int]) -> Mapping[int, datetime]:
    statement = select(ADDRESS.c.id, ADDRESS.c.opted_out_at).where(
        any_of(ADDRESS.c.id, ids), ADDRESS.c.opted_out_at.is_not(None)
    )
    return {row[0]: row[1] for row in await connection.execute(statement)}


async def _districts(connection: ReadConnection, ids: Sequence[int]) -> Mapping[int, int]:
    if not ids:
        return {}
    statement = select(ADDRESS.c.id, ADDRESS.c.district_id).where(any_of(ADDRESS.c.id, ids))
    return {row[0]: row[1] for row in await connection.execute(statement)}
