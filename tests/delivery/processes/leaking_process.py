"""The process that makes a report, which says a name wherever it can: `python -m tests.delivery.processes.leaking_process HOW FD`.

`ends`: the report is made all the same. `raises`: it fails with the name in the error's message. `early`: it cannot even start.
`crashes`: the interpreter ends in the middle, as after a fault of a C library.
"""

import logging
import os
import sys
import threading
import warnings
from typing import Any, Final

import structlog

from delivery.reports import process

NAME: Final = "Heather"
SECRET: Final = f"Parent, {NAME} <hparent@nomail.example> +16125550101"


class Unraisable:
    """An exception in it is lost."""

    def __del__(self) -> None:
        raise ValueError(SECRET)


def leak() -> None:
    """Say the name in every way."""
    print(SECRET)
    print(SECRET, file=sys.stderr)
    sys.stdout.flush()
    # As a library in C does, with more than a pipe holds.
    for descriptor in (1, 2):
        os.write(descriptor, SECRET.encode() * 2_000)
    warnings.warn(SECRET, stacklevel=1)
    logger = logging.getLogger("fontTools.subset")
    logger.warning("no glyph for %s", SECRET)
    logger.error(f"no glyph for {SECRET}")
    try:
        raise ValueError(SECRET)
    except ValueError:
        logger.exception("failed")
        structlog.get_logger("renderers.pdf").exception("a page failed", rows=7, name=SECRET)
    thread = threading.Thread(target=fail)
    thread.start()
    thread.join()
    Unraisable()


def fail() -> None:
    raise ValueError(SECRET)


def leaking(how: str) -> Any:
    """What finds a renderer: the usual one, which leaks first."""
    usual = process.renderer  # type: ignore[attr-defined]  # what it calls, not what it offers

    def find(format: Any) -> Any:
        render = usual(format)

        def rendering(*arguments: Any, **named: Any) -> Any:
            leak()
            if how == "raises":
                fail()
            if how == "crashes":
                os.abort()
            return render(*arguments, **named)

        return rendering

    return find


if __name__ == "__main__":
    if sys.argv[1] == "early":
        raise ImportError("no module that renders: install it again")
    process.make_way = lambda: None
    process.renderer = leaking(sys.argv[1])  # type: ignore[attr-defined]
    process.main()
