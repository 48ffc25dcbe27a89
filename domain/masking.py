"""What those see who may not see recipients: that there is a name, an address or a text, and nothing of it.

Initials, last digits and lengths would tell more than they hide in a school of four hundred.
"""

from collections.abc import Iterable
from typing import Final

from domain.message import Criterion

MASK: Final = "•••"


def masked(text: str | None) -> str | None:
    """The mask for `text`; None stays None, so that it is seen whether there is one."""
    return None if text is None else MASK


def masked_values(criteria: Iterable[Criterion]) -> tuple[Criterion, ...]:
    """The criteria by which recipients were chosen, by their labels alone: a value may be a name, a label is the tool's word."""
    return tuple(criterion._replace(value=MASK) for criterion in criteria)
