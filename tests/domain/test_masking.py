"""What viewers without the right to see recipients see."""

import pytest

from domain.masking import MASK, mask, mask_values
from domain.message import Criterion


@pytest.mark.parametrize("text", ["Parent, Heather", "x", "", MASK])
def test_the_mask_is_the_same_for_all_texts(text: str) -> None:
    assert mask(text) == "•••"


def test_none_stays_none() -> None:
    assert mask(None) is None


def test_labels_of_criteria_are_not_masked() -> None:
    criteria = [Criterion("Deliver To", "Parents of Calvin"), Criterion("Calendar", "")]

    assert mask_values(criteria) == (Criterion("Deliver To", MASK), Criterion("Calendar", MASK))
