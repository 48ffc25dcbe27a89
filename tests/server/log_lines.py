"""Captures the log of the server in a test."""

import io
import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import structlog

from server.process.log_output import OWN_PACKAGES, configure
from tests.server.auth.signing import Clock


class Log(io.StringIO):
    """A stream of log lines."""

    def lines(self) -> list[dict[str, Any]]:
        lines = [json.loads(line) for line in self.getvalue().splitlines()]
        self.seek(0)
        self.truncate()
        return lines


@contextmanager
def captured_log() -> Iterator[Log]:
    """The log of the server within the block; restores the earlier configuration."""
    root, raises = logging.getLogger(), logging.raiseExceptions
    loggers = [root, *(logging.getLogger(name) for name in (*OWN_PACKAGES, "uvicorn.access"))]
    before = [(logger, list(logger.handlers), logger.level, logger.propagate) for logger in loggers]
    stream = Log()
    configure("info", "json", clock=Clock(), stream=stream)
    try:
        yield stream
    finally:
        for logger, handlers, level, propagate in before:
            logger.handlers[:], logger.propagate = handlers, propagate
            logger.setLevel(level)
        logging.raiseExceptions = raises
        structlog.reset_defaults()


def logger(name: str = "delivery.dispatcher") -> Any:
    return structlog.get_logger(name)
