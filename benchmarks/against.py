"""Compares the speed of the ingest with another checkout of the project; they alternate, so that both have the same load.

    git worktree add ../before v0.3.0
    python -m benchmarks.against ../before [--rounds 5] [--messages 1] [--recipients 20000]

Both run with this interpreter and its packages, in a separate process and database for each turn. For each kind of
ingest it prints the least CPU time of all turns, and the ratio of both. Wall time would depend on the load of the machine.
On PostgreSQL the server's CPU time is not included, so wall time is printed too. `--only` skips an engine.
"""

import argparse
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import NullPool, create_engine, make_url, text

from tests.postgres import find_programs, running_postgres

_LINE: Final = re.compile(
    r"^(?P<title>[a-z ]+?) +(?P<seconds>[\d.]+) s, busy (?P<busy>[\d.]+) s: (?P<speed>[\d,]+)"
)

Times = dict[str, list[tuple[float, float]]]
"""Wall time and CPU time of each turn in seconds, by the title of the line."""


class Upload(NamedTuple):
    """The size of the upload."""

    messages: int
    recipients: int
    """Of each message."""


def turn(checkout: Path, size: Upload, *, url: str | None) -> Iterator[tuple[str, float, float]]:
    """Run the benchmark of a checkout once; return title, wall time and CPU time of each line."""
    command = [sys.executable, "-m", "benchmarks.ingest", "--messages", str(size.messages)]
    command += ["--recipients", str(size.recipients)]
    done = subprocess.run(
        [*command, *(["--url", url] if url else [])],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=True,
    )
    for line in done.stdout.splitlines():
        if match := _LINE.match(line):
            yield match["title"], float(match["seconds"]), float(match["busy"])


@contextmanager
def empty_database(server: str | None, name: str) -> Iterator[str | None]:
    """Create a database with this name on a server for the block; return None without a server."""
    if server is None:
        yield None
        return
    admin = create_engine(server, isolation_level="AUTOCOMMIT", poolclass=NullPool)
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name}"))
    try:
        yield make_url(server).set(database=name).render_as_string(hide_password=False)
    finally:
        with admin.connect() as connection:
            connection.execute(text(f"DROP DATABASE {name} WITH (FORCE)"))
        admin.dispose()


def compare(before: Path, size: Upload, *, rounds: int, server: str | None) -> None:
    """Print the least times of both checkouts and their ratio."""
    here = Path(__file__).parent.parent
    times: dict[Path, Times] = {before: defaultdict(list), here: defaultdict(list)}
    for round in range(rounds):
        # Each goes first in every second round.
        for checkout in sorted(times, reverse=bool(round % 2)):
            with empty_database(server, f"against_{round}_{checkout == here:d}") as url:
                for title, seconds, busy in turn(checkout, size, url=url):
                    times[checkout][title].append((seconds, busy))
    engine = "postgresql" if server else "sqlite"
    print(f"{engine}: {size.messages:,} × {size.recipients:,} recipients, {rounds} rounds")
    for title in times[here]:
        (clock, busy), (clock_before, busy_before) = (
            tuple(map(min, zip(*times[one][title], strict=True))) for one in (here, before)
        )
        print(
            f"{title:26} busy {busy_before:.2f} -> {busy:.2f} s ({busy / busy_before - 1:+.1%}),"
            f" on the clock {clock_before:.2f} -> {clock:.2f} s ({clock / clock_before - 1:+.1%})"
        )


def main() -> None:
    """Read the options, and compare on both engines."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.against", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("before", type=Path, help="the other checkout")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--messages", type=int, default=1)
    parser.add_argument("--recipients", type=int, default=20_000, help="of each message")
    parser.add_argument("--only", choices=("sqlite", "postgresql"))
    options = parser.parse_args()
    before = options.before.resolve()
    size = Upload(options.messages, options.recipients)
    if options.only != "postgresql":
        compare(before, size, rounds=options.rounds, server=None)
    if options.only == "sqlite":
        return
    programs = find_programs()
    if programs is None:
        print("PostgreSQL's programs are not here: only SQLite was compared.")
        return
    with running_postgres(programs) as server:
        compare(before, size, rounds=options.rounds, server=server)


if __name__ == "__main__":
    main()
