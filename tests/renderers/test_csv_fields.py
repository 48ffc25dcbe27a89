"""Fields of a CSV."""

import csv
import io
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from renderers.csv_fields import field, harmless, harmless_number


@given(st.text(max_size=30))
@example("=1")
@example("'=1")
@example("\u00a0=1")
def test_harmless_text_begins_with_no_sign_and_says_the_same(text: str) -> None:
    safe = harmless(text)
    assert not re.match(r"\s*[=+\-@]|[\t\r\n]", safe)
    assert safe in (text, "'" + text)


@pytest.mark.parametrize(
    ("number", "written"),
    [
        ("+16125550101", "+16125550101"),
        ("+16125550101;ext=42&", "+16125550101;ext=42&"),
        ("+1+cmd", "'+1+cmd"),
        ("+16125550101+1", "'+16125550101+1"),
        ("=1", "'=1"),
        ("612", "612"),
    ],
)
def test_a_number_stays_and_a_formula_in_its_place_does_not(number: str, written: str) -> None:
    assert harmless_number(number) == written


@given(st.lists(st.text(max_size=12), min_size=2, max_size=9))
@example(["a,b", 'say "x"', "a\nb", "a\rb", "", " "])
def test_fields_are_written_as_pythons_csv_writes_them(fields: list[str]) -> None:
    file = io.StringIO()
    csv.writer(file).writerow(fields)
    assert ",".join(map(field, fields)) + "\r\n" == file.getvalue()
