"""Lone surrogates are found at their place; whole characters are not lone surrogates."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.surrogates import LoneSurrogate, find, find_in_json


@pytest.mark.parametrize(
    ("text", "field", "code_point"),
    [
        (rb'{"a":"\ud800"}', "a", "U+D800"),
        (rb'{"a":"\uDFFF"}', "a", "U+DFFF"),
        (rb'{"a":"x\ud800\u0041"}', "a", "U+D800"),
        (rb'{"a":"\udc00\ud800"}', "a", "U+DC00"),
        (b'{"a":"\xed\xa0\x80"}', "a", "U+D800"),
        (rb'{"a":"x","b":{"c":["x",{"d":"\udabc"}]}}', "b.c[1].d", "U+DABC"),
        (rb'{"a":{"\ud800":1}}', "a", "U+D800"),
        (rb'{"a":"\udbff","b":"\udc00"}', "a", "U+DBFF"),
        (rb'["\ud83d\ude00","\ud83d"]', "[1]", "U+D83D"),
        (rb'"\ud800"', None, "U+D800"),
        (rb'{"\ud800":1}', None, "U+D800"),
    ],
)
def test_a_lone_surrogate_is_found_where_it_is(
    text: bytes, field: str | None, code_point: str
) -> None:
    assert find_in_json(text) == LoneSurrogate(field, code_point)


@pytest.mark.parametrize(
    "text",
    [
        rb'{"a":"\ud83d\ude00"}',
        '{"a":"😀 한 \ufffd"}'.encode(),
        rb'{"a":"\\ud800"}',
        rb'{"a":"\ud800"',
        b'{"a":"\xed\xa0"}',
        b'{"a":"\xff\xed\xa0\x80"}',
        b'{"a":' * 100_000 + rb'"\ud800"',
    ],
    ids=["a pair", "text", "an escaped backslash", "no JSON", "half a byte", "no UTF-8", "nested"],
)
def test_a_text_without_surrogates_or_without_json_has_none(text: bytes) -> None:
    assert find_in_json(text) is None


_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
)


@given(_values)
def test_no_text_that_utf_8_can_encode_has_one(value: Any) -> None:
    assert find(value) is None
    assert find_in_json(json.dumps(value).encode()) is None
