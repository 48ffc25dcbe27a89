"""Builds a large log from the command line."""

import argparse

import benchmarks.large_log
from benchmarks.large_log import build, size_of


def main() -> None:
    """Read the options, and build."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.large_log", description=benchmarks.large_log.__doc__
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--url", required=True, help="an empty database")
    parser.add_argument("--messages", type=int, default=1_000_000)
    parser.add_argument("--deliveries", type=int, default=2_000_000, help="in all, about")
    parser.add_argument("--crowd", type=int, default=200_000, help="recipients of the first")
    options = parser.parse_args()
    build(options.url, size_of(options.messages, options.deliveries, options.crowd))


if __name__ == "__main__":
    main()
