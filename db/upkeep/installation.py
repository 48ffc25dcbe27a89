"""The state of the installation: workers that run, the health of providers, what waits, and how far the audit is sealed.

Workers and providers are known across processes by rows on the database's clock. Counts come from tallies and partial indexes.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, case, delete, func, or_, select, text

from db.dispatch.changes import CANCELED
from db.log.messages import select_by
from db.log.visibility import Visibility, is_of_visible, visible
from db.reports.subjects import covers, decode
from db.sql.clock import clock
from db.sql.connections import ReadConnection, WriteConnection
from db.sql.index_hints import by_index
from db.sql.key_lists import text_any_of
from db.sql.upsert import insert_into
from db.tables.conditions import TO_BEGIN, UNDER_WAY
from db.tables.installation import PROVIDER_HEALTH, WORKER
from db.tables.log import MESSAGE, TALLY
from db.tables.operations import AUDIT, AUDIT_SEAL, REPORT, TO_MAKE
from domain.report import ReportStatus
from domain.status import DeliveryMode, DeliveryStatus

SEEN_WITHIN: Final = timedelta(seconds=60)
"""A worker without a heartbeat for this time is not listed."""

FORGOTTEN_AFTER: Final = timedelta(hours=1)
"""The row of a worker that was killed is deleted by the next worker that starts after this time."""


class WorkerRecord(NamedTuple):
    """A process that does background work."""

    id: str
    started_at: datetime
    last_seen_at: datetime


class ProviderState(NamedTuple):
    """The last attempts at a provider, of all processes together."""

    is_up: bool
    last_accepted_at: datetime | None
    last_failed_at: datetime | None
    last_failure: str | None


class ModeBacklog(NamedTuple):
    """The deliveries of one mode that are due and not handed over."""

    mode: DeliveryMode
    deliveries: int
    oldest_at: datetime
    """The scheduled time of the oldest message among them."""


async def revision(connection: ReadConnection) -> str | None:
    """Return the revision of the database; None if it was never migrated."""
    found: str | None = await connection.scalar(text("SELECT version_num FROM alembic_version"))
    return found


# Workers


async def beat(connection: WriteConnection, worker_id: str) -> None:
    """Record that a worker is alive."""
    now = clock(connection)
    statement = (
        insert_into(connection, WORKER)
        .values(id=worker_id, started_at=now, last_seen_at=now)
        .on_conflict_do_update(index_elements=[WORKER.c.id], set_={"last_seen_at": now})
    )
    await connection.execute(statement)


async def leave(connection: WriteConnection, worker_id: str) -> None:
    """Delete a worker that ends."""
    await connection.execute(delete(WORKER).where(WORKER.c.id == worker_id))


async def forget_workers(connection: WriteConnection) -> None:
    """Delete the workers that ended without `leave` some time ago."""
    gone = WORKER.c.last_seen_at < clock(connection, after=-FORGOTTEN_AFTER)
    await connection.execute(delete(WORKER).where(gone))


async def workers(connection: ReadConnection) -> Sequence[WorkerRecord]:
    """Return the workers that are alive, the longest running first."""
    statement = (
        select(*WORKER.c[WorkerRecord._fields])
        .where(_is_alive(connection))
        .order_by(WORKER.c.started_at, WORKER.c.id)
    )
    return [WorkerRecord(*row) for row in await connection.execute(statement)]


async def is_worker_seen(connection: ReadConnection) -> bool:
    """Return whether any worker is alive."""
    statement = select(WORKER.c.id).where(_is_alive(connection)).limit(1)
    return (await connection.scalar(statement)) is not None


def _is_alive(connection: ReadConnection) -> ColumnElement[bool]:
    return WORKER.c.last_seen_at >= clock(connection, after=-SEEN_WITHIN)


# Providers


async def record_attempt(
    connection: WriteConnection, account: str, *, is_up: bool, failure: str | None, now: datetime
) -> None:
    """Record an attempt at a provider: whether it accepted something, and `failure`, if it did not accept all.

    An earlier attempt that is recorded late does not replace a later one.
    """
    values = {
        "is_up": is_up,
        "last_accepted_at": now if is_up else None,
        "last_failed_at": None if failure is None else now,
        "last_failure": failure,
    }
    statement = insert_into(connection, PROVIDER_HEALTH).values(account=account, **values)
    old, new = PROVIDER_HEALTH.c, statement.excluded
    latest = _later_of(old.last_accepted_at, old.last_failed_at)
    statement = statement.on_conflict_do_update(
        index_elements=[old.account],
        set_={
            "is_up": new.is_up,
            "last_accepted_at": func.coalesce(new.last_accepted_at, old.last_accepted_at),
            "last_failed_at": func.coalesce(new.last_failed_at, old.last_failed_at),
            "last_failure": func.coalesce(new.last_failure, old.last_failure),
        },
        where=or_(latest.is_(None), latest <= now),
    )
    await connection.execute(statement)


async def provider_states(
    connection: ReadConnection, accounts: Sequence[str]
) -> Mapping[str, ProviderState]:
    """Return what is known of those of these accounts that were attempted."""
    columns = PROVIDER_HEALTH.c[ProviderState._fields]
    statement = select(PROVIDER_HEALTH.c.account, *columns).where(
        text_any_of(PROVIDER_HEALTH.c.account, accounts)
    )
    return {
        account: ProviderState(*state) for account, *state in await connection.execute(statement)
    }


def _later_of(first: ColumnElement[Any], second: ColumnElement[Any]) -> ColumnElement[Any]:
    return case(
        (first.is_(None), second), (second.is_(None), first), (first >= second, first), else_=second
    )


# What waits


async def backlogs(connection: ReadConnection, *, visibility: Visibility) -> Sequence[ModeBacklog]:
    """Return how many deliveries of visible messages are due and not handed over, by mode.

    Counted from the tallies of messages under way, so a delivery that pauses before a retry or a call window is counted.
    """
    # From an alias, because the conditions of the indexes have no table name.
    columns = (MESSAGE.c.id, MESSAGE.c.scheduled_at)
    seen, is_canceled = visible(visibility), MESSAGE.c.status.in_(sorted(CANCELED))
    due = (
        select_by(by_index("message_to_begin"), *columns)
        .where(TO_BEGIN, MESSAGE.c.scheduled_at <= visibility.now, seen)
        .union_all(
            select_by(by_index("message_under_way"), *columns).where(UNDER_WAY, ~is_canceled, seen)
        )
        .subquery("due")
    )
    statement = (
        select(
            TALLY.c.mode,
            func.sum(TALLY.c.deliveries),
            func.min(due.c.scheduled_at, type_=MESSAGE.c.scheduled_at.type),
        )
        .join(due, TALLY.c.message_id == due.c.id)
        .where(
            TALLY.c.status == DeliveryStatus.PENDING, ~TALLY.c.is_duplicate, TALLY.c.deliveries > 0
        )
        .group_by(TALLY.c.mode)
        .order_by(TALLY.c.mode)
    )
    return [
        ModeBacklog(mode, int(deliveries), oldest)
        for mode, deliveries, oldest in await connection.execute(statement)
    ]


async def reports_waiting(connection: ReadConnection, *, visibility: Visibility) -> int:
    """Return how many reports that the viewer may see wait to be made."""
    # From an alias, because the condition of the index has no table name.
    waiting = (
        select(REPORT.c.message_id, REPORT.c.subject, REPORT.c.district_id)
        .where(TO_MAKE, REPORT.c.status == ReportStatus.QUEUED)
        .subquery("waiting")
    )
    of_district = waiting.c.district_id == visibility.district.id
    is_seen = or_(waiting.c.subject.is_not(None), is_of_visible(waiting.c.message_id, visibility))
    subjects = await connection.scalars(select(waiting.c.subject).where(of_district, is_seen))
    return sum(subject is None or covers(visibility, decode(subject)) for subject in subjects)


async def audit_sealed_until(
    connection: ReadConnection, *, visibility: Visibility
) -> datetime | None:
    """Return the time of the last audit entry of the district under a seal; None if none is sealed."""
    last = (
        select(AUDIT_SEAL.c.last_id).order_by(AUDIT_SEAL.c.number.desc()).limit(1).scalar_subquery()
    )
    statement = (
        select(AUDIT.c.at)
        .where(AUDIT.c.district_id == visibility.district.id, AUDIT.c.id <= last)
        .order_by(AUDIT.c.at.desc(), AUDIT.c.id.desc())
        .limit(1)
    )
    at: datetime | None = await connection.scalar(statement)
    return at
