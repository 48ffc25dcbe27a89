"""Words of texts and of queries: folded, and divided at every character that is no letter, mark or number."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.words import LONGEST_WORD, TextQuery, join_words, parse_query, words_of

WORDS = [
    ("", []),
    (" \t\u200b", []),
    ("?!…", []),
    ("Late BUS", ["late", "bus"]),
    ("O’Brien's", ["o", "brien", "s"]),
    ("grades 6–8", ["grades", "6", "8"]),
    ("snake_case", ["snake", "case"]),
    ("Nguyễn, Zoë", ["nguyen", "zoe"]),
    ("Straße", ["strasse"]),
    ("٣ pm", ["3", "pm"]),
    ("नमस्ते", ["नमस्ते"]),
    ("王小明 ok", ["王", "小", "明", "ok"]),
    ("mail@nomail.example", ["mail", "nomail", "example"]),
    ("one\ntwo\r\nthree", ["one", "two", "three"]),
    ("a\0b\ud800c", ["a", "b", "c"]),
    ("x" * (LONGEST_WORD + 5), ["x" * LONGEST_WORD]),
]


@pytest.mark.parametrize(("text", "expected"), WORDS)
def test_a_text_is_divided_into_words(text: str, expected: list[str]) -> None:
    assert words_of(text) == expected


QUERIES = [
    ("", TextQuery(())),
    ('" "', TextQuery(())),
    ("bus late bus", TextQuery(("bus", "late"))),
    ('"late bus"', TextQuery(("late·bus",))),
    ('"late bus" bus', TextQuery(("bus", "late·bus"))),
    ('"no late bus"', TextQuery(("late·bus", "no·late"), ("no no·late late late·bus bus",))),
    ("“late  bus” „no“", TextQuery(("late·bus", "no"))),
    ('late"bus stop"now', TextQuery(("bus·stop", "late", "now"))),
    ('"late', TextQuery(("late",))),
    ('"late bus" "now and', TextQuery(("and", "late·bus", "now"))),
    ("o'brien", TextQuery(("o·brien",))),
    ("小明", TextQuery(("小·明",))),
    ("AND OR NOT *", TextQuery(("and", "not", "or"))),
]


@pytest.mark.parametrize(("typed", "expected"), QUERIES)
def test_a_query_has_words_and_phrases(typed: str, expected: TextQuery) -> None:
    assert parse_query(typed) == expected


def test_texts_are_joined_so_that_no_phrase_goes_from_one_into_the_next() -> None:
    joined = join_words(["Late bus, late", None, "?", "no Bus"])

    assert joined == " late late·bus bus bus·late late . no no·bus bus "


@given(st.text())
def test_words_of_words_are_the_same(text: str) -> None:
    words = words_of(text)

    assert words_of(" ".join(words)) == words
    assert all(word and not set(word) & set(' .·"%_\\\0') for word in words)


@given(st.text())
def test_a_query_for_a_whole_text_finds_it(text: str) -> None:
    plain = text.replace('"', " ")

    words = join_words([plain]).split()

    assert {*parse_query(plain).words} <= {*words}
    assert all(f" {phrase} " in join_words([plain]) for phrase in parse_query(plain).phrases)
