"""What those see who may not see recipients: that there is a name, an address or a text, and nothing of it.

Initials, last digits and lengths would tell more than they hide in a school of four hundred.
"""

from typing import Final

MASK: Final = "•••"


def masked(text: str | None) -> str | None:
    """The mask for `text`; None stays None, so that it is seen whether there is one."""
    return None if text is None else MASK
