"""The promise: server processes start on slow machines, too, are replaced when they end, and the log has the reason."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest
import uvicorn
from structlog.testing import capture_logs

from server.process.serving_process import CANNOT_START
from server.process.supervisor import (
    FIRST_PAUSE,
    LONGEST_PAUSE,
    MOST_OF_A_TICK,
    STOP_SECONDS,
    Supervisor,
    describe_exit,
)
from tests.canaries import look
from tests.server.process.serving.supervised import PATIENCE
from tests.server.processes import LONG, ROOT

READY = "all server processes are ready"
ANEW = "a server process ended and is restarted"
STARTED = "a server process was restarted"


class Supervised:
    """A supervisor of two processes."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self.process = process
        self._folder = folder
        self.lines: list[dict[str, Any]] = []

    def until(self, event: str) -> dict[str, Any]:
        """Read its log until a line says this."""
        assert self.process.stderr is not None
        for text in self.process.stderr:
            look(text, "the log of a supervisor")
            self.lines.append(json.loads(text))
            if self.lines[-1]["event"] == event:
                return self.lines[-1]
        raise AssertionError(f"{event} is not in {self.lines}")

    def children(self) -> set[int]:
        """The processes that serve."""
        of = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return {
            int(pid)
            for pid in of.read_text().split()
            if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text()
        }

    def ask(self) -> int:
        """The number of the process that answers."""
        port = (self._folder / "port").read_text()
        return int(httpx2.get(f"http://127.0.0.1:{port}/", timeout=LONG).text)

    def end(self) -> int:
        """Wait for its end, and read the rest of its log."""
        with suppress(AssertionError):
            self.until("")
        return self.process.wait(timeout=LONG)

    def warnings(self) -> list[tuple[str, str | None]]:
        """What it warned of, and why."""
        return [
            (line["event"], line.get("reason"))
            for line in self.lines
            if line["level"] in ("warning", "error")
        ]


@contextmanager
def supervised(how: str, folder: Path) -> Iterator[Supervised]:
    """A supervisor in a process of its own; killed at the end, if it has not ended."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.server.process.serving.supervised", how, str(folder)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        yield Supervised(process, folder)
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def test_processes_that_import_for_longer_than_they_are_waited_for_become_ready(
    tmp_path: Path,
) -> None:
    with supervised("slow", tmp_path) as server:
        server.until(READY)
        assert server.ask() in server.children()
        server.process.send_signal(signal.SIGTERM)
        assert server.end() == 0
    assert server.warnings() == []


def test_a_process_that_is_killed_or_stands_still_is_replaced_and_the_log_says_why(
    tmp_path: Path,
) -> None:
    with supervised("plain", tmp_path) as server:
        server.until(READY)
        before = server.children()
        killed, still = sorted(before)
        os.kill(killed, signal.SIGKILL)
        assert server.until(ANEW)["pid"] == killed
        server.until(READY)
        os.kill(still, signal.SIGSTOP)
        assert server.until(ANEW)["pid"] == still
        server.until(READY)
        after = server.children()
        assert len(after) == 2
        assert after.isdisjoint(before)
        assert server.ask() in after
        server.process.send_signal(signal.SIGINT)
        assert server.end() == 0
    assert server.warnings() == [
        (ANEW, "signal SIGKILL"),
        (STARTED, None),
        (ANEW, f"killed: no answer in {PATIENCE} seconds"),
        (STARTED, None),
    ]


def test_a_hangup_replaces_each_process_and_the_server_answers_all_the_while(
    tmp_path: Path,
) -> None:
    with supervised("plain", tmp_path) as server:
        server.until(READY)
        before = server.children()
        server.process.send_signal(signal.SIGHUP)
        while server.children() & before:
            assert server.ask() > 0
        server.process.send_signal(signal.SIGTERM)
        assert server.end() == 0
    assert server.warnings() == []


def test_a_server_that_cannot_start_says_why_once_and_ends(tmp_path: Path) -> None:
    with supervised("broken", tmp_path) as server:
        assert server.end() == 1
    warnings = server.warnings()
    assert warnings[-1] == ("the server cannot start", f"exit status {CANNOT_START}")
    assert {event for event, _ in warnings[:-1]} == {"a server process failed"}
    failed = server.lines[0]
    assert (failed["error"], failed["stack"][-1].split(" ")[1]) == ("ValueError", "fail")


def test_processes_whose_supervisor_is_gone_stop(tmp_path: Path) -> None:
    """Or they would keep the port, and nobody would stop them."""
    with supervised("plain", tmp_path) as server:
        server.until(READY)
        server.process.kill()
        assert (
            server.end() == -signal.SIGKILL
        )  # the log ends with the last process that has it open


# What it decides, with processes that are none


class FakeProcess:
    """What multiprocessing knows of a process."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.exitcode: int | None = None

    def is_alive(self) -> bool:
        return self.exitcode is None

    def join(self, timeout: float | None = None) -> None:
        pass


