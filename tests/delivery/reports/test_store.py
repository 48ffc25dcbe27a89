"""A folder of reports: files are read whole or in parts, and an interrupted file never appears."""

import io
import os
from pathlib import Path

import pytest

from delivery.reports.store import Folder, NotStored, StoreError


async def drawn(store: Folder, key: str, start: int, end: int) -> bytes:
    return b"".join([piece async for piece in store.get(key, start, end)])


class Torn(io.BytesIO):
    """A stream that breaks after its first piece."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell():
            raise OSError("torn")
        return super().read(size)


async def test_a_folder_returns_a_file_and_any_part_of_it(tmp_path: Path) -> None:
    store = Folder(tmp_path / "new" / "store")
    content = bytes(range(256)) * 4096
    stored = store.put("7.a.csv", io.BytesIO(content))
    assert stored.byte_size == len(content)
    assert await drawn(store, "7.a.csv", 0, len(content)) == content
    assert await drawn(store, "7.a.csv", 300_000, 600_001) == content[300_000:600_001]
    assert (tmp_path / "new" / "store" / "7.a.csv").stat().st_mode & 0o777 == 0o600


async def test_an_interrupted_put_leaves_no_file(tmp_path: Path) -> None:
    store = Folder(tmp_path)
    with pytest.raises(StoreError, match="OTHER"):
        store.put("7.a.csv", Torn(b"x" * 1_000_000))
    with pytest.raises(NotStored):
        await drawn(store, "7.a.csv", 0, 1)
    await store.remove("7.")
    assert os.listdir(tmp_path) == []


async def test_a_missing_folder_has_no_files(tmp_path: Path) -> None:
    store = Folder(tmp_path / "none")
    with pytest.raises(NotStored):
        await drawn(store, "7.a.csv", 0, 1)
    await store.remove("7.")
    assert not (tmp_path / "none").exists()
