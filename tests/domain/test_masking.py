"""What those see who may not see recipients."""

import pytest

from domain.masking import MASK, masked


@pytest.mark.parametrize("text", ["Parent, Heather", "x", "", MASK])
def test_the_mask_is_the_same_whatever_it_hides(text: str) -> None:
    assert masked(text) == "•••"


def test_nothing_stays_nothing() -> None:
    assert masked(None) is None
