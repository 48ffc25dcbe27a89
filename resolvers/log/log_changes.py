"""The subscription `logChanged`: which messages of a search have changed, at most one event in two seconds.

Of a search only a mark is kept between two events, and of changes at most 100 ids.
"""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from db.connect.log_watch import LogNews
from db.log.messages import MessageRecord
from db.search.criteria import Criteria
from db.search.log_changes import (
    LogMark,
    are_visible_on_days,
    found_among,
    mark_of,
    next_appearance,
)
from db.search.search import Search, prepare
from db.sql.connections import ReadConnection
from domain.viewer import Right
from resolvers.log.progress import Moment, require_valid_sign_in, wait_for_notice
from resolvers.messages import MessageFilter, criteria_of
from resolvers.request.arguments import DateRange
from resolvers.request.context import Context, Info

PAUSE: Final = 2.0
"""The least seconds between two events for one subscriber."""

EASE: Final = 4
"""The pause is at least this many times as long as the last look took, so that a very long list costs a fifth of a processor
at most."""


class LogChange(NamedTuple):
    """The messages of a search that have changed, and whether others changed too or were added."""

    changed: Sequence[MessageRecord]
    more: bool
    total_count: int


async def log_changed(
    info: Info, *, created_between: DateRange, filter: MessageFilter | None = None
) -> AsyncGenerator[Moment, None]:
    """First an empty change, then each change of what the search finds. Raises `BadUserInput` and `Forbidden`.

    Raises `Unauthenticated` when the sign-in expires.
    """
    context = info.context
    context.viewer.require(Right.VIEW_LOG)
    return _changes(context, criteria_of(context, created_between, filter or MessageFilter()))


async def _changes(context: Context, criteria: Criteria) -> AsyncGenerator[Moment, None]:
    runtime, notices = context.process_services.runtime, context.process_services.notices
    district = context.visibility.district.id
    with notices.watch_log(district, school_ids=context.visibility.school_ids) as watch:
        seen: _Seen | None = None
        while True:
            now = runtime.clock()
            require_valid_sign_in(context, now=now)
            context = await context.reopen(now=now)
            watch.school_ids = context.visibility.school_ids
            begun = runtime.monotonic()
            change, seen = await _look(context, criteria, watch.take(), seen)
            pause = max(PAUSE, EASE * (runtime.monotonic() - begun))
            if change is not None:
                yield Moment(change, context)
            await runtime.sleep(pause)
            until = context.viewer.expires_at
            await wait_for_notice(watch, runtime, until=min(seen.appears_at or until, until))


class _Seen(NamedTuple):
    """What is kept of a look: its mark, and when the next message of a scheduler becomes visible."""

    mark: LogMark
    appears_at: datetime | None


async def _look(
    context: Context, criteria: Criteria, news: LogNews, before: _Seen | None
) -> tuple[LogChange | None, _Seen]:
    """The change since `before`, and what is seen now. None if there is none; the first is empty."""
    visibility = context.visibility
    async with context.database.reading() as connection:
        search = await prepare(connection, criteria, visibility=visibility)
        appears_at = await next_appearance(connection, criteria, visibility=visibility)
        if before is None:
            mark = await mark_of(connection, search, with_revisions=True)
            return LogChange((), False, mark.total), _Seen(mark, appears_at)
        if before.appears_at is not None and before.appears_at <= context.now:
            news = news._replace(has_new=True)
        change, mark = await _compare(connection, search, criteria, news, before.mark)
    return (change if change.changed or change.more else None), _Seen(mark, appears_at)


async def _compare(
    connection: ReadConnection, search: Search, criteria: Criteria, news: LogNews, before: LogMark
) -> tuple[LogChange, LogMark]:
    """The change since `before`, and the mark now."""
    ids = news.revisions
    changed = await found_among(connection, search, ids) if ids else []
    expected = before
    if before.revisions is not None:
        grown = sum(message.revision - ids[message.id] for message in changed)
        expected = LogMark(before.total, before.revisions + grown)
    if not (news.has_more or news.has_new or news.may_have_missed or criteria.can_be_left):
        # These messages changed and no others, and they match as before.
        return LogChange(changed, False, expected.total), expected
    others = ids.keys() - {message.id for message in changed}
    has_left = criteria.can_be_left and await are_visible_on_days(connection, search, others)
    # What the notices do not explain was missed. On SQLite they never come from other processes.
    is_sqlite = connection.dialect.name == "sqlite"
    is_known = before.revisions is not None
    mark = await mark_of(
        connection, search, with_revisions=is_sqlite or (news.may_have_missed and is_known)
    )
    is_unknown = news.may_have_missed and not is_known
    more = news.has_more or has_left or is_unknown or mark.differs(expected)
    return LogChange(changed, more, mark.total), mark
