"""The runtime of delivery: what every job needs, in one value."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from weakref import WeakValueDictionary

from db.connect.database import Database
from db.dispatch.in_flight import DeliveryTerms
from delivery.gateways.port import Gateway
from domain.status import DeliveryMode


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """Database, gateways, clock, random numbers and limits of delivery jobs."""

    database: Database
    gateways: Mapping[DeliveryMode, Gateway]
    """By mode, for all districts. Deliveries of a mode without a gateway stay pending."""
    of_district: Mapping[str, Mapping[DeliveryMode, Gateway]] = field(default_factory=dict)
    """Gateways that differ for a district, by the district's id in the NDJSON."""
    clock: Callable[[], datetime]
    chance: Callable[[], float]
    """Returns a random number from 0 to 1: jitter for pauses."""
    monotonic: Callable[[], float] = time.monotonic
    """Seconds of a clock that never goes back: how old a status is that was read."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    pace_sleep: Callable[[float], Awaitable[None]] | None = None
    """Waits for a provider's rate limit, before a claim; a runner interrupts it when it stops. None: `sleep` is used."""
    lease: timedelta = timedelta(minutes=5)
    send_limit: timedelta = timedelta(minutes=2)
    """The most time from claim to answer. Shorter than the lease, or a second worker would send at the same time."""
    provider_limit: timedelta = timedelta(minutes=60)
    """After the last hand-over plus this time, open outcomes of calls and texts make the message an ERROR."""
    turns: WeakValueDictionary[int, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    """The lock of this process for a message, by the message's number."""
    noted: dict[str, tuple[bool, float]] = field(default_factory=dict)
    """Of each account: whether this process last wrote that it is up, and when, by `monotonic`."""

    def gateway_of(self, terms: DeliveryTerms, mode: DeliveryMode) -> Gateway | None:
        """Return the gateway for a district's deliveries of a mode; None if there is none."""
        return self.of_district.get(terms.district, {}).get(mode) or self.gateways.get(mode)

    def account_of(self, district: str, gateway: Gateway) -> str:
        """Return the name of a gateway of a district, other than that of the same provider in other districts."""
        is_own = any(gateway is one for one in self.of_district.get(district, {}).values())
        return f"{district}/{gateway.name}" if is_own else gateway.name

    def usable(self, terms: DeliveryTerms) -> dict[DeliveryMode, Gateway]:
        """Return the gateways that may be used now, by mode: voice only within the district's call window."""
        window = terms.call_window
        may_call = window is None or window.is_open(self.clock())
        return {
            mode: gateway
            for mode in DeliveryMode
            if (gateway := self.gateway_of(terms, mode)) is not None
            and (mode is not DeliveryMode.VOICE or may_call)
        }
