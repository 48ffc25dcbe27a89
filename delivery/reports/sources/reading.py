"""Open a report in one snapshot of the database, whatever it is about.

`message`, `family` and `problems` each read one kind of report; `renderers.document` defines the parts of a report.
"""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from db.connect.database import Database
from db.log import districts
from db.reports.jobs import ReportJob
from db.reports.subjects import FamilySubject, decode, visibility_of
from delivery.reports.sources import family, message, problems
from delivery.reports.sources.pages import ReportReader


@asynccontextmanager
async def reading_report(
    database: Database, job: ReportJob, *, clock: Callable[[], datetime]
) -> AsyncIterator[ReportReader]:
    """Yield the report of `job` in a snapshot of the database; render it inside the block. Raises `Purged` and `PersonPurged`."""
    async with database.snapshot() as connection:
        # The first statement takes the snapshot; read the clock after it.
        district = (await districts.districts(connection, [job.district_id]))[job.district_id]
        now = clock()
        if job.subject is None:
            yield await message.begin(connection, job, district, now=now)
            return
        subject = decode(job.subject)
        visibility = visibility_of(subject, district, now=now)
        if isinstance(subject, FamilySubject):
            yield await family.begin(connection, job, subject, visibility=visibility)
        else:
            yield await problems.begin(connection, job, subject, visibility=visibility)
