"""The rules for retries: when a delivery that a provider did not accept is tried again, and when it is given up.

Only a delivery that certainly did not leave is retried automatically. Time and random number are arguments.
"""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from domain.call_status import NO_RESPONSE
from domain.modes import MODES, PHONE_MODES
from domain.status import DeliveryMode

FIRST_PAUSE: Final = timedelta(seconds=5)
"""The pause after the first refusal; it doubles with each further one."""

LONGEST_PAUSE: Final = timedelta(minutes=10)
"""The longest pause: with a longer one, a provider that is available again would be idle."""

MOST_COPIES: Final = 3
"""How often an e-mail is sent if none of its sendings had a response, so that each may have arrived."""

EMAIL_SILENCE: Final = timedelta(minutes=30)
"""The pause after an e-mail without a response: a slow server has often accepted it."""


class RetryAt(NamedTuple):
    """Try again, not before `at`."""

    at: datetime


class GivenUp(NamedTuple):
    """The delivery has failed for good, with this code (None for inbox and e-mail) and reason."""

    code: int | None
    reason: str


def pause(attempts: int, *, chance: float) -> timedelta:
    """Return the pause after this number of attempts (1 or more): half of it fixed, half scaled by `chance`, 0 to 1.

    The random part (jitter) spreads the retries of deliveries that were refused together.
    """
    doublings = min(max(attempts - 1, 0), 20)
    longest = min(FIRST_PAUSE * (1 << doublings), LONGEST_PAUSE)
    return longest / 2 * (1 + chance)


def after_refusal(
    mode: DeliveryMode,
    attempts: int,
    *,
    first_at: datetime,
    now: datetime,
    chance: float,
    asked_for: timedelta | None = None,
) -> RetryAt | GivenUp:
    """Return what to do with a delivery that a provider refused, so that it certainly did not leave.

    `first_at` is the first attempt, `asked_for` the pause that the provider requested: it is respected if ours is shorter,
    but never beyond the last attempt.
    """
    wait = max(pause(attempts, chance=chance), asked_for or timedelta())
    rules = MODES[mode]
    last = first_at + rules.patience
    if now >= last:
        hours = rules.patience // timedelta(hours=1)
        return GivenUp(rules.given_up, f"not accepted within {hours} hours, {attempts} attempts")
    return RetryAt(min(now + wait, last))


def after_silence(
    mode: DeliveryMode,
    attempts: int,
    *,
    copies: int,
    first_at: datetime,
    now: datetime,
    chance: float,
) -> RetryAt | GivenUp:
    """Return what to do with a delivery without a response; `copies` is the number of its sendings without one so far.

    A call or a text is not retried, because it could arrive twice. An e-mail is sent up to `MOST_COPIES` times with the
    same Message-ID, by which some mail readers recognize duplicates.
    """
    if mode in PHONE_MODES:
        return GivenUp(NO_RESPONSE, "no answer, and the provider cannot tell whether it left")
    if copies >= MOST_COPIES:
        return GivenUp(None, f"it may have arrived: sent {copies} times, each without an answer")
    return after_refusal(mode, attempts, first_at=first_at, now=now, chance=chance)
