"""The gate: the last check before a request to a provider begins.

The gateway calls it, because only the gateway knows when its request begins: after a queue, a connection and a handshake.
`delivery.dispatch.cancel_gate` closes it for a cancellation or at the end of a claim.
"""

from collections.abc import Awaitable, Callable


class Closed(Exception):
    """The request must not begin; the message has the reason."""


Gate = Callable[[], Awaitable[None]]
"""Returns if requests may begin; raises `Closed` once they may not."""


async def always_open() -> None:
    """Let every request begin: for callers without cancellation."""


class Passage:
    """The passage of one request through the gate."""

    def __init__(self, gate: Gate) -> None:
        self._gate = gate
        self.may_have_left = False
        """The request that delivers has begun: if it gets no answer, its deliveries are unsure."""

    async def check(self) -> None:
        """Raise `Closed` if the request must not begin. For steps that deliver nothing yet."""
        await self._gate()

    async def leave(self) -> None:
        """Pass the gate. Raises `Closed`.

        Call it immediately before the request: after an await in between, the request could begin after a cancellation.
        """
        await self._gate()
        self.may_have_left = True
