"""Notices about messages of a log, and the waiter that collects them for one viewer's list. `db.connect.notices` delivers them.

A notice names district and school of a message, so that a waiter takes only those of messages that its viewer may see.
"""

import asyncio
from collections.abc import Collection, Mapping
from typing import Final, NamedTuple

MOST: Final = 100
"""Changed messages that a waiter names; of others it only remembers that there are some."""

PREFIX: Final = "log."
_NONE: Final = 0
"""Stands for "no school" and "no message"; ids begin with 1."""


class LogNotice(NamedTuple):
    """A change of a message of a district; `message_id` is None if messages were added."""

    district_id: int
    school_id: int | None
    message_id: int | None = None
    revision: int = 0
    """The revision of the message after the change."""

    def spell(self) -> str:
        """Return the payload."""
        numbers = (
            self.district_id,
            self.school_id or _NONE,
            self.message_id or _NONE,
            self.revision,
        )
        return PREFIX + ".".join(map(str, numbers))


def parse(payload: str) -> LogNotice | None:
    """Return the notice of a payload; None if it is that of another notice, or of another release."""
    parts = payload.removeprefix(PREFIX).split(".")
    if not payload.startswith(PREFIX) or len(parts) != 4 or not all(map(str.isdecimal, parts)):
        return None
    district_id, school_id, message_id, revision = map(int, parts)
    return LogNotice(district_id, school_id or None, message_id or None, revision)


class LogNews(NamedTuple):
    """What has happened since the last look."""

    revisions: Mapping[int, int]
    """The changed messages, at most `MOST`, each with its revision before the first of these changes."""
    has_more: bool
    """Other messages changed too."""
    has_new: bool
    """Messages were added."""
    may_have_missed: bool
    """Notices may have been lost, so anything may have changed."""


class LogWatch:
    """A waiter for changes of the messages of a district, or of some of its schools. Its memory is bounded."""

    def __init__(self, school_ids: Collection[int] | None) -> None:
        self.school_ids = school_ids
        """The schools whose messages count; None for all, and for messages of the whole district."""
        self._event = asyncio.Event()
        self._revisions: dict[int, int] = {}
        self._has_more = self._has_new = self._may_have_missed = False

    async def changed(self) -> None:
        """Wait until there is news."""
        await self._event.wait()

    def take(self) -> LogNews:
        """Return the news, and forget it."""
        news = LogNews(self._revisions, self._has_more, self._has_new, self._may_have_missed)
        self._revisions = {}
        self._has_more = self._has_new = self._may_have_missed = False
        self._event.clear()
        return news

    def note(self, notice: LogNotice) -> None:
        """Remember a notice, and wake the waiter, unless the message is of a school that does not count."""
        if self.school_ids is not None and notice.school_id not in self.school_ids:
            return
        if notice.message_id is None:
            self._has_new = True
        elif notice.message_id not in self._revisions:
            if len(self._revisions) < MOST:
                self._revisions[notice.message_id] = notice.revision - 1
            else:
                self._has_more = True
        self._event.set()

    def miss(self) -> None:
        """Remember that notices may have been lost, and wake the waiter."""
        self._may_have_missed = True
        self._event.set()
