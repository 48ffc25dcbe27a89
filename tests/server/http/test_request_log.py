"""The level of a WebSocket's log line depends on which side failed."""

from typing import Any

import pytest
from structlog.testing import capture_logs

from server.http.request_log import RequestLog


async def nowhere(message: Any) -> None:
    """Where nobody looks."""


@pytest.mark.parametrize(("is_ours", "level"), [(True, "error"), (False, "info")])
async def test_a_fault_of_the_other_side_is_none_of_ours(is_ours: bool, level: str) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "websocket.accept"})
        if is_ours:
            await send({"type": "websocket.close", "code": 1011})
        await receive()

    async def receive() -> Any:
        return {"type": "websocket.disconnect", "code": 1011}

    with capture_logs() as lines:
        scope = {"type": "websocket", "headers": []}
        await RequestLog(app, clock=lambda: 0.0)(scope, receive, nowhere)

    assert [(line["log_level"], line["status"]) for line in lines] == [(level, 1011)]
