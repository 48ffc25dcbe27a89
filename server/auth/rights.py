"""Rights, as a token names them: our own names, and those of an identity provider that `SENTLOG_JWT_RIGHTS` maps.

Where the claim is, and what a right allows, is said elsewhere: `server.auth.authenticator`, `domain.viewer`.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from domain.viewer import Right

MOST_UNKNOWN: Final = 1_000
"""Unknown names that are remembered; later ones are not reported."""

_SEPARATORS: Final = re.compile(r"[\s,]+")

_ID: Final = re.compile(r"[A-Za-z0-9_.:/-]{1,64}")
"""What a log line may show of an unknown name: an identifier. Other names may be those of people."""


class RightsReader:
    """Reads the claim with the rights, and remembers which unknown names it has reported."""

    def __init__(self, mapped: Mapping[str, Sequence[Right]]) -> None:
        """`mapped`: the rights of each group or role of an identity provider."""
        own: Mapping[str, Sequence[Right]] = {right.value: (right,) for right in Right}
        self._granted = {
            name: frozenset((*own.get(name, ()), *mapped.get(name, ()))) for name in (*own, *mapped)
        }
        self._reported = set[str]()

    def read(self, value: object) -> frozenset[Right]:
        """The rights in a list of names, or in one text; names that are not known give none.

        Raises `ValueError` for any other value.
        """
        rights = (self._granted.get(name, frozenset()) for name in self._names(value))
        return frozenset[Right]().union(*rights)

    def unreported(self, value: object) -> Iterator[str | None]:
        """Each unknown name in a claim that `read` takes, once for this reader: the name if it is an id, else None."""
        for name in self._names(value):
            if name in self._granted or name in self._reported or not name.strip():
                continue
            if len(self._reported) < MOST_UNKNOWN:
                self._reported.add(name)
                yield name if _ID.fullmatch(name) else None

    def _names(self, value: object) -> list[str]:
        """The names: a text is one known name as a whole, else it is split at spaces and commas.

        Some identity providers send a text for one group and a list for several. Names in a list are never split: a group
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
