"""The store of finished reports: a file goes in as a whole or not at all, and is read in pieces.

A store has only keys and bytes. `delivery.reports.jobs` chooses the keys, and the resolvers check the viewer's rights.
"""

import asyncio
import errno
import hashlib
import os
from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, Protocol

PIECE: Final = 256 * 1024
"""Bytes of one piece."""


SCHEME: Final = "s3://"


class NotStored(Exception):
    """There is nothing under this key."""


class StoreProblem(StrEnum):
    """Why a store did not take a file."""

    FULL = "FULL"
    NOT_WRITABLE = "NOT_WRITABLE"
    REFUSED = "REFUSED"
    """The bucket does not exist, or its credentials do not allow to write."""
    UNREACHABLE = "UNREACHABLE"
    OTHER = "OTHER"


class StoreError(Exception):
    """A store could not save or remove a file."""

    def __init__(self, problem: StoreProblem, cause: str, errno: int | None = None) -> None:
        super().__init__(problem, cause, errno)
        self.problem = problem
        self.cause = cause
        """The class of the exception that the file system or the client of the bucket raised."""
        self.errno = errno


class Stored(NamedTuple):
    """Size and hash of a saved file."""

    byte_size: int
    sha256: str
    """Hexadecimal."""


class ReportStore(Protocol):
    """A place for files."""

    def put(self, key: str, file: BinaryIO) -> Stored:
        """Save `file` from its current position on. Blocks; `key` exists only once the whole file is saved.

        Raises `StoreError`.
        """

    def get(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """Yield the bytes from `start` to before `end`. The first step raises `NotStored` if there is no such key."""

    async def remove(self, beginning: str) -> None:
        """Remove all files whose key begins with `beginning`, also the rest of an interrupted `put`; there may be none.

        Raises `StoreError`.
        """


@dataclass(frozen=True, slots=True)
class StoreLocation:
    """The location of a store: an absolute folder, or `s3://bucket/prefix` with the options of its client."""

    address: str
    options: Mapping[str, str] = field(default_factory=dict, repr=False)


def open_store(place: StoreLocation) -> ReportStore:
    """Return the store at `place`. The S3 client is imported only for a bucket."""
    if not place.address.startswith(SCHEME):
        return Folder(Path(place.address))
    from delivery.reports.store_s3 import BucketStore

    bucket, _, prefix = place.address.removeprefix(SCHEME).partition("/")
    return BucketStore(bucket, prefix.strip("/"), place.options)


_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_NOT_WRITABLE: Final = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT}
)
"""Errors of the folder itself. A missing folder is made, so ENOENT means that it was removed, and EEXIST that it is a file."""


@contextmanager
def _as_store_error() -> Iterator[None]:
    """Raise errors of the file system as `StoreError`."""
    try:
        yield
    except OSError as error:
        problem = StoreProblem.OTHER
        if error.errno in _FULL:
            problem = StoreProblem.FULL
        elif error.errno in _NOT_WRITABLE:
            problem = StoreProblem.NOT_WRITABLE
        raise StoreError(problem, type(error).__name__, error.errno) from error


class Folder:
    """A store in a folder that only this user may read; the folder is made at the first `put`."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @_as_store_error()
    def put(self, key: str, file: BinaryIO) -> Stored:
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._path / f"{key}.part"
        digest, size = hashlib.sha256(), 0
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            while piece := file.read(PIECE):
                digest.update(piece)
                size += out.write(piece)
            out.flush()
            # The name must not be on disk before the bytes: a power failure could leave half a report.
            os.fsync(out.fileno())
        draft.replace(self._path / key)
        self._sync()
        return Stored(size, digest.hexdigest())

    def _sync(self) -> None:
        folder = os.open(self._path, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    async def get(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        try:
            file = await asyncio.to_thread((self._path / key).open, "rb")
        except FileNotFoundError:
            raise NotStored(key) from None
        with file:
            file.seek(start)
            while start < end:
                piece = await asyncio.to_thread(file.read, min(PIECE, end - start))
                if not piece:
                    raise NotStored(key)
                start += len(piece)
                yield piece

    async def remove(self, beginning: str) -> None:
        await asyncio.to_thread(self._remove, beginning)

    @_as_store_error()
    def _remove(self, beginning: str) -> None:
        try:
            names = os.listdir(self._path)
        except FileNotFoundError:
            return
        for name in names:
            if name.startswith(beginning):
                (self._path / name).unlink(missing_ok=True)
