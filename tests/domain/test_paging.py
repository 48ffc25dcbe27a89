"""The four arguments of a connection define one page; an invalid argument is an error."""

import pytest

from domain.errors import BadUserInput
from domain.paging import PAGE_LIMIT, Page, page


@pytest.mark.parametrize(
    ("first", "after", "last", "before", "meant"),
    [
        (None, None, None, None, Page(4000, None, None, False)),
        (50, None, None, None, Page(50, None, None, False)),
        (0, None, None, None, Page(0, None, None, False)),
        (PAGE_LIMIT, "a", None, None, Page(4000, "a", None, False)),
        (50, "a", None, "b", Page(50, "a", "b", False)),
        (50, None, None, "b", Page(50, None, "b", False)),
        (None, None, 50, None, Page(50, None, None, True)),
        (None, None, 50, "b", Page(50, None, "b", True)),
        (None, "a", 50, "b", Page(50, "a", "b", True)),
        (None, "a", None, None, Page(4000, "a", None, False)),
        (None, None, None, "b", Page(4000, None, "b", True)),
        (None, "a", None, "b", Page(4000, "a", "b", False)),
    ],
)
def test_the_arguments_define_one_page(
    first: int | None, after: str | None, last: int | None, before: str | None, meant: Page
) -> None:
    assert page(first=first, after=after, last=last, before=before) == meant


@pytest.mark.parametrize(
    ("first", "last", "message"),
    [
        (1, 1, "first and last were both given. Give one of them."),
        (-1, None, "first: -1 is out of range. A page has 0 to 4000 rows; go on with a cursor."),
        (
            4001,
            None,
            "first: 4001 is out of range. A page has 0 to 4000 rows; go on with a cursor.",
        ),
        (None, -1, "last: -1 is out of range. A page has 0 to 4000 rows; go on with a cursor."),
        (None, 4001, "last: 4001 is out of range. A page has 0 to 4000 rows; go on with a cursor."),
    ],
)
def test_an_invalid_argument_is_an_error(first: int | None, last: int | None, message: str) -> None:
    with pytest.raises(BadUserInput) as raised:
        page(first=first, after=None, last=last, before=None)

    assert raised.value.message == message
    assert raised.value.code == "BAD_USER_INPUT"
