"""The range that a client asks for, and the name of the file in the header."""

from urllib.parse import quote

import pytest

from server.routes.downloads import Part, disposition, part_of


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ("bytes=0-99", Part(0, 10)),
        ("bytes=9-", Part(9, 10)),
        ("bytes=-99", Part(0, 10)),
        ("bytes=10-", None),
        ("bytes=-0", None),
        # No range of bytes, or more than one: the whole.
        ("bytes=5-4", Part(0, 10)),
        ("bytes=-", Part(0, 10)),
        ("bytes=0-1,3-4", Part(0, 10)),
        ("bytes=a-b", Part(0, 10)),
        ("lines=0-1", Part(0, 10)),
        ("bytes=0-99999999999999999999", Part(0, 10)),
    ],
)
def test_a_range_is_read_as_the_rfc_has_it(wanted: str, part: Part | None) -> None:
    assert part_of(wanted, 10) == part


@pytest.mark.parametrize("name", ['a"b.pdf', "a\\b.pdf", "é.pdf", "a;b.pdf", "ab\r\nx: y.pdf"])
def test_no_name_breaks_out_of_its_header(name: str) -> None:
    value = disposition(name)
    assert value.isascii()
    assert value.count('"') == 2
    assert value.endswith(f"filename*=UTF-8''{quote(name, safe='')}")
    assert not {"\r", "\n", "\\"} & set(value)
