"""Measures the peers from the command line."""

import argparse
import json
import platform
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import benchmarks.peers
from benchmarks.peers import database, plot, servers, table
from benchmarks.peers.cases import LISTS, cases
from benchmarks.peers.database import Log
from benchmarks.peers.measuring import Measurement
from benchmarks.peers.table import Results

CLIENTS: Final = (1, 8, 32)
SMALL: Final = (5_000, 540_000)
"""Messages and deliveries of the small log for comparison; it also has the message with 500,000 deliveries."""

PAGE: Final = servers.ROOT / "benchmarks" / "peers.md"
PICTURE: Final = servers.ROOT / "docs" / "peers.svg"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.peers", description=benchmarks.peers.__doc__
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--messages", type=int, default=100_000, help="a million takes 3 minutes")
    parser.add_argument("--deliveries", type=int, default=1_000_000)
    parser.add_argument("--url", help="a log of benchmarks.large_log; otherwise one is built")
    parser.add_argument("--small-url", help="a small one, to show growth; otherwise one is built")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.7, help="of load, each time")
    parser.add_argument("--clients", type=int, nargs="+", default=CLIENTS, help="at once")
    parser.add_argument("--write", action="store_true", help=f"renew {PAGE.name} and the picture")
    return parser.parse_args()


def main() -> None:
    """Read the options, measure, and print."""
    options = _options()
    node = servers.ready_node()
    began = time.monotonic()
    with ExitStack() as stack:
        own = None
        if options.url is None or options.small_url is None:
            own = stack.enter_context(database.server())
        logs = []
        for url, (messages, deliveries) in (
            (options.small_url, SMALL),
            (options.url, (options.messages, options.deliveries)),
        ):
            if url is None:
                assert own is not None
                logs.append(database.built(own, messages=messages, deliveries=deliveries))
            else:
                logs.append(database.named(url))
        small = _measured(node, logs[0], [1], rounds=options.rounds, seconds=options.seconds)
        large = _measured(
            node, logs[1], options.clients, rounds=options.rounds, seconds=options.seconds
        )
    minutes = (time.monotonic() - began) / 60
    page = "\n".join(_page(small, large, messages=logs[1].messages, minutes=minutes))
    print(page)
    if options.write:
        PAGE.write_text(page, encoding="utf-8")
        PICTURE.write_text(plot.picture(large), encoding="utf-8")


def _measured(
    node: str, log: Log, clients: Sequence[int], *, rounds: int, seconds: float
) -> Results:
    """Measure all questions on this log. Exits if two servers answer differently."""
    chosen = cases(log.messages)
    with (
        tempfile.TemporaryDirectory() as name,
        servers.running(
            servers.servers(node), log.url, messages=log.messages, logs=Path(name)
        ) as running,
    ):
        measurement = Measurement(log, running, token=servers.token())
        measurement.compare(chosen)
        return measurement.measure(chosen, clients, rounds=rounds, seconds=seconds)


def _page(small: Results, large: Results, *, messages: int, minutes: float) -> Iterator[str]:
    versions = json.loads((servers.NODE / "package-lock.json").read_text(encoding="utf-8"))
    pinned = versions["packages"]
    peers = ", ".join(
        f"{name} {pinned[f'node_modules/{name}']['version']}"
        for name in ("postgraphile", "graphql-yoga", "graphql-jit", "pg")
    )
    busiest = max(found.load for found in large.values())
    yield f"""# Beside its peers

```sh
python -m benchmarks.peers --messages 1000000 --deliveries 10000000 --write
```

{datetime.now(UTC):%d %B %Y}; {messages:,} messages, PostgreSQL with pg_trgm; Python {platform.python_version()}, {peers}.
This page is written by the run, which took {minutes:.0f} minutes. [How it is measured](README.md#peers).

![The picture of the tables below](../docs/peers.svg)

## Ratios

Latency: the median of one client; what is below 1 is faster than the other. Answers a second: of {table.AT_ONCE} clients, one process
each; what is above 1 is more than the other's.
"""
    yield from table.ratios(large)
    yield """
## Times

Milliseconds, median (99th percentile), and answers a second. ×2 is two processes.
"""
    yield from table.tables(large)
    yield """## Growth

Microseconds for each row of a list, one client:
"""
    yield from table.per_row(large, LISTS)
    yield f"""
How many times as long as in a log of {SMALL[0]:,} messages, one client:
"""
    yield from table.growth(small, large)
    yield f"""
The load was busy for at most {busiest:.0%} of any measurement.
"""


if __name__ == "__main__":
    main()
