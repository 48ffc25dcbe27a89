"""A lock on a file: one process holds it, and a process that dies releases it."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from server.process import file_lock

ROOT: Final = Path(__file__).parents[4]
HOLD: Final = """
import sys
from pathlib import Path
from server.process import file_lock
with file_lock.try_lock(Path(sys.argv[1])) as is_ours:
    print(is_ours, flush=True)
    sys.stdin.read()
"""


def test_one_has_it_until_the_block_ends(tmp_path: Path) -> None:
    file = tmp_path / "lock"

    with file_lock.try_lock(file) as first:
        with file_lock.try_lock(file) as second:
            assert (first, second) == (True, False)
        with file_lock.try_lock(tmp_path / "another") as other:
            assert other

    with file_lock.try_lock(file) as third:
        assert third
    assert sorted(path.name for path in tmp_path.iterdir()) == ["another", "lock"]


def test_a_killed_process_releases_the_lock(tmp_path: Path) -> None:
    file = tmp_path / "lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(file)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"True\n"
        with file_lock.try_lock(file) as is_ours:
            assert not is_ours
        holder.kill()
        holder.wait()

    with file_lock.try_lock(file) as is_ours:
        assert is_ours
