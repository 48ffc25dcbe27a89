"""Reports in a bucket, against a server that speaks S3."""

import asyncio
import hashlib
import io
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import httpx2
import pytest
from structlog.testing import capture_logs

from db.connect.database import Database
from delivery.reports.child import render_in_process
from delivery.reports.failures import FailureKind
from delivery.reports.jobs import expire
from delivery.reports.store import NotStored, ReportStore, StoreLocation, open_store
from delivery.reports.store_s3 import PART
from domain.report import KEPT
from tests.canaries import watched
from tests.delivery.reports.printing import make_reports, printing, requested_report, row
from tests.log import NOON, district, email, load, message, recipient

_buckets = count(1)


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """Run moto's S3 server in a process on a free port of 127.0.0.1, and yield its URL."""
    command = [sys.executable, "-u", "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    assert server.stderr is not None
    try:
        address = next(line.split()[-1] for line in server.stderr if "Running on" in line)
        # What it says of each request would fill the pipe.
        drain = subprocess.Popen(["cat"], stdin=server.stderr, stdout=subprocess.DEVNULL)
        yield address
    finally:
        server.kill()
        server.wait()
        server.stderr.close()
    drain.wait()


@pytest.fixture
def place(s3: str) -> StoreLocation:
    """Return the location of a store in the test's own bucket."""
    bucket = f"reports-{next(_buckets)}"
    httpx2.put(f"{s3}/{bucket}").raise_for_status()
    known = {"endpoint": s3, "region": "us-east-1", "access_key_id": "key"}
    return StoreLocation(f"s3://{bucket}/of/plainview", known | {"secret_access_key": "secret"})


async def drawn(store: ReportStore, key: str, start: int, end: int) -> bytes:
    return b"".join([piece async for piece in store.get(key, start, end)])


@pytest.mark.parametrize("size", [1, 300_000, 2 * PART + 5])
async def test_a_bucket_returns_a_file_and_any_part_of_it(place: StoreLocation, size: int) -> None:
    store = open_store(place)
    content = hashlib.shake_128(b"report").digest(size)
    stored = await asyncio.to_thread(store.put, "7.a.pdf", io.BytesIO(b"head" + content))
    assert stored.byte_size == size + 4
    assert stored.sha256 == hashlib.sha256(b"head" + content).hexdigest()
    assert await drawn(store, "7.a.pdf", 4, size + 4) == content
    assert await drawn(store, "7.a.pdf", 2, 5) == b"ad" + content[:1]


async def test_a_file_is_stored_from_its_current_position(place: StoreLocation) -> None:
    store = open_store(place)
    file = io.BytesIO(b"headbody")
    file.seek(4)
    stored = await asyncio.to_thread(store.put, "7.a.pdf", file)
    assert stored.byte_size == 4
    assert stored.sha256 == hashlib.sha256(b"body").hexdigest()
    assert await drawn(store, "7.a.pdf", 0, 4) == b"body"


async def test_remove_deletes_only_files_of_the_report(place: StoreLocation) -> None:
    store = open_store(place)
    for key in ("7.a.pdf", "7.b.pdf", "71.a.pdf"):
        await asyncio.to_thread(store.put, key, io.BytesIO(b"x"))
    await store.remove("7.a.pdf")
    with pytest.raises(NotStored):
        await drawn(store, "7.a.pdf", 0, 1)
    assert await drawn(store, "7.b.pdf", 0, 1) == b"x"
    for _ in range(2):  # the second time there is nothing, which is no fault
        await store.remove("7.")
        with pytest.raises(NotStored):
            await drawn(store, "7.b.pdf", 0, 1)
    assert await drawn(store, "71.a.pdf", 0, 1) == b"x"


async def test_a_report_is_stored_in_the_bucket_and_removed_when_it_expires(
    database: Database, place: StoreLocation, tmp_path: Path
) -> None:
    await load(database, district(), message("M-1", [recipient("p1", email())]))
    report_runtime = replace(printing(database, tmp_path), place=place, render=render_in_process)
    await requested_report(report_runtime)
    assert await make_reports(report_runtime) == 1
    report = await row(database)
    store = open_store(place)
    file = await drawn(store, report.file_key, 0, report.byte_size)
    assert hashlib.sha256(file).hexdigest() == report.sha256
    assert await expire(replace(report_runtime, clock=lambda: NOON + KEPT)) == 1
    with pytest.raises(NotStored):
        await drawn(store, report.file_key, 0, 1)


@pytest.mark.parametrize("missing", ["the bucket", "the server"])
async def test_a_failing_bucket_raises_the_kind_of_problem(
    database: Database, place: StoreLocation, tmp_path: Path, missing: str
) -> None:
    if missing == "the bucket":
        kind, place = FailureKind.STORE_REFUSED, replace(place, address="s3://not-there/of")
    else:
        kind = FailureKind.STORE_UNREACHABLE
        place = replace(place, options={**place.options, "endpoint": "http://127.0.0.1:1"})
    await load(database, district(), message("M-1", [recipient("p1", email())]))
    report_runtime = replace(printing(database, tmp_path), place=place)
    await requested_report(report_runtime)

    with capture_logs() as lines:
        assert await make_reports(report_runtime) == 0

    (line,) = lines
    assert (line["reason"], line["store"]) == (kind, place.address)
    assert line["cause"] in ("FileNotFoundError", "GenericError")
    assert "key" not in str(lines)


async def test_an_unreachable_store_loses_no_report(database: Database, tmp_path: Path) -> None:
    await load(database, district(), message("M-1", [recipient("p1", email())]))
    report_runtime = replace(
        printing(database, tmp_path), place=StoreLocation(f"{tmp_path / 'file'}")
    )
    (tmp_path / "file").write_bytes(b"where a folder should be")
    await requested_report(report_runtime)
    with watched():  # the log names the store
        assert await make_reports(report_runtime) == 0
    assert (await row(database)).status == "QUEUED"
