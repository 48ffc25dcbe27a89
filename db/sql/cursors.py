"""Cursors: the sort key of a row as text, which is valid for one list in one order."""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final, NamedTuple

import orjson
from sqlalchemy import BigInteger, ColumnElement, Integer, SmallInteger
from sqlalchemy.types import TypeEngine

from db.sql.column_types import Instant
from domain.errors import BadUserInput
from domain.paging import Page

Key = tuple[Any, ...]
"""The sort key of a row: its values of the terms of an order."""


class Term(NamedTuple):
    """A column that a list is ordered by. It has no nulls, because the engines sort nulls differently."""

    name: str
    column: ColumnElement[Any]
    descending: bool = False


class KeyPage(NamedTuple):
    """A page whose cursors are decoded."""

    size: int
    after: Key | None
    before: Key | None
    backward: bool

    @property
    def start(self) -> Key | None:
        """The key from which the page is read, if it has a cursor there."""
        return self.before if self.backward else self.after

    @property
    def form(self) -> "KeyPage":
        """What the text of its statement depends on: size, direction, and which cursors it has."""
        return KeyPage(self.size, self.after and (), self.before and (), self.backward)

    @property
    def values(self) -> Mapping[str, Any]:
        """The parameters of a statement of `db.sql.keyset_paging.Order.narrow`."""
        values: dict[str, Any] = {"rows": self.size + 1}
        for side, key in (("after", self.after), ("before", self.before)):
            values |= {f"{side}_{place}": value for place, value in enumerate(key or ())}
        return values


class Cursors:
    """The cursors of a list. `scope` is everything that they depend on beside the order, as its `repr`."""

    def __init__(self, terms: Sequence[Term], *, scope: object) -> None:
        self._terms = terms
        self._scope = scope

    @cached_property
    def mark(self) -> str:
        """A hash of the order and its scope, with which each cursor of this list begins."""
        terms = [(str(term.name), term.descending) for term in self._terms]
        text = repr((self._scope, terms))
        return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()

    def encode(self, key: Sequence[Any]) -> str:
        """Return the cursor of the row with this sort key."""
        return base64.urlsafe_b64encode(orjson.dumps([self.mark, *key])).decode().rstrip("=")

    def page(self, page: Page) -> KeyPage:
        """Return the page with its cursors decoded. Raises `BadUserInput` as `decode` does."""
        after, before = (
            None if cursor is None else self.decode(cursor) for cursor in (page.after, page.before)
        )
        return KeyPage(page.size, after, before, page.backward)

    def decode(self, cursor: str) -> Key:
        """Return the sort key in a cursor. Raises `BadUserInput` if it is broken or belongs to another list."""
        try:
            padded = cursor + "=" * (-len(cursor) % 4)
            parts = orjson.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
            if not isinstance(parts, list) or not parts or not isinstance(parts[0], str):
                raise ValueError
        except ValueError:
            raise _no_cursor(cursor) from None
        mark, *key = parts
        if mark != self.mark:
            raise BadUserInput(
                "This cursor comes from a list with another filter or order. Begin that list again without a cursor."
            )
        try:
            return tuple(
                _read(value, term.column.type) for value, term in zip(key, self._terms, strict=True)
            )
        except (ValueError, OverflowError):
            raise _no_cursor(cursor) from None


_RANGES: Final = ((SmallInteger, 2**15), (BigInteger, 2**63), (Integer, 2**31))
"""The bound of the numbers of each column type; PostgreSQL fails on a parameter beyond it."""


def _read(value: Any, kind: TypeEngine[Any]) -> Any:
    """Return a cursor's value as a value of a column of `kind`. Raises `ValueError` or `OverflowError` if it is none."""
    if isinstance(kind, Instant):
        if not isinstance(value, str):
            raise ValueError
        instant = datetime.fromisoformat(value)
        if instant.tzinfo is None:
            raise ValueError
        return instant.astimezone(UTC)
    if type(value) is not kind.python_type:
        raise ValueError
    if isinstance(value, str) and "\0" in value:  # PostgreSQL cannot store NUL in a text
        raise ValueError
    if isinstance(value, int):
        bound = next(limit for number, limit in _RANGES if isinstance(kind, number))
        if not -bound <= value < bound:
            raise ValueError
    return value


def _no_cursor(text: str) -> BadUserInput:
    return BadUserInput(f"{text[:40]!r} is not a cursor. Take one from pageInfo or from an edge.")
