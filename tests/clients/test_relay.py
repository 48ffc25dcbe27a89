"""Relay: its compiler on our schema, and its runtime against a log that accepts persisted documents only."""

import json
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.clients.conftest import Serve
from tests.clients.playing import HERE, SUBJECTS, WAITING, Log, canceled

PROGRAM: Final = "relay/src/Log"
CONTRACT: Final = HERE.parents[1] / "schema" / "schema.graphql"

pytestmark = pytest.mark.xdist_group("relay")  # one worker, which compiles once


@pytest.fixture(scope="module")
def project(serve: Serve, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a project that has been compiled."""
    project = tmp_path_factory.mktemp("relay")
    shutil.copytree(HERE / "programs" / "relay", project, dirs_exist_ok=True)
    shutil.copy(CONTRACT, project)
    (project / "compiled").mkdir()
    (project / "documents.json").write_text("{}")
    (project / "package.json").write_text('{"type": "commonjs"}')  # whatever stands further up
    compiler = HERE / "node_modules" / "relay-compiler" / "cli.js"
    ran = subprocess.run(
        ["node", compiler, "relay.config.json"],
        cwd=project,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return project


@pytest.fixture
def listed(serve: Serve, project: Path) -> Iterator[Log]:
    """A log that takes what was compiled, by its id."""
    with serve(documents=project / "documents.json", documents_mode="only") as log:
        yield log


@pytest.fixture
def compiled(project: Path) -> str:
    return str(project / "compiled")


def test_the_contract_is_one_that_relay_compiles(project: Path) -> None:
    documents = json.loads((project / "documents.json").read_text())

    assert sorted(text.split("(")[0] for text in documents.values()) == [
        "mutation LogCancelMutation",
        "query LogMessageRefetchQuery",
        "query LogMessagesPaginationQuery",
        "query LogPageQuery",
        "subscription LogWatchSubscription",
    ]


def test_pages_come_together_in_a_connection(listed: Log, compiled: str) -> None:
    result = listed.play(PROGRAM, "pages", compiled=compiled)

    assert result == {"first": SUBJECTS[:4], "whole": SUBJECTS, "hasNextPage": False}


def test_a_fragment_is_fetched_again_by_the_id_of_its_node(listed: Log, compiled: str) -> None:
    result = listed.play(PROGRAM, "node", compiled=compiled, id="message.1")

    message: dict[str, Any] = result["message"]
    (edge,) = message["recipients"]["edges"]
    assert result["path"] == ["node"]
    assert (message["body"], message["viewerCanCancel"], message["sender"]) == (
        "Your student was sent to the office.",
        False,
        {"name": "Administrator, System"},
    )
    assert edge["node"] == {
        "__typename": "Recipient",
        "name": "Parent, Heather",
        "person": {"name": "Parent, Heather"},
    }


def test_mutations_and_subscriptions_change_what_its_store_shows(
    listed: Log, compiled: str
) -> None:
    result = listed.play(PROGRAM, "changes", compiled=compiled, id=WAITING)

    assert result == {
        "seen": [["WAITING", "WAITING"], ["CANCELED", "CANCELED"]],
        "canceled": canceled(viewerCanCancel=False),
    }


def test_what_was_not_compiled_is_not_taken(listed: Log, compiled: str) -> None:
    status, answer = listed.play(PROGRAM, "unlisted", compiled=compiled)

    assert status == 400
    assert [error["extensions"] for error in answer["errors"]] == [
        {"code": "PERSISTED_QUERY_NOT_IN_LIST"}
    ]
