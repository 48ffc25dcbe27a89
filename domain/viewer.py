"""The signed-in person or service, and what it may do.

How a token becomes a viewer is the server's business; which rows a viewer sees is one predicate in `db.log.visibility`.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache
from typing import Final
from urllib.parse import quote

from domain.errors import Forbidden

MOST_DISTRICTS: Final = 100
"""Whose ids are not quoted anew for each request."""


class Right(StrEnum):
    """What a viewer may do; the values are the contract's."""

    VIEW_LOG = "VIEW_LOG"
    VIEW_RECIPIENTS = "VIEW_RECIPIENTS"
    CANCEL_MESSAGES = "CANCEL_MESSAGES"
    CREATE_REPORTS = "CREATE_REPORTS"
    INGEST_MESSAGES = "INGEST_MESSAGES"
    VIEW_AUDIT = "VIEW_AUDIT"


@dataclass(frozen=True, slots=True)
class Viewer:
    """One sign-in: who asks, for which district and schools, with which rights, until when (UTC).

    `id`, `district` and `schools` are the ids of the sending system. No schools means every school of the district and
    what was sent for the district as a whole.
    """

    id: str
    name: str
    district: str
    schools: frozenset[str]
    rights: frozenset[Right]
    expires_at: datetime

    def may(self, right: Right) -> bool:
        """Whether the viewer holds `right`."""
        return right in self.rights

    def require(self, right: Right) -> None:
        """Pass if the viewer holds `right`; otherwise raise `Forbidden` with a message that names it."""
        if right not in self.rights:
            raise Forbidden(
                f"This needs the right {right}, which your sign-in does not carry. Ask who manages your account for it."
            )


def viewer_key(viewer: Viewer) -> str:
    """Tells viewers apart in what is counted for each: the viewer's district, a slash, and its id.

    The first slash ends the district, whatever ids hold: two districts may have a viewer of the same id.
    """
    return f"{_quoted(viewer.district)}/{viewer.id}"


@lru_cache(MOST_DISTRICTS)
def _quoted(district: str) -> str:
    return quote(district, safe="", errors="surrogatepass")
