"""Clusters: what a reader sees as one character."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from renderers.clusters import clusters


@pytest.mark.parametrize(
    "parts",
    [
        ["a", "b", " ", "c"],
        ["\r\n", "\n"],
        ["é", "q\u0301\u0323", "x"],
        ["क्षि", "य"],
        ["क्\u200dष", "अ"],
        ["ನ್ಯ", "ರಾ", "ವ್"],
        ["ශ්‍රී", "ල"],
        ["ខ្មែ", "រ"],  # coeng
        ["ကျော်", "က"],  # the sign that is seen joins nothing
        ["က္က", "မ"],
        ["กำ", "น้ำ"],
        ["เก", "า"],
        ["🇺🇸", "🇫🇷", "🇩"],
        ["👩‍👩‍👧‍👦", "👍🏽", "1️⃣"],
        ["🏳️‍🌈", "x"],
        ["각", "각"],
        ["葛\U000e0100", "城"],
        ["か\u3099", "き"],
    ],
)
def test_a_cluster_is_kept_together(parts: list[str]) -> None:
    assert list(clusters("".join(parts))) == parts


@settings(max_examples=50)
@given(st.text(max_size=30))
def test_clusters_are_the_text(text: str) -> None:
    parts = list(clusters(text))
    assert "".join(parts) == text
    assert all(parts)
