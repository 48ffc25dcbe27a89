"""The page of a list from the four arguments of a connection. `db.sql.keyset_paging` has the cursors."""

from typing import Final, NamedTuple

from domain.errors import BadUserInput

PAGE_LIMIT: Final = 4000
"""The most rows of a page, for every list (manual: "the first 4000 messages are included"); cursors reach further rows."""


class Page(NamedTuple):
    """At most `size` rows directly after or before a cursor, from the front or, if `backward`, from the end."""

    size: int
    after: str | None
    before: str | None
    backward: bool


def page(*, first: int | None, after: str | None, last: int | None, before: str | None) -> Page:
    """Return the page for the four arguments of a connection; without a size, the largest page.

    Raises `BadUserInput` for sizes out of range, and for `first` together with `last`.
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
