"""When something that a provider did not take is tried again, and when it is given up.

Only what surely did not leave is tried again by itself. Nothing here waits or rolls dice: the present instant and the
random number are given.
"""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

from domain.call_status import NO_RESPONSE
from domain.status import PHONE_MODES, DeliveryMode

FIRST_PAUSE: Final = timedelta(seconds=5)
"""After the first refusal; it doubles with each further one."""

LONGEST_PAUSE: Final = timedelta(minutes=10)
"""More would let a provider that came back stand idle."""

PATIENCE: Final = {
    DeliveryMode.INBOX: timedelta(days=2),
    DeliveryMode.EMAIL: timedelta(days=2),
    # A call about this morning's closed school is worse than none in the evening.
    DeliveryMode.VOICE: timedelta(hours=4),
    DeliveryMode.TEXT: timedelta(hours=4),
}
"""How long after the first attempt a delivery is still tried, by mode."""

MOST_COPIES: Final = 3
"""How often one e-mail is given to a server, where nobody can tell of any of them whether it arrived."""

EMAIL_SILENCE: Final = timedelta(minutes=30)
"""How long an e-mail without an answer is left alone: a server that is slow to answer has often taken it."""

CALL_EXPIRED: Final = -11
TEXT_FAILED: Final = -30

_CODE_WHEN_GIVEN_UP: Final = {
    DeliveryMode.INBOX: None,
    DeliveryMode.EMAIL: None,
    DeliveryMode.VOICE: CALL_EXPIRED,
    DeliveryMode.TEXT: TEXT_FAILED,
}


class Later(NamedTuple):
    """Try again, not before `at`."""

    at: datetime


class GivenUp(NamedTuple):
    """It has failed for good: with this code (none for inbox and e-mail), for this reason."""

    code: int | None
    reason: str


def pause(attempts: int, *, chance: float) -> timedelta:
    """How long to wait after so many attempts (1 or more): half of it fixed, half by `chance`, 0 to 1.

    The chance spreads the many that were refused together, or they would all come back together.
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
) -> Later | GivenUp:
    """What follows when a provider did not take a delivery, and it surely did not leave.

    `first_at` is the first attempt, `asked_for` the pause that the provider asked for: it is kept even where ours is
    shorter, but never makes a delivery outlive its time.
    """
    wait = max(pause(attempts, chance=chance), asked_for or timedelta())
    last = first_at + PATIENCE[mode]
    if now >= last:
        hours = PATIENCE[mode] // timedelta(hours=1)
        return GivenUp(
            _CODE_WHEN_GIVEN_UP[mode], f"not accepted within {hours} hours, {attempts} attempts"
        )
    return Later(min(now + wait, last))


def after_silence(
    mode: DeliveryMode,
    attempts: int,
    *,
    copies: int,
    first_at: datetime,
    now: datetime,
    chance: float,
) -> Later | GivenUp:
    """What follows when nobody can tell whether a delivery left; `copies`: of how many sendings of it that is so by now.

    A call or a text could be the second one: never again by itself. An e-mail may go again under its Message-ID, which
    keeps some readers from showing it twice, up to `MOST_COPIES` in all.
    """
    if mode in PHONE_MODES:
        return GivenUp(NO_RESPONSE, "no answer, and the provider cannot tell whether it left")
    if copies >= MOST_COPIES:
        return GivenUp(None, f"it may have arrived: sent {copies} times, each without an answer")
    return after_refusal(mode, attempts, first_at=first_at, now=now, chance=chance)
