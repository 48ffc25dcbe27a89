"""Why deliveries of a message still wait. `resolvers.log.waits` finds the facts."""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

from domain.call_window import CallWindow
from domain.modes import MODES
from domain.search import clock_text, date_text
from domain.status import DeliveryMode, MessageStatus


class WaitCause(StrEnum):
    """The cause for which a delivery waits; `wait_reasons` decides if there are several."""

    SCHEDULED = "SCHEDULED"
    CALL_WINDOW = "CALL_WINDOW"
    RATE_LIMIT = "RATE_LIMIT"
    NO_GATEWAY = "NO_GATEWAY"
    PROVIDER_DOWN = "PROVIDER_DOWN"
    RETRY = "RETRY"
    NO_WORKER = "NO_WORKER"


class WaitReason(NamedTuple):
    """Why deliveries of one mode wait, and until when if that is known."""

    mode: DeliveryMode
    reason: WaitCause
    deliveries: int
    until: datetime | None
    message: str
    """For a person."""


class Retries(NamedTuple):
    """Pending deliveries that a provider did not accept, and when the first of them is tried again."""

    deliveries: int = 0
    first_at: datetime | None = None


class ModeFacts(NamedTuple):
    """The pending deliveries of one mode of a message, and what may keep them from leaving."""

    mode: DeliveryMode
    pending: int
    has_gateway: bool
    held_until: datetime | None = None
    """When the provider is tried again, if it is on hold."""
    paced_until: datetime | None = None
    """When the provider's rate limit lets the next delivery leave, if it has a limit."""
    retries: Retries = Retries()


class Surroundings(NamedTuple):
    """What holds for all deliveries of a district at one instant."""

    now: datetime
    zone: ZoneInfo
    call_window: CallWindow | None
    has_worker: bool


WAITING: Final = frozenset({MessageStatus.WAITING, MessageStatus.IN_PROGRESS, MessageStatus.ERROR})
"""The statuses of a message of which a delivery may wait. Pending deliveries of a canceled one are only not marked yet."""


def wait_reasons(
    facts: ModeFacts, around: Surroundings, *, scheduled_at: datetime | None
) -> Iterator[WaitReason]:
    """Yield why the pending deliveries of one mode wait; each delivery is in one reason at most.

    `scheduled_at` is None once the message has begun. Deliveries without a reason are about to be handed over.
    """
    cause, until = _cause_of_all(facts, around, scheduled_at=scheduled_at)
    if cause is not None:
        if facts.pending:
            yield _reason(facts.mode, cause, facts.pending, until, around)
        return
    retries = min(facts.retries.deliveries, facts.pending)
    if retries:
        yield _reason(facts.mode, WaitCause.RETRY, retries, facts.retries.first_at, around)
    if facts.paced_until is not None and facts.pending > retries:
        rest = facts.pending - retries
        yield _reason(facts.mode, WaitCause.RATE_LIMIT, rest, facts.paced_until, around)


def _cause_of_all(
    facts: ModeFacts, around: Surroundings, *, scheduled_at: datetime | None
) -> tuple[WaitCause | None, datetime | None]:
    """Return the cause that holds for all deliveries of the mode, and its end; both None if there is none."""
    window = around.call_window
    if scheduled_at is not None and around.now < scheduled_at:
        return WaitCause.SCHEDULED, scheduled_at
    if not facts.has_gateway:
        return WaitCause.NO_GATEWAY, None
    if not around.has_worker:
        return WaitCause.NO_WORKER, None
    if facts.mode is DeliveryMode.VOICE and window is not None and not window.is_open(around.now):
        return WaitCause.CALL_WINDOW, window.next_opening(around.now)
    if facts.held_until is not None:
        return WaitCause.PROVIDER_DOWN, facts.held_until
    return None, None


def _reason(
    mode: DeliveryMode,
    cause: WaitCause,
    deliveries: int,
    until: datetime | None,
    around: Surroundings,
) -> WaitReason:
    return WaitReason(mode, cause, deliveries, until, _message(mode, cause, until, around))


def _message(
    mode: DeliveryMode, cause: WaitCause, until: datetime | None, around: Surroundings
) -> str:
    """Return the reason in words for a person, with times of the district."""
    at = "" if until is None else date_text(until, around.zone)
    window = around.call_window
    match cause:
        case WaitCause.SCHEDULED:
            return f"Scheduled for {at}."
        case WaitCause.CALL_WINDOW:
            assert window is not None
            hours = f"{clock_text(window.opens)} to {clock_text(window.closes)}"
            return f"Calls are placed from {hours} only. The next ones are placed at {at}."
        case WaitCause.RATE_LIMIT:
            return "The provider takes a limited number each second. These leave after those before them."
        case WaitCause.NO_GATEWAY:
            name = MODES[mode].label
            return f"No provider is set up for {name}, so these do not leave. Ask your administrator to set one up."
        case WaitCause.PROVIDER_DOWN:
            return f"The provider accepts nothing at the moment. It is tried again at {at}."
        case WaitCause.RETRY:
            return (
                f"The provider did not accept these yet. They are tried again, the first at {at}."
            )
        case WaitCause.NO_WORKER:
            return "No worker is running, so nothing is sent. Ask your administrator to start one."
