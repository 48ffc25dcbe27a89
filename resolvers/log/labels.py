"""The texts of a message as the log shows them: where it comes from, and its dates."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from db.log.messages import MessageRecord
from domain.search import date_text
from resolvers.messages import school_of
from resolvers.request.batch_resolver import BatchResolver
from resolvers.request.context import Info


@BatchResolver
async def origin_label(root: Sequence[MessageRecord], info: Info) -> Sequence[str]:
    """The name of each message's school; the district's if it was sent for the whole district."""
    district = info.context.visibility.district
    schools = await school_of.of_all(root, info)
    return [district.name if school is None else school.name for school in schools]


@BatchResolver
async def created_text(root: Sequence[MessageRecord], info: Info) -> Sequence[str]:
    """When each was created, as the log shows it."""
    return _date_texts([message.created_at for message in root], info)


@BatchResolver
async def scheduled_text(root: Sequence[MessageRecord], info: Info) -> Sequence[str]:
    """When the delivery of each starts, as the log shows it."""
    return _date_texts([message.scheduled_at for message in root], info)


def _date_texts(instants: Sequence[datetime], info: Info) -> Sequence[str]:
    # The zone of a district with messages never changes, so these are the texts that were stored for the search.
    zone = ZoneInfo(info.context.visibility.district.time_zone)
    return [date_text(instant, zone) for instant in instants]
