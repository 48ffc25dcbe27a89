"""The viewer: the signed-in person or service, and its rights.

`server.auth` makes a viewer from a token; `db.log.visibility` has the predicate for the rows that it sees.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from domain.errors import Forbidden

MOST_DISTRICTS: Final = 100
"""Size of the cache of quoted district ids."""


class Right(StrEnum):
    """A right of a viewer; the values are part of the API."""

    VIEW_LOG = "VIEW_LOG"
    VIEW_RECIPIENTS = "VIEW_RECIPIENTS"
    CANCEL_MESSAGES = "CANCEL_MESSAGES"
    CREATE_REPORTS = "CREATE_REPORTS"
    INGEST_MESSAGES = "INGEST_MESSAGES"
    READ_INBOX = "READ_INBOX"
    VIEW_SYSTEM = "VIEW_SYSTEM"
    VIEW_AUDIT = "VIEW_AUDIT"


@dataclass(frozen=True, slots=True)
class Viewer:
    """One sign-in: person or service, district, schools, rights and expiry (UTC).

    `id`, `district` and `schools` are ids of the sending system. No schools means all messages of the district.
    """

    id: str
    name: str
    district: str
    schools: frozenset[str]
    rights: frozenset[Right]
    expires_at: datetime

    def may(self, right: Right) -> bool:
        """Return whether the viewer has `right`."""
        return right in self.rights

    def require(self, right: Right) -> None:
        """Raise `Forbidden` unless the viewer has `right`."""
        if right not in self.rights:
            raise Forbidden(
                f"This needs the right {right}, which your sign-in does not have. Ask your administrator for it."
            )


def viewer_key(viewer: Viewer) -> str:
    """Return a unique key for a viewer: its district (URL-quoted), a slash, and its id.

    Quoting makes the first slash end the district, whatever characters the ids have. Viewer ids are unique per district.
    """
    return f"{_quoted(viewer.district)}/{viewer.id}"


@lru_cache(MOST_DISTRICTS)
def _quoted(district: str) -> str:
    return quote(district, safe="", errors="surrogatepass")
