"""The subscriptions."""

from collections.abc import AsyncGenerator

import strawberry

from resolvers.log import log_changes, progress
from schema.binding import describes, plain, watched
from schema.types.messages import Message, Report


@describes(log_changes.LogChange)
class LogChange:
    """That messages of a search have changed. A client asks for them again if it shows them."""

    changed: list[Message] = plain(
        description="The messages of the search that have changed, as they are now. At most 100."
    )
    more: bool = plain(
        description="Others changed too, or messages were added, or became visible, or match no more."
    )
    total_count: int = plain(description="The number of messages that match now.")


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
    log_changed: AsyncGenerator[LogChange, None] = watched(
        log_changes.log_changed,
        description=(
            "That the log has changed under this search: first an empty change, then at most one in two seconds. A client "
            "asks again for the messages that it shows of those named; `more` says that others changed too, or that new "
            "ones came."
        ),
    )
