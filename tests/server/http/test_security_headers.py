"""The security headers of every response, from every part of the server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.http.security_headers import HEADERS
from server.routes.console import CONTENT_SECURITY_POLICY
from tests.server.calling import Caller, calling


@pytest.fixture(scope="module")
def caller(tmp_path_factory: pytest.TempPathFactory, sqlite_template: Path) -> Iterator[Caller]:
    with calling(tmp_path_factory.mktemp("hardening"), sqlite_template) as caller:
        yield caller


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/", 307),
        ("GET", "/healthz", 200),
        ("POST", "/healthz", 405),
        ("GET", "/nothing", 404),
        ("POST", "/graphql", 401),
        ("PUT", "/graphql", 405),
        ("POST", "/ingest", 401),
        ("POST", "/callbacks/none", 404),
        ("GET", "/reports/none", 403),
    ],
)
def test_every_answer_is_hardened(caller: Caller, method: str, path: str, status: int) -> None:
    answer = caller.client.request(method, path)

    assert answer.status_code == status
    assert HEADERS.items() <= answer.headers.items()
    assert "server" not in answer.headers


def test_an_operation_s_answer_is_hardened(caller: Caller) -> None:
    assert HEADERS.items() <= caller.ask("{ viewer { id } }").headers.items()


@pytest.mark.usefixtures("built_console")
def test_a_page_keeps_the_policy_of_its_own(caller: Caller) -> None:
    page = caller.client.get("/graphiql/")

    assert page.status_code == 200
    assert page.headers.get_list("content-security-policy") == [CONTENT_SECURITY_POLICY]
    assert page.headers["cache-control"] == "no-cache"
    assert page.headers["x-frame-options"] == "DENY"
