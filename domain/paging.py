"""Which part of a list a client asked for.

What a position in a list looks like (a cursor) belongs to the list's own order, in `db`.
"""

from typing import Final, NamedTuple

from domain.errors import BadUserInput

PAGE_LIMIT: Final = 4000
"""Rows: the manual's "the first 4000 messages are included", here for every list; cursors go on past it."""


class Page(NamedTuple):
    """At most `size` rows, directly after or before a cursor, walked from the front or, `backward`, from the end."""

    size: int
    after: str | None
    before: str | None
    backward: bool


def page(*, first: int | None, after: str | None, last: int | None, before: str | None) -> Page:
    """The page that the four arguments of a connection mean together; without a size, the largest.

    Raises `BadUserInput` for sizes out of range, and for `first` and `last` at once.
    """
    if first is not None and last is not None:
        raise BadUserInput("first and last were both given. Give one of them.")
    for name, size in (("first", first), ("last", last)):
        if size is not None and not 0 <= size <= PAGE_LIMIT:
            raise BadUserInput(
                f"{name}: {size} is out of range. A page has 0 to {PAGE_LIMIT} rows; go on with a cursor."
            )
    size = first if first is not None else last
    return Page(
        size=PAGE_LIMIT if size is None else size,
        after=after,
        before=before,
        backward=last is not None or (first is None and before is not None and after is None),
    )
