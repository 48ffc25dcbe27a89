"""Maps the rights in a token: our own names, and names of an identity provider, as `SENTLOG_JWT_RIGHTS` maps them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from domain.viewer import Right

MOST_UNKNOWN: Final = 1_000
"""Maximum unknown names to remember; later ones are not reported."""

_SEPARATORS: Final = re.compile(r"[\s,]+")

_ID: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")
"""An identifier, which may be logged; other unknown names may be personal data."""


class RightsReader:
    """Parses the claim of rights, and remembers which unknown names it has reported."""

    def __init__(self, mapped: Mapping[str, Sequence[Right]]) -> None:
        """`mapped`: the rights of each group or role of an identity provider."""
        own: Mapping[str, Sequence[Right]] = {right.value: (right,) for right in Right}
        self._granted = {
            name: frozenset((*own.get(name, ()), *mapped.get(name, ()))) for name in (*own, *mapped)
        }
        self._reported = set[str]()

    def read(self, value: object) -> frozenset[Right]:
        """The rights in a list of names, or in one text; unknown names give none.

        Raises `ValueError` for any other value.
        """
        rights = (self._granted.get(name, frozenset()) for name in self._names(value))
        return frozenset[Right]().union(*rights)

    def unreported(self, value: object) -> Iterator[str | None]:
        """The unknown names of a claim that were not reported yet: the name if it is an identifier, else None."""
        for name in self._names(value):
            if name in self._granted or name in self._reported or not name.strip():
                continue
            if len(self._reported) < MOST_UNKNOWN:
                self._reported.add(name)
                yield name if _ID.fullmatch(name) else None

    def _names(self, value: object) -> list[str]:
        """The names in a claim. A text is one name if it is known as a whole, else it is split at spaces and commas.

        Some identity providers send a text for one group and a list for several. Names in a list are never split: the group
        "Not Admins" must not give the rights of "Admins".
        """
        if value is None:
            return []
        if isinstance(value, str):
            whole = value.strip()
            return [whole] if whole in self._granted else _SEPARATORS.split(whole)
        if not isinstance(value, list) or not all(isinstance(name, str) for name in value):
            raise ValueError("neither a list of texts nor a text")
        return value