class FakeChild:
    """A process that does as the test says."""

    def __init__(self, pid: int) -> None:
        self.process = FakeProcess(pid)
        self.pid = pid
        self.is_serving = self.has_served = self.is_mute = False
        self.silence = self.stopping = 0.0
        self.was_told_to_stop = False

    def check(self, seconds: float) -> None:
        self.silence = self.silence + seconds if self.is_mute else 0.0
        self.has_served = self.has_served or self.is_serving

    def terminate(self) -> None:
        self.was_told_to_stop = True

    def end(self) -> str:
        self.process.exitcode = self.process.exitcode or -signal.SIGKILL
        return describe_exit(self.process.exitcode)


class Faked(Supervisor):
    """A supervisor of two such processes, whose time a test lets pass."""

    def __init__(self) -> None:
        super().__init__(
            uvicorn.Config("", workers=2, timeout_worker_healthcheck=5, log_config=None), []
        )
        self.now = 0.0
        self.started: list[FakeChild] = []
        self._children = [self._start_child() for _ in range(2)]

    def _start_child(self) -> Any:
        self.started.append(FakeChild(len(self.started) + 1))
        return self.started[-1]

    def pass_time(self, seconds: float = 0.5) -> None:
        """One check."""
        self.now += seconds
        self._check_all(self.now, min(seconds, MOST_OF_A_TICK))

    def serve(self) -> None:
        """Have all processes serve."""
        for child in self.started:
            child.is_serving = child.process.is_alive()
        self.pass_time()


@pytest.fixture
def faked() -> Iterator[Faked]:
    handlers = {number: signal.getsignal(number) for number in signal.valid_signals()}
    yield Faked()
    for number, handler in handlers.items():
        with suppress(OSError, ValueError, TypeError):
            signal.signal(number, handler)


def test_a_process_that_never_becomes_ready_is_started_after_growing_pauses(faked: Faked) -> None:
    faked.serve()
    faked.started[0].process.exitcode = 1
    faked.pass_time()  # it had served: at once
    pauses: list[float] = []
    for _ in range(8):
        count, ended_at = len(faked.started), faked.now
        faked.started[-1].process.exitcode = 1
        with capture_logs() as lines:
            while len(faked.started) == count:
                faked.pass_time()
        pauses.append(faked.now - ended_at - 0.5)
        assert [line["event"] for line in lines] == [
            "a server process ended before it was ready and is restarted",
            STARTED,
        ]
    assert pauses == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE]
    assert pauses[0] == FIRST_PAUSE
    faked.serve()
    faked.started[-1].process.exitcode = 1
    count = len(faked.started)
    faked.pass_time()
    assert len(faked.started) == count + 1, "it had served in between"


def test_a_supervisor_that_stood_still_itself_blames_no_process(faked: Faked) -> None:
    faked.serve()
    for child in faked.started:
        child.is_mute = True
    faked.pass_time(3_600)
    assert len(faked.started) == 2
    with capture_logs() as lines:
        for _ in range(8):
            faked.pass_time()
    assert len(faked.started) == 4
    assert lines[0]["reason"] == "killed: no answer in 5 seconds"


@pytest.mark.parametrize("how", ["it ends", "it is mute"])
def test_a_replacement_that_does_not_start_leaves_the_old_processes_alone(
    faked: Faked, how: str
) -> None:
    faked.serve()
    faked.restart_all()
    faked.pass_time()
    new = faked.started[2]
    if how == "it ends":
        new.process.exitcode = 1
    new.is_mute = True
    with capture_logs() as lines:
        for _ in range(20):
            faked.pass_time()
    assert len(faked.started) == 3
    assert not any(child.was_told_to_stop for child in faked.started[:2])
    assert [line["event"] for line in lines] == [
        "a new server process ended before it was ready; the old ones stay"
    ]


def test_a_process_that_does_not_stop_is_killed_with_a_warning(faked: Faked) -> None:
    faked.serve()
    faked.handle_ttou()
    (retired,) = [child for child in faked.started if child.was_told_to_stop]
    with capture_logs() as lines:
        for _ in range(int(STOP_SECONDS / 0.5)):
            assert retired.process.is_alive()
            faked.pass_time()
    assert retired.process.exitcode == -signal.SIGKILL
    assert [line["event"] for line in lines if line["log_level"] == "warning"] == [
        "a server process did not stop and was killed"
    ]
    faked.handle_ttou()
    faked.handle_ttin()
    assert len(faked.started) == 3, "the last process stays, and another one came"


@pytest.mark.parametrize(
    ("status", "words"),
    [(0, "exit status 0"), (3, "exit status 3"), (-9, "signal SIGKILL"), (-99, "signal 99")],
)
def test_how_a_process_ended_is_said_in_words(status: int, words: str) -> None:
    assert describe_exit(status) == words
