"""A page of a list, as a GraphQL connection. Each subclass adds the list and its total."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar

from db.sql.keyset_paging import Order, Slice

R = TypeVar("R")


class Edge(NamedTuple, Generic[R]):
    """A row of a list, with its cursor."""

    node: R
    order: Order
    key: tuple[Any, ...]

    @property
    def cursor(self) -> str:
        return self.order.cursors.encode(self.key)


class PageInfo(NamedTuple):
    """Whether there are rows beyond a page, and the cursors of its ends."""

    has_next_page: bool
    has_previous_page: bool
    start_cursor: str | None
    end_cursor: str | None


@dataclass(frozen=True, slots=True)
class Listing(Generic[R]):
    """A page of a list in its order. Cursors are computed on demand, since most pages are read without them."""

    order: Order
    slice: Slice[R]

    @property
    def nodes(self) -> Sequence[R]:
        return self.slice.rows

    @property
    def edges(self) -> Sequence[Edge[R]]:
        return [
            Edge(node, self.order, key)
            for node, key in zip(self.slice.rows, self.slice.keys, strict=True)
        ]

    @property
    def page_info(self) -> PageInfo:
        keys = self.slice.keys
        return PageInfo(
            has_next_page=self.slice.has_next,
            has_previous_page=self.slice.has_previous,
            start_cursor=self.order.cursors.encode(keys[0]) if keys else None,
            end_cursor=self.order.cursors.encode(keys[-1]) if keys else None,
        )
