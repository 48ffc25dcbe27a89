"""The figures of a message, computed from its counters: equally fast for ten deliveries and for a million."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, NamedTuple

from db.log.counters import SpanRecord, ended_at, started_at
from db.log.messages import MessageRecord
from domain.counting import Figures, Tally, figures
from domain.modes import PHONE_MODES, SCREEN_MODES
from domain.status import (
    DeliveryMode,
    DeliveryStatus,
    MessageStatus,
    Standing,
    mode_status,
    progress_percent,
    standing,
)
from resolvers.request.batch_resolver import BatchResolver
from resolvers.request.context import Info

_PLACES: Final = [(mode, status) for mode in DeliveryMode for status in DeliveryStatus]


class TallyCount(NamedTuple):
    """The number of deliveries of a mode with a status."""

    mode: DeliveryMode
    status: DeliveryStatus
    deliveries: int


class ModeProgress(NamedTuple):
    """The progress of some modes of a message."""

    status: MessageStatus
    started_at: datetime | None
    ended_at: datetime | None
    progress_percent: int


@dataclass(frozen=True, slots=True)
class Summary(Figures):
    """The figures and the progress of a message."""

    message: MessageRecord
    facts: Sequence[Tally]
    spans: Sequence[SpanRecord]
    has_voice: bool

    @property
    def tallies(self) -> Sequence[TallyCount]:
        """Counts by mode and status, in the order of both; duplicate deliveries are included."""
        counts: dict[tuple[DeliveryMode, DeliveryStatus], int] = {}
        for fact in self.facts:
            place = (fact.mode, fact.status)
            counts[place] = counts.get(place, 0) + fact.deliveries
        return [TallyCount(*place, counts[place]) for place in _PLACES if counts.get(place)]

    @property
    def started_at(self) -> datetime | None:
        return started_at(self.spans)

    @property
    def ended_at(self) -> datetime | None:
        return ended_at(self.spans)

    @property
    def duration_minutes(self) -> int | None:
        """Whole minutes from the first hand-over to the last outcome."""
        if self.started_at is None or self.ended_at is None:
            return None
        return int((self.ended_at - self.started_at).total_seconds() // 60)

    @property
    def inbox_email(self) -> ModeProgress:
        """The progress of both; the percentage is that of emails if there are any, since inboxes are filled at once (manual, screens)."""
        both, emails = self._progress(SCREEN_MODES), self._standing({DeliveryMode.EMAIL})
        if emails.total == 0:
            return both
        return both._replace(progress_percent=progress_percent(emails, both.status))

    @property
    def voice_text(self) -> ModeProgress | None:
        """None if the district has no voice, or the message was sent without voice and text."""
        is_by_phone = not PHONE_MODES.isdisjoint(self.message.delivery_modes)
        return self._progress(PHONE_MODES) if self.has_voice and is_by_phone else None

    def _progress(self, modes: Collection[DeliveryMode]) -> ModeProgress:
        part = self._standing(modes)
        spans = [span for span in self.spans if span.mode in modes]
        begun_at = started_at(spans)
        status = mode_status(
            self.message.status,
            part,
            has_phone=modes is PHONE_MODES,
            # Deliveries may fail before the message is sent, so a failure does not mean that delivery has begun.
            has_begun=begun_at is not None or self.message.status is not MessageStatus.CANCELED,
        )
        return ModeProgress(status, begun_at, ended_at(spans), progress_percent(part, status))

    def _standing(self, modes: Collection[DeliveryMode]) -> Standing:
        return standing(
            (fact.status, fact.deliveries)
            for fact in self.facts
            if fact.mode in modes and not fact.is_duplicate
        )


@BatchResolver
async def of_message(root: Sequence[MessageRecord], info: Info) -> Sequence[Summary]:
    """The summary of each message."""
    counters = await info.context.loaders.counters.load_all([message.id for message in root])
    has_voice = info.context.visibility.district.has_voice
    return [
        _summary(message, own.tallies, own.spans, has_voice=has_voice)
        for message, own in zip(root, counters, strict=True)
    ]


def _summary(
    message: MessageRecord,
    facts: Sequence[Tally],
    spans: Sequence[SpanRecord],
    *,
    has_voice: bool,
) -> Summary:
    counted = figures(
        facts,
        people=message.people,
        without_device=message.people_without_device,
        contacted=message.people_contacted,
    )
    return Summary(
        **{name: getattr(counted, name) for name in Figures.__slots__},
        message=message,
        facts=facts,
        spans=spans,
        has_voice=has_voice,
    )
