"""The health of providers, for administrators: what became of the last attempts, known to all processes.

A wave of deliveries notes its outcomes here. The row of a provider is written at a change of its state, and otherwise once in
`PAUSE` seconds per process, so that no hand-over waits for it.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

import structlog

from db.connect.unavailable import AWAY, cause
from db.upkeep import installation
from delivery.dispatch.runtime import Runtime
from delivery.gateways.base import Accepted, NotAccepted, Outcome, Refused, Unsure
from delivery.gateways.port import Gateway
from delivery.gateways.wording import redacted

PAUSE: Final = 5.0
"""Seconds between two writes of a process about one provider that stays as it is."""

_log = structlog.get_logger(__name__)


class Attempted(NamedTuple):
    """What became of a wave at a provider."""

    is_up: bool
    """Whether it took or refused at least one delivery, so that it works."""
    failure: str | None
    """The most frequent reason for which it took others not; None if there is none."""


def attempted(outcomes: Sequence[Outcome]) -> Attempted | None:
    """Return what the outcomes of a wave say about its provider; None if no request was made."""
    reasons = Counter(one.reason for one in outcomes if isinstance(one, NotAccepted | Unsure))
    is_up = any(isinstance(one, Accepted | Refused) for one in outcomes)
    if not reasons and not is_up:
        return None
    return Attempted(is_up, redacted(reasons.most_common(1)[0][0]) if reasons else None)


async def note(
    runtime: Runtime, gateway: Gateway, outcomes: Sequence[Outcome], *, district: str
) -> None:
    """Write what the outcomes of a wave of a district say about its provider, unless that is written already.

    Raises nothing if the database is unavailable.
    """
    found = attempted(outcomes)
    account = runtime.account_of(district, gateway)
    if found is None or not _is_news(runtime, account, found):
        return
    try:
        async with runtime.database.writing() as connection:
            await installation.record_attempt(
                connection,
                account,
                is_up=found.is_up,
                failure=found.failure,
                now=runtime.clock(),
            )
    except AWAY as error:
        _log.warning(
            "the health of a provider could not be written",
            gateway=gateway.name,
            reason=cause(error),
        )


def _is_news(runtime: Runtime, account: str, found: Attempted) -> bool:
    """Return whether an attempt is to be written, and remember it then."""
    now = runtime.monotonic()
    known = runtime.noted.get(account)
    if known is not None and known[0] == found.is_up and now - known[1] < PAUSE:
        return False
    runtime.noted[account] = (found.is_up, now)
    return True
