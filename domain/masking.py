"""Masks for viewers who may not see recipients: they see that there is a name, address or text, but nothing of it.

Initials, last digits or lengths would identify people in a school of four hundred.
"""

from collections.abc import Iterable
from typing import Final

from domain.message import Criterion

MASK: Final = "•••"


def mask(text: str | None) -> str | None:
    """Return the mask for `text`; None for None, so that viewers see whether there is a value."""
    return None if text is None else MASK


def mask_values(criteria: Iterable[Criterion]) -> tuple[Criterion, ...]:
    """Return the criteria with their values masked: a value may be a name, a label comes from the sending system."""
    return tuple(criterion._replace(value=MASK) for criterion in criteria)
