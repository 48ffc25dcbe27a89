"""Pages of other origins: those that are set may ask from a browser, and no others."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from server.app import create_app
from tests.server.calling import filled

PORTAL = "https://portal.example"
PREFLIGHT = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization,content-type",
}


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[TestClient]:
    settings, clock = filled(tmp_path_factory.mktemp("crossing"), sqlite_template)
    app = create_app(settings.model_copy(update={"cors_origins": (PORTAL,)}), clock=clock)
    with TestClient(app) as client:
        yield client


def test_a_page_of_an_origin_that_is_set_may_ask(client: TestClient) -> None:
    allowed = client.options("/graphql", headers={"origin": PORTAL, **PREFLIGHT})
    answer = client.post("/graphql", headers={"origin": PORTAL})

    assert allowed.status_code == 200
    for told in (allowed, answer):
        assert told.headers["access-control-allow-origin"] == PORTAL
        assert "access-control-allow-credentials" not in told.headers
        assert "Origin" in told.headers["vary"]
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "origin", ["https://elsewhere.example", "null", "https://portal.example.evil"]
)
def test_a_page_of_any_other_origin_may_not(client: TestClient, origin: str) -> None:
    refused = client.options("/graphql", headers={"origin": origin, **PREFLIGHT})
    answer = client.post("/graphql", headers={"origin": origin})

    assert refused.status_code == 400
    for told in (refused, answer):
        assert "access-control-allow-origin" not in told.headers


def test_a_websocket_is_for_the_same_pages(client: TestClient) -> None:
    with client.websocket_connect(
        "/graphql", ["graphql-transport-ws"], headers={"origin": PORTAL}
    ) as socket:
        socket.send_json({"type": "ping"})
        assert socket.receive_json() == {"type": "pong"}

    elsewhere = {"origin": "https://elsewhere.example"}
    with (
        pytest.raises(WebSocketDisconnect),
        client.websocket_connect("/graphql", ["graphql-transport-ws"], headers=elsewhere),
    ):
        pass
