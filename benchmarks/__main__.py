"""Every benchmark, one after the other; each also runs alone, with its own options: `python -m benchmarks.NAME --help`."""

import runpy
import sys
from pathlib import Path

HERE = Path(__file__).parent


def main() -> None:
    """Run the benchmarks whose names are given, or all of them, in the order of their names."""
    known = sorted(file.stem for file in HERE.glob("[a-z]*.py"))
    chosen = sys.argv[1:] or known
    for name in chosen:
        if name not in known:
            sys.exit(f"there is no benchmark {name!r}: choose among {', '.join(known)}")
    for name in chosen:
        print(f"\n== {name}")
        sys.argv = [name]
        runpy.run_module(f"benchmarks.{name}", run_name="__main__")


if __name__ == "__main__":
    main()
