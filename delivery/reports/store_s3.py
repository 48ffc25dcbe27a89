"""Reports in a bucket of an S3-compatible object store: for servers and workers on several machines.

What is not said in the settings (keys, region) the client finds as all such clients do: in the machine's role, or in the
variables `AWS_…`.
"""

import hashlib
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, BinaryIO, Final, cast

import obstore
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from delivery.reports.store import PIECE, NotKept, NotStored, Stored, StoreProblem

RETRIES: Final = 3
LONGEST_RETRY: Final = timedelta(seconds=30)
"""The client's own repetitions, short: a report that could not be stored is made again after a pause."""

PART: Final = 8 * 1024 * 1024
"""Bytes that are uploaded at a time; more than S3's least, and kept in memory."""

_REFUSED: Final = (
    *(NotFoundError, PermissionDeniedError, UnauthenticatedError),
    *(FileNotFoundError, PermissionError),
)
"""The bucket is not there, or its keys do not allow it. What else the client raises it raises after its own retries."""


@contextmanager
def _told_as_not_kept() -> Iterator[None]:
    """Raise what the client of the bucket raises as `NotKept`: its texts hold addresses and answers of the store."""
    try:
        yield
    except _REFUSED as error:
        raise NotKept(StoreProblem.REFUSED, type(error).__name__) from error
    except (BaseError, OSError) as error:
        raise NotKept(StoreProblem.UNREACHABLE, type(error).__name__) from error


class Bucket:
    """A part of a bucket: the keys that begin with `prefix`. Each report has a folder there, since S3 lists by folder."""

    def __init__(self, bucket: str, prefix: str, options: Mapping[str, str]) -> None:
        """`options`: `endpoint`, `region`, `access_key_id`, `secret_access_key`, as far as they are set."""
        self._store = S3Store(
            bucket,
            prefix=prefix or None,
            config=cast(Any, dict(options)),
            client_options={"allow_http": options.get("endpoint", "").startswith("http://")},
            retry_config={"max_retries": RETRIES, "retry_timeout": LONGEST_RETRY},
        )

    def put(self, key: str, file: BinaryIO) -> Stored:
        start = file.tell()
        digest, size = hashlib.sha256(), 0
        while piece := file.read(PIECE):
            digest.update(piece)
            size += len(piece)
        file.seek(start)
        # In parts that become one object when the last is there: until then nobody finds it.
        with _told_as_not_kept():
            obstore.put(self._store, _path(key), file, chunk_size=PART, max_concurrency=2)
        return Stored(size, digest.hexdigest())

    async def get(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        try:
            found = await obstore.get_async(
                self._store, _path(key), options={"range": (start, end)}
            )
        except FileNotFoundError:
            raise NotStored(key) from None
        async for piece in found.stream(min_chunk_size=PIECE):
            yield bytes(piece)

    async def remove(self, beginning: str) -> None:
        with _told_as_not_kept():
            await self._remove(_path(beginning))

    async def _remove(self, path: str) -> None:
        if path.endswith("/"):
            found = await obstore.list(self._store, prefix=path).collect_async()
            paths = [meta["path"] for meta in found]
        else:
            paths = [path]
        if paths:
            await obstore.delete_async(self._store, paths)


def _path(key: str) -> str:
    """`7.a1.pdf` lies in the folder of report 7."""
    report, _, rest = key.partition(".")
    return f"{report}/{rest}"
