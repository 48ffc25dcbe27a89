"""The runtime of delivery: what every job needs, as one value that is passed along."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

from sqlalchemy.ext.asyncio import AsyncEngine

from db.dispatch.in_flight import Terms
from delivery.gateways.port import Gateway
from domain.status import DeliveryMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """What every delivery job needs: database, gateways, clock, random numbers and limits."""

    engine: AsyncEngine
    gateways: Mapping[DeliveryMode, Gateway]
    """By mode, for all districts. Deliveries of a mode without a gateway stay pending."""
    of_district: Mapping[str, Mapping[DeliveryMode, Gateway]] = field(default_factory=dict)
    """Those of a district that differ, by the id under which the NDJSON names it."""
    clock: Callable[[], datetime]
    chance: Callable[[], float]
    """0 to 1, for pauses that should not fall together."""
    monotonic: Callable[[], float] = time.monotonic
    """Seconds that nobody sets back: for how long a look at the database is good."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    pace_sleep: Callable[[float], Awaitable[None]] | None = None
    """Waits for a provider's pace, before anything is claimed: a runner breaks it off when it stops. None: as `sleep`."""
    lease: timedelta = timedelta(minutes=5)
    send_limit: timedelta = timedelta(minutes=2)
    """From claim to answer. Shorter than the lease, or a second worker would send meanwhile."""
    provider_limit: timedelta = timedelta(minutes=60)
    """After the last hand-over: outcomes of calls and texts that are open then make the message an ERROR."""
    turns: WeakValueDictionary[int, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    """Whose turn it is in this process to work on a message, by its number."""

    def gateway_of(self, terms: Terms, mode: DeliveryMode) -> Gateway | None:
        """The gateway through which a district's deliveries of a mode go."""
        return self.of_district.get(terms.district, {}).get(mode) or self.gateways.get(mode)

    def usable(self, terms: Terms) -> dict[DeliveryMode, Gateway]:
        """The modes that have a gateway and may be used now: voice keeps to the district's call window."""
        window = terms.call_window
        may_call = window is None or window.is_open(self.clock())
        return {
            mode: gateway
            for mode in DeliveryMode
            if (gateway := self.gateway_of(terms, mode)) is not None
            and (mode is not DeliveryMode.VOICE or may_call)
        }
