"""The subscriptions."""

from collections.abc import AsyncGenerator

import strawberry

from resolvers import progress
from schema.binding import watched
from schema.types import Message, Report


@strawberry.type
class Subscription:
    """What can be watched."""

    message_changed: AsyncGenerator[Message, None] = watched(
        progress.message_changed,
        description="First the present state, then each change, at most one a second.",
    )
    report_changed: AsyncGenerator[Report, None] = watched(
        progress.report_changed,
        description="First the present state, then each change, at most one a second.",
    )
