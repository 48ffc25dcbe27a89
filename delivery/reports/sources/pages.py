"""The rows of a report in pages: fetched on the event loop, and consumed by a renderer in another thread."""

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence
from typing import Any, Final, TypeVar

from db.sql.keyset_paging import Order, Slice
from domain.paging import Page
from renderers.document import ReportDocument

PAGE: Final = 500
"""Entries of one page."""

Row = TypeVar("Row")


class ReportReader:
    """A report that is being read. A renderer uses `report` in another thread than the event loop's."""

    def __init__(self, *, expected: int) -> None:
        self.report: ReportDocument
        self.expected = expected
        """Entries that will be read."""
        self.read = 0

    @property
    def percent(self) -> int:
        """The percentage that was read, 0 to 99: 100 would mean that the file is complete."""
        return min(99, 100 * self.read // self.expected) if self.expected else 0

    def pages(
        self,
        order: Order,
        fetch: Callable[[Page], Coroutine[Any, Any, tuple[Slice[Any], Sequence[Row]]]],
    ) -> Iterator[Sequence[Row]]:
        """Return the rows of each page of a list, one page after the other.

        `fetch` returns a page of the list and the rows of its entries. It runs on the event loop of this call.
        """
        loop = asyncio.get_running_loop()

        def pages() -> Iterator[Sequence[Row]]:
            after, is_last = None, False
            while not is_last:
                page = Page(size=PAGE, after=after, before=None, backward=False)
                part, rows = asyncio.run_coroutine_threadsafe(fetch(page), loop).result()
                self.read += len(part.rows)
                is_last = not part.has_next
                after = order.cursors.encode(part.keys[-1]) if part.keys else None
                if rows:
                    yield rows

        return pages()
