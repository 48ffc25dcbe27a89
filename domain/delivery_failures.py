"""Why deliveries fail: reasons and advice in words, by provider and code (`delivery_failures.csv` in this folder).

A code is that of the provider, as its gateway stores it with the delivery, or else the call status.
"""

import csv
from collections.abc import Iterator, Mapping
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final, NamedTuple

from domain.call_status import call_status as call_status_of
from domain.modes import PHONE_MODES
from domain.status import DeliveryMode


class ProblemKind(StrEnum):
    """The kind of problem of an address. One address has one problem: the first of these that holds."""

    INVALID = "INVALID"
    CANNOT_TEXT = "CANNOT_TEXT"
    COMPLAINED = "COMPLAINED"
    OPTED_OUT = "OPTED_OUT"
    UNREACHABLE = "UNREACHABLE"


class FailureMeaning(NamedTuple):
    """Why a delivery failed, in words for a person."""

    reason: str
    advice: str
    """What to do about it."""
    is_permanent: bool
    """A new attempt without a correction cannot help."""
    kind: ProblemKind | None = None
    """The problem of the address that one such failure shows; None: only several failures show one."""


UNREADABLE: Final = "unreadable"
REFUSED_ADDRESS: Final = "refused_address"
NO_TEXTS: Final = "no_texts"
REPEATED: Final = "repeated"
"""Codes of failures that we find ourselves."""

LONGEST_CODE: Final = 24

MOST_KNOWN: Final = 4_096
"""Size of the cache of failures. Providers have some hundreds of codes."""

_ANY: Final = "*"
_CALL: Final = "call"
_SMTP: Final = "smtp"


def _read() -> Mapping[tuple[str, str], FailureMeaning]:
    with (files("domain") / "delivery_failures.csv").open(encoding="utf-8") as file:
        return MappingProxyType(
            {
                (row["provider"], row["code"]): FailureMeaning(
                    reason=row["reason"],
                    advice=row["advice"],
                    is_permanent=row["permanent"] == "yes",
                    kind=ProblemKind(row["kind"]) if row["kind"] else None,
                )
                for row in csv.DictReader(file)
            }
        )


FAILURES: Final = _read()
"""Every known failure, by provider and code."""


@lru_cache(MOST_KNOWN)
def failure_of(
    mode: DeliveryMode, provider: str | None, *, call_status: int | None, code: str | None
) -> FailureMeaning:
    """Return why a delivery failed. `code` is the provider's own, which says more than the call status."""
    for place in _places(provider, code, call_status):
        if place in FAILURES:
            return FAILURES[place]
    if mode in PHONE_MODES and call_status is not None:
        meaning = call_status_of(call_status)
        return FailureMeaning(
            meaning.note or f"{meaning.label}.",
            "Try again later. If it happens often, ask the family for another number.",
            is_permanent=False,
        )
    return FailureMeaning(
        "It could not be delivered, and the provider does not say why.",
        "Try again later. If it happens often, ask the family whether the address is right.",
        is_permanent=False,
    )


def _places(
    provider: str | None, code: str | None, call_status: int | None
) -> Iterator[tuple[str, str]]:
    if code is not None:
        yield _ANY, code
        yield provider or _ANY, code
        # Mailgun passes on the enhanced codes of the receiving server (RFC 3463).
        yield _SMTP, code
        group, *rest = code.split(".")
        if len(rest) == 2:
            yield _SMTP, f"{group}.{rest[0]}.x"
            yield _SMTP, f"{group}.x.x"
    if call_status is not None:
        yield _CALL, str(call_status)
