"""Measures the CPU time to refuse operations that exceed a limit, each new to the process.

    python -m benchmarks.edge [--rounds 5]

The operations are those of the tests (`tests.schema.documents.excessive`). It prints the first round, with cold caches,
and the median; no refusal should take 50 ms.
"""

import argparse
import statistics
import time
from contextlib import suppress

from domain.errors import LogError
from schema.contract import SCHEMA
from schema.documents.documents import Documents
from tests.schema.documents.excessive import EXCESSIVE


def refused_in(document: str) -> float:
    """Return the milliseconds until an operation is refused."""
    fresh = Documents(SCHEMA._schema)
    began = time.process_time()
    with suppress(LogError):
        fresh.prepare(document)
    return 1_000 * (time.process_time() - began)


def main() -> None:
    """Read the options, and measure."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.edge", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    taken: dict[str, list[float]] = {name: [] for name in EXCESSIVE}
    for _ in range(rounds):
        for name, (document, _refusal) in EXCESSIVE.items():
            taken[name].append(refused_in(document))
    print(f"{'milliseconds':44}{'first':>8}{'median':>8}")
    for name, times in taken.items():
        print(f"{name:44}{times[0]:8.1f}{statistics.median(times):8.1f}")


if __name__ == "__main__":
    main()
