"""A report process that writes a name to every output: `python -m tests.delivery.processes.leaking_process HOW FD`.

HOW is one of:

- `ends`: the report is made.
- `raises`: it fails with the name in the error's message.
- `early`: it cannot start.
- `crashes`: the interpreter aborts in the middle, as after a fault of a C library.
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
    """An object with an exception in its finalizer, which Python cannot raise."""

    def __del__(self) -> None:
        raise ValueError(SECRET)


def leak() -> None:
    """Write the name to every output."""
    print(SECRET)
    print(SECRET, file=sys.stderr)
    sys.stdout.flush()
    # Like a C library, with more than a pipe holds.
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
    """Return a replacement for `process.renderer`, whose renderers leak first."""
    usual = process.renderer  # type: ignore[attr-defined]  # imported there, not exported

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
    process.lower_priority = lambda: None
    process.renderer = leaking(sys.argv[1])  # type: ignore[attr-defined]
    process.main()
