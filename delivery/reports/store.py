"""Where reports are kept once they are made: a stream goes in whole or not at all, and comes out in pieces.

A store knows keys and bytes. Which key belongs to which report, and who may have it, is not known here.
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
"""Bytes that are moved at a time."""


SCHEME: Final = "s3://"


class NotStored(Exception):
    """There is nothing under this key."""


class StoreProblem(StrEnum):
    """Why a store did not take a file."""

    FULL = "FULL"
    NOT_WRITABLE = "NOT_WRITABLE"
    REFUSED = "REFUSED"
    """A bucket does not exist, or its keys do not allow to write."""
    UNREACHABLE = "UNREACHABLE"
    OTHER = "OTHER"


class NotKept(Exception):
    """A store did not take a file, or could not remove one."""

    def __init__(self, problem: StoreProblem, cause: str, errno: int | None = None) -> None:
        super().__init__(problem, cause, errno)
        self.problem = problem
        self.cause = cause
        """The class of the exception that the file system or the client of the bucket raised."""
        self.errno = errno


class Stored(NamedTuple):
    """What went in."""

    byte_size: int
    sha256: str
    """In hexadecimal digits."""


class ReportStore(Protocol):
    """A place for files."""

    def put(self, key: str, file: BinaryIO) -> Stored:
        """Keep what `file` has from its present place on. Blocks; nobody finds `key` before everything is there.

        Raises `NotKept`.
        """

    def get(self, key: str, start: int, end: int) -> AsyncGenerator[bytes, None]:
        """The bytes from `start` to before `end`. Raises `NotStored` when the first is asked for."""

    async def remove(self, beginning: str) -> None:
        """Remove everything whose key begins so, and what was left of a `put` that broke off. Not to find any is no fault.

        Raises `NotKept`.
        """


@dataclass(frozen=True, slots=True)
class Place:
    """Where a store is: an absolute folder, or `s3://bucket/prefix` with what else its client has to know."""

    address: str
    options: Mapping[str, str] = field(default_factory=dict, repr=False)


def open_store(place: Place) -> ReportStore:
    """The store at `place`. The client of a bucket is loaded only for one."""
    if not place.address.startswith(SCHEME):
        return Folder(Path(place.address))
    from delivery.reports.store_s3 import Bucket

    bucket, _, prefix = place.address.removeprefix(SCHEME).partition("/")
    return Bucket(bucket, prefix.strip("/"), place.options)


_FULL: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})

_NOT_WRITABLE: Final = frozenset(
    {errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST, errno.ENOENT}
)
"""Of the folder itself: it is made where it is missing, so ENOENT means that it was taken away, and EEXIST that a file has its name."""


@contextmanager
def _told_as_not_kept() -> Iterator[None]:
    """Raise what the file system refuses as `NotKept`."""
    try:
        yield
    except OSError as error:
        problem = StoreProblem.OTHER
        if error.errno in _FULL:
            problem = StoreProblem.FULL
        elif error.errno in _NOT_WRITABLE:
            problem = StoreProblem.NOT_WRITABLE
        raise NotKept(problem, type(error).__name__, error.errno) from error


class Folder:
    """A folder that only this user may read; made when something is put in."""

    def __init__(self, path: Path) -> None:
        self._path = path

    @_told_as_not_kept()
    def put(self, key: str, file: BinaryIO) -> Stored:
        self._path.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = self._path / f"{key}.part"
        digest, size = hashlib.sha256(), 0
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:
            while piece := file.read(PIECE):
                digest.update(piece)
                size += out.write(piece)
            out.flush()
            # The name must not be on the disk before the bytes are, or a power cut leaves half a report.
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

    @_told_as_not_kept()
    def _remove(self, beginning: str) -> None:
        try:
            names = os.listdir(self._path)
        except FileNotFoundError:
            return
        for name in names:
            if name.startswith(beginning):
                (self._path / name).unlink(missing_ok=True)
