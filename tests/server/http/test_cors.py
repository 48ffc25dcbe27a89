"""CORS: pages of the configured origins may send requests, and no others."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from httpx2 import Response
from starlette.testclient import TestClient
from starlette.websockets import WebSocketDisconnect

from server.process.app import create_app
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
    for response in (allowed, answer):
        assert response.headers["access-control-allow-origin"] == PORTAL
        assert "access-control-allow-credentials" not in response.headers
        assert "Origin" in response.headers["vary"]
    assert answer.status_code == 401


@pytest.mark.parametrize(
    "origin", ["https://elsewhere.example", "null", "https://portal.example.evil"]
)
def test_a_page_of_any_other_origin_may_not(client: TestClient, origin: str) -> None:
    refused = client.options("/graphql", headers={"origin": origin, **PREFLIGHT})
    answer = client.post("/graphql", headers={"origin": origin})

    assert refused.status_code == 400
    for response in (refused, answer):
        assert "access-control-allow-origin" not in response.headers


def preflight(client: TestClient, headers: str | None, method: str = "POST") -> Response:
    asked = {} if headers is None else {"access-control-request-headers": headers}
    return client.options(
        "/graphql",
        headers={"origin": PORTAL, "access-control-request-method": method, **asked},
    )


@pytest.mark.parametrize(
    "headers",
    [
        "apollographql-client-name,apollographql-client-version",
        "apollo-require-preflight,x-apollo-operation-name",
        "traceparent,tracestate,baggage",
        "sentry-trace",
        "authorization, range, if-range, if-none-match",
        "cache-control,pragma",
        "Authorization,Content-Type,X-Request-ID",
        "x-of-the-page-itself",
    ],
)
def test_a_page_may_send_any_header_that_browsers_let_it_set(
    client: TestClient, headers: str
) -> None:
    allowed = preflight(client, headers)

    assert allowed.status_code == 200
    assert allowed.headers["access-control-allow-origin"] == PORTAL
    assert allowed.headers["access-control-allow-headers"] == headers
    assert "Access-Control-Request-Headers" in allowed.headers["vary"]


@pytest.mark.parametrize(
    "headers",
    [
        "cookie",
        "content-type,Cookie",
        "host",
        "sec-fetch-site",
        "Proxy-Authorization",
        "a b",
        "a:b",
    ],
)
def test_a_header_that_no_page_may_set_is_refused(client: TestClient, headers: str) -> None:
    refused = preflight(client, headers)

    assert (refused.status_code, refused.text) == (400, "Disallowed CORS headers")
    assert "access-control-allow-origin" not in refused.headers
    assert "access-control-allow-headers" not in refused.headers


@pytest.mark.parametrize(
    ("method", "status"),
    [("GET", 200), ("HEAD", 200), ("POST", 200), ("PUT", 400), ("PATCH", 400), ("DELETE", 400)],
)
def test_a_page_may_use_the_methods_that_routes_take(
    client: TestClient, method: str, status: int
) -> None:
    assert preflight(client, None, method).status_code == status


def test_a_page_may_read_what_an_answer_says_in_its_headers(client: TestClient) -> None:
    answer = client.post("/graphql", headers={"origin": PORTAL})

    assert answer.headers["access-control-expose-headers"].split(", ") == [
        "accept-ranges",
        "allow",
        "content-disposition",
        "content-range",
        "etag",
        "retry-after",
        "www-authenticate",
        "x-request-id",
    ]


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
