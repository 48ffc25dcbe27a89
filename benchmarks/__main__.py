"""Runs all benchmarks one after the other; each also runs alone, with its own options: `python -m benchmarks.NAME --help`."""

import runpy
import sys
from pathlib import Path

HERE = Path(__file__).parent


def known() -> list[str]:
    """Return the names of the benchmarks. Not `large_log`, which builds the database of `search`. Not `soak`, which
    is a long test. Not `against`, which needs another checkout."""
    files = {file.stem for file in HERE.glob("[a-z]*.py")}
    packages = {file.parent.name for file in HERE.glob("*/__main__.py")}
    return sorted((files | packages) - {"against", "large_log", "soak"})


def main() -> None:
    """Run the benchmarks with these names, or all of them, in the order of their names.

    One that cannot run prints the reason; the others run, and this exits with 1.
    """
    chosen = sys.argv[1:] or known()
    for name in chosen:
        if name not in known():
            sys.exit(f"there is no benchmark {name!r}: choose among {', '.join(known())}")
    stopped = []
    for name in chosen:
        print(f"\n== {name}", flush=True)
        sys.argv = [name]
        try:
            runpy.run_module(f"benchmarks.{name}", run_name="__main__")
        except SystemExit as exit:
            if exit.code:
                print(exit.code, file=sys.stderr)
                stopped.append(name)
    if stopped:
        sys.exit(f"\nnot run to its end: {', '.join(stopped)}")


if __name__ == "__main__":
    main()
