"""A store in a bucket of an S3-compatible object store: for servers and workers on several machines.

Without credentials or a region in the settings, the client takes them from the machine's role or from the `AWS_…` variables.
"""

import hashlib
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, BinaryIO, Final, cast

import obstore
from obstore.exceptions import BaseError, NotFoundError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store

from delivery.reports.store import PIECE, NotStored, Stored, StoreError, StoreProblem

RETRIES: Final = 3
LONGEST_RETRY: Final = timedelta(seconds=30)
"""The client's own retries: few, since a report that could not be stored is made again after a pause."""

PART: Final = 8 * 1024 * 1024
"""Bytes of one part of an upload, kept in memory: more than S3's minimum."""

_REFUSED: Final = (
    *(NotFoundError, PermissionDeniedError, UnauthenticatedError),
    *(FileNotFoundError, PermissionError),
)
"""The bucket does not exist, or its credentials are refused. The client raises other errors only after its own retries."""


@contextmanager
def _as_store_error() -> Iterator[None]:
    """Raise errors of the S3 client as `StoreError`, without their texts, which contain URLs and responses of the store."""
    try:
        yield
    except _REFUSED as error:
        raise StoreError(StoreProblem.REFUSED, type(error).__name__) from error
    except (BaseError, OSError) as error:
        raise StoreError(StoreProblem.UNREACHABLE, type(error).__name__) from error


class BucketStore:
    """A store in a bucket, below `prefix`. Each report has a folder there, since S3 lists by folder."""

    def __init__(self, bucket: str, prefix: str, options: Mapping[str, str]) -> None:
        """Connect to a bucket. `options`: `endpoint`, `region`, `access_key_id`, `secret_access_key`; each may be missing."""
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
        # A multipart upload: the object exists only once its last part is uploaded.
        with _as_store_error():
            obstore.put(self._store, _path(key), file, chunk_size=PART, max_concurrency=2)
        return Stored(size, digest.hexdigest())

    async def get(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        try:
            result = await obstore.get_async(
                self._store, _path(key), options={"range": (start, end)}
            )
        except FileNotFoundError:
            raise NotStored(key) from None
        async for piece in result.stream(min_chunk_size=PIECE):
            yield bytes(piece)

    async def remove(self, beginning: str) -> None:
        with _as_store_error():
            await self._remove(_path(beginning))

    async def _remove(self, path: str) -> None:
        if path.endswith("/"):
            objects = await obstore.list(self._store, prefix=path).collect_async()
            paths = [meta["path"] for meta in objects]
        else:
            paths = [path]
        if paths:
            await obstore.delete_async(self._store, paths)


def _path(key: str) -> str:
    """Return the path of a key: `7.a1.pdf` is `7/a1.pdf`, in the folder of report 7."""
    report, _, rest = key.partition(".")
    return f"{report}/{rest}"
