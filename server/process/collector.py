"""How a process that stays looks for memory it may give back: what it began with is not looked through again.

What takes memory, and how much there is, is not decided here.
"""

import gc
from typing import Final

YOUNG: Final = 10_000
"""Objects that are made beyond those let go of, until the youngest are looked through: Python's 700 are a tenth of what one
operation is read into, and all of it is in use then. Five times as many save another tenth, and take longer at once."""

OLD: Final = 3
"""Looks at the middle-aged until all are looked through. With Python's 10, three times as much lost memory is found at once."""


def settle() -> None:
    """Set apart all that is there: modules, types, the schema. To be called once, when a process has what it works with.

    To look through all that takes a seventh of a second in which nobody is answered, and finds nothing.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(YOUNG, 10, OLD)
