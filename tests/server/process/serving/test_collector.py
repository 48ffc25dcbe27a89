"""The garbage collector of a server process ignores objects from the start, and finds little else."""

import gc
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import orjson
import pytest

from db.log.messages import ContentRecord
from server.process import background, collector, serve
from server.settings.settings import Settings
from tests.server.calling import calling

ROOT: Final = Path(__file__).parents[4]

SERVES: Final = """
import gc, os, sys
from server.process.serve import app_of_environment

os.environ |= {"SENTLOG_DATA_DIR": sys.argv[1], "SENTLOG_JWT_KEY": "k" * 64}
app = app_of_environment()
import orjson
sys.stdout.buffer.write(orjson.dumps([gc.get_freeze_count(), len(gc.get_objects()), gc.get_threshold()]))
"""


def test_a_process_that_serves_does_not_look_through_what_it_began_with(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SERVES, str(tmp_path)], cwd=ROOT, check=True, capture_output=True
    )
    apart, looked_at, thresholds = orjson.loads(ran.stdout)

    assert apart > 100_000
    assert looked_at * 20 < apart
    assert thresholds == [collector.YOUNG, 10, collector.OLD]


def test_a_worker_sets_apart_what_it_began_with(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    done: list[str] = []

    async def work(*arguments: object, **options: object) -> None:
        done.append("works")

    monkeypatch.setattr(collector, "freeze_startup_objects", lambda: done.append("settled"))
    monkeypatch.setattr(background, "work", work)
    monkeypatch.setattr(serve, "configure", lambda *arguments, **options: None)

    serve.work(Settings(data_dir=tmp_path))

    assert done == ["settled", "works"]


@contextmanager
def without_collector() -> Iterator[None]:
    """Nothing is let go of in the block but what nobody refers to any more."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def test_what_was_loaded_for_an_answer_does_not_wait_for_the_collector(
    tmp_path: Path, sqlite_template: Path
) -> None:
    with calling(tmp_path, sqlite_template) as caller, without_collector():
        answer = caller.ask('{ nodes(ids: ["message.1"]) { ... on Message { body } } }')
        left = sum(isinstance(one, ContentRecord) for one in gc.get_objects())

    assert answer.status_code == 200
    assert "body" in answer.json()["data"]["nodes"][0]
    assert left == 0
