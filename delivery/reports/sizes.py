"""About how large a report will be, from counters: large ones are made at idle priority.

Apart from the readers in `sources/`, which a server does not import.
"""

from datetime import datetime

from db.derived.addresses.problems import count_problems
from db.log import counters as message_counters
from db.log import districts
from db.reports import jobs
from db.reports.family import family_figures
from db.reports.jobs import ReportJob
from db.reports.subjects import FamilySubject, decode, visibility_of
from db.sql.connections import ReadConnection
from domain.report import row_rule, rows_expected


async def expected_rows(connection: ReadConnection, job: ReportJob, *, now: datetime) -> int:
    """Return about how many rows a report will have, without reading them."""
    if job.message_id is not None:
        return await _rows_of_message(connection, job, job.message_id)
    assert job.subject is not None
    subject = decode(job.subject)
    district = (await districts.districts(connection, [job.district_id]))[job.district_id]
    visibility = visibility_of(subject, district, now=now)
    if isinstance(subject, FamilySubject):
        figures = await family_figures(connection, subject, visibility=visibility)
        # Each delivery, and each recipient in case it has none.
        return figures.recipients + figures.deliveries + figures.duplicates
    counts = await count_problems(connection, subject.criteria, visibility=visibility)
    return sum(one.count for one in counts)


async def _rows_of_message(connection: ReadConnection, job: ReportJob, message_id: int) -> int:
    counters = (await message_counters.of_messages(connection, [message_id])).get(message_id)
    people, without_device = await jobs.people_of(connection, message_id)
    return rows_expected(
        row_rule(job.devices, job.detail),
        () if counters is None else counters.tallies,
        people=people,
        without_device=without_device,
    )
