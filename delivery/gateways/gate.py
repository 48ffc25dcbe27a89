"""The gate: the last check before a request to a provider begins.

A gateway asks it, because only a gateway knows when its request begins: behind a queue, a connection and a handshake. What
closes the gate (a cancellation, a claim that ends) is in `delivery.dispatch.cancel_gate`.
"""

from collections.abc import Awaitable, Callable


class Closed(Exception):
    """The request must not begin; the text says why."""


Gate = Callable[[], Awaitable[None]]
"""Returns as long as requests may begin. Raises `Closed` from the moment on when none may."""


async def always_open() -> None:
    """Let every request begin: for callers that have nothing to cancel."""


class Passage:
    """One request on its way through the gate."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.may_have_left = False
        """The request that delivers has begun: without an answer its deliveries are unsure."""

    async def check(self) -> None:
        """Raise `Closed` where the request must not begin. For steps that deliver nothing yet."""
        await self._gate()

    async def leave(self) -> None:
        """Pass the gate. Raises `Closed`.

        Call it immediately before the request. A wait in between lets the request begin after a cancellation.
        """
        await self._gate()
        self.may_have_left = True
