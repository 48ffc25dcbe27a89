"""The subscriptions `messageChanged` and `reportChanged`: the present state, then each change."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from datetime import datetime
from typing import Final, NamedTuple, TypeVar

import strawberry

from db.connect.log_watch import LogWatch
from db.connect.notices import Watch
from db.log.messages import MessageRecord
from db.reports.records import ReportRecord
from delivery.dispatch.runtime import Runtime
from domain.errors import BadUserInput, Unauthenticated
from domain.ids import Kind, spell
from resolvers import messages
from resolvers.mutations.refusals import NO_MESSAGE, NO_REPORT
from resolvers.reports import reports
from resolvers.request.context import Context, Info

T = TypeVar("T", MessageRecord, ReportRecord)

PAUSE: Final = 1.0
"""Seconds between two states for one subscriber; `revision` tells whether states in between were skipped."""


class Moment(NamedTuple):
    """An event of a subscription, and the context in which its fields are resolved."""

    shown: object
    """The record of the event."""
    context: Context


async def message_changed(info: Info, *, id: strawberry.ID) -> AsyncGenerator[Moment, None]:
    """The present state of a message, then each change, at most one a second.

    Ends when the viewer may no longer see the message. Raises `Forbidden`; `BadUserInput` if there is no visible message; and
    `Unauthenticated` when the sign-in expires.
    """
    message = await messages.by_id(info, id)
    if message is None:
        raise BadUserInput(NO_MESSAGE.message)

    async def load(context: Context) -> MessageRecord | None:
        return await context.loaders.message.load(message.id)

    return _states(
        info.context, spell(Kind.MESSAGE, message.id), load, lambda message: message.revision
    )


async def report_changed(info: Info, *, id: strawberry.ID) -> AsyncGenerator[Moment, None]:
    """The states of a report. Ends and raises as `message_changed`."""
    report = await reports.by_id(info, id)
    if report is None:
        raise BadUserInput(NO_REPORT.message)

    async def load(context: Context) -> ReportRecord | None:
        return await context.loaders.report.load(report.id)

    return _states(info.context, spell(Kind.REPORT, report.id), load, lambda report: report)


async def _states(
    context: Context,
    subject: str,
    load: Callable[[Context], Awaitable[T | None]],
    mark: Callable[[T], object],
) -> AsyncGenerator[Moment, None]:
    """The results of `load` whenever their `mark` changes."""
    runtime = context.process_services.runtime
    with context.process_services.notices.watch(subject) as watch:
        seen = None
        while True:
            now = runtime.clock()
            require_valid_sign_in(context, now=now)
            context = await context.reopen(now=now)
            shown = await load(context)
            if shown is None:
                return
            if mark(shown) != seen:
                seen = mark(shown)
                yield Moment(shown, context)
                await runtime.sleep(PAUSE)
            await wait_for_notice(watch, runtime, until=context.viewer.expires_at)


def require_valid_sign_in(context: Context, *, now: datetime) -> None:
    """Pass if the viewer may go on watching. Raises `Unauthenticated`."""
    if context.viewer.expires_at <= now:
        raise Unauthenticated("Your sign-in has expired. Sign in again to go on watching.")


async def wait_for_notice(watch: Watch | LogWatch, runtime: Runtime, *, until: datetime) -> None:
    """Wait for a notice, or until `until`."""
    seconds = (until - runtime.clock()).total_seconds()
    waits = [asyncio.ensure_future(watch.changed()), asyncio.ensure_future(runtime.sleep(seconds))]
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
