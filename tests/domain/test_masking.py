"""What those see who may not see recipients."""

import pytest

from domain.masking import MASK, masked, masked_values
from domain.message import Criterion


@pytest.mark.parametrize("text", ["Parent, Heather", "x", "", MASK])
def test_the_mask_is_the_same_whatever_it_hides(text: str) -> None:
    assert masked(text) == "•••"


def test_nothing_stays_nothing() -> None:
    assert masked(None) is None


def test_of_criteria_the_labels_are_seen() -> None:
    criteria = [Criterion("Deliver To", "Parents of Calvin"), Criterion("Calendar", "")]

    assert masked_values(criteria) == (Criterion("Deliver To", MASK), Criterion("Calendar", MASK))
