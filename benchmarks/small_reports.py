"""Measures the wait for a small report on a busy machine, from `createReport` until it is READY.

    python -m benchmarks.small_reports [--rows 200] [--rounds 3] [--loops 2]

A server on SQLite, with this many endless loops per core beside it. Each round requests each format once over GraphQL, for
a message with this many delivery rows. `--loops 0` measures without extra load.
"""

import argparse
import contextlib
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import httpx2

from benchmarks.reports import log_of
from benchmarks.sign_in import token
from benchmarks.start import started
from domain.report import ReportFormat

CREATE: Final = """mutation Create($format: ReportFormat!) {
  createReport(input: {messageId: "message.1", devices: [NO_DEVICE, INBOX, EMAIL, VOICE_TEXT], format: $format}) {
    ... on CreateReportSuccess { report { id status } } ... on UserError { message } } }"""

LOOK: Final = "query Look($id: ID!) { node(id: $id) { ... on Report { status rowCount failure } } }"

BETWEEN: Final = 0.02
"""Seconds between two polls."""

PATIENCE: Final = 120.0

SETTLED: Final = 15.0
"""Seconds from the start to the first report, so that the server has prepared for reports."""


@contextlib.contextmanager
def busy(loops: int) -> Iterator[None]:
    """Keep the machine busy in the block."""
    command = [sys.executable, "-c", "while True: pass"]
    children = [subprocess.Popen(command) for _ in range(loops)]
    try:
        yield
    finally:
        for child in children:
            child.kill()
        for child in children:
            child.wait()


def ask(client: httpx2.Client, query: str, **variables: object) -> Any:
    """Return the data of an operation."""
    answer = client.post("/graphql", json={"query": query, "variables": variables}).json()
    assert "errors" not in answer, answer
    return answer["data"]


def wait_for(client: httpx2.Client, format: ReportFormat) -> tuple[float, int]:
    """Return the seconds until a report is ready, and its rows."""
    began = time.perf_counter()
    created = ask(client, CREATE, format=format)["createReport"]
    while time.perf_counter() - began < PATIENCE:
        report = ask(client, LOOK, id=created["report"]["id"])["node"]
        assert report["status"] != "FAILED", report
        if report["status"] == "READY":
            return time.perf_counter() - began, report["rowCount"]
        time.sleep(BETWEEN)
    sys.exit(f"no {format} within {PATIENCE:.0f} s")


def main() -> None:
    """Read the options, and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.small_reports", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--loops", type=int, default=2, help="for each core")
    options = parser.parse_args()
    loops = options.loops * (os.cpu_count() or 1)
    taken: dict[ReportFormat, list[float]] = {format: [] for format in ReportFormat}
    for _ in range(options.rounds):
        # A new log and server for each, because an equal request within a minute gets the same file.
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            with started(log_of(options.rows, folder), folder) as server:
                headers = {"authorization": f"Bearer {token('plainview')}"}
                time.sleep(SETTLED)
                with (
                    busy(loops),
                    httpx2.Client(
                        base_url=server.address, headers=headers, timeout=PATIENCE
                    ) as client,
                ):
                    for format in ReportFormat:
                        seconds, rows = wait_for(client, format)
                        taken[format].append(seconds)
                        print(f"{format:6}{rows:>7} rows{seconds:>8.2f} s", flush=True)
    print(f"\n{loops} loops on {os.cpu_count()} cores")
    for format, all_of_them in taken.items():
        print(
            f"{format:6} median {statistics.median(all_of_them):.2f} s, most {max(all_of_them):.2f} s"
        )


if __name__ == "__main__":
    main()
