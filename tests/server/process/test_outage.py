"""The promise: while the database is away, every transport responds that the client may retry."""

from pathlib import Path
from typing import Final

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url
from starlette.testclient import TestClient
from structlog.testing import capture_logs

from server.process.app import create_app
from server.settings.settings import Settings
from tests.log import NOON, message
from tests.server.auth.signing import SECRET, Clock
from tests.server.calling import Caller, body_of, error

AGAIN: Final = error(
    "The database is unavailable. Try again in 5 seconds; if that fails too, tell your administrator.",
    "UNAVAILABLE",
)


@pytest.fixture(
    params=["sqlite+aiosqlite:////nowhere/log", "postgresql+psycopg://nobody:x@127.0.0.1:1/log"],
    ids=["sqlite", "postgres"],
)
def caller(request: pytest.FixtureRequest, tmp_path: Path) -> Caller:
    """The application on a database that is not there."""
    settings = Settings(
        data_dir=tmp_path,
        database_url=make_url(request.param),
        report_store=str(tmp_path / "reports"),
        jwt_key=SecretStr(SECRET),
    )
    clock = Clock(NOON)
    client = TestClient(create_app(settings, clock=clock), raise_server_exceptions=False)
    return Caller(client, settings, clock)  # it does not begin to work


def test_an_operation_is_answered_with_when_to_ask_again(caller: Caller) -> None:
    with capture_logs() as lines:
        answer = caller.ask("{ messages(first: 1) { totalCount } }")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert body_of(answer) == AGAIN
    assert any("the database is away" in line["event"] for line in lines)
    assert not any(line.get("exc_info") for line in lines)


def test_an_upload_is_answered_so_too(caller: Caller) -> None:
    answer = caller.post(message("M-1"), path="/ingest", content_type="application/x-ndjson")

    assert (answer.status_code, answer.headers["retry-after"]) == (503, "5")
    assert body_of(answer) == AGAIN
