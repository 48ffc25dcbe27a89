"""The example report of the manual, and rows for other reports."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import BytesIO
from typing import Any, Final, Protocol
from zoneinfo import ZoneInfo

from domain.counting import Figures
from domain.message import BodyFormat, Criterion
from domain.report import ReportDetail, ReportDevice
from domain.status import DeliveryMode, DeliveryStatus
from renderers.contents.delivery_rows import DetailRow
from renderers.contents.message_report import MessageReport, ReportContent
from renderers.document import Rendered, ReportDocument
from tests.tables import table

CHICAGO: Final = ZoneInfo("America/Chicago")
EMAIL = DeliveryMode.EMAIL
UNDER_WAY = DeliveryStatus.IN_PROGRESS

EVERY_SCRIPT: Final = (
    "Nguyễn, Thị Hương",
    "Zoë",
    "Łukasz",
    "王小明",
    "محمد",
    "שרה",
    "Иванова, Мария",
    "Παπαδόπουλος",
    "प्रिया शर्मा",
    "김민준",
    "たなか 花子",
    "สมชาย",
    "አበበ",
    "សុខា",
    "ຄຳພອນ",
    "ကျော်",
    "ফাতেমা",
    "ਗੁਰਪ੍ਰੀਤ",
    "નીતા",
    "முருகன்",
    "వెంకట",
    "Հակոբյան",
    "გიორგი",
    "Ọlá ẹ́kọ́",
)


def at(hour: int, minute: int = 0, *, day: int = 2) -> datetime:
    """Return a time on a day of December 2019 in Chicago."""
    return datetime(2019, 12, day, hour, minute, tzinfo=CHICAGO)


def school_is_cancelled(**changes: Any) -> MessageReport:
    """Return the manual's example, with `changes`. If the rows are a list, they decide whether rows have marks."""
    report = MessageReport(
        district="Plainview Schools",
        school="High School",
        zone=CHICAGO,
        subject="School is Cancelled",
        message_type="Message Builder",
        category="General Notification",
        sender="Administrator, System",
        created_at=at(8, 55),
        as_of=at(9, 0),
        devices=(ReportDevice.NO_DEVICE, ReportDevice.EMAIL),
        detail=ReportDetail.ALL,
        modes=frozenset({DeliveryMode.INBOX, DeliveryMode.EMAIL}),
        figures=Figures(
            total_recipients=127,
            total_no_device=34,
            total_inbox=93,
            total_emails=3,
            total_voice=0,
            total_text=0,
            total_voice_attempted=0,
            total_text_attempted=0,
            recipients_contacted_by_phone=0,
            recipients_not_contacted_by_phone=127,
        ),
        started_at=at(8, 54),
        ended_at=at(8, 54),
        criteria=(
            Criterion("Deliver To", "Student Messenger Contacts; Message For Each Student"),
            Criterion("Enrollment Filter", "Message Only Active Students"),
            Criterion("Filter Operation", "Union"),
            Criterion("Calendar", "2019-20 High School"),
            Criterion("Limit delivery to contacts that speak", "No Language Preference"),
        ),
        content=ReportContent(
            body="School is cancelled due to weather.",
            body_format=BodyFormat.PLAIN,
            reply_to="sysadmin@nomail.com",
        ),
        rows=[
            [
                row("Parent, Heather", "Student, Calvin", EMAIL, "heather@nomail.com", UNDER_WAY),
                row("Parent, Tad", "Student, Karen", EMAIL, "tad@nomail.com", UNDER_WAY),
                row("Parent, Kris", "Student, Lauren", EMAIL, "kris@nomail.com", UNDER_WAY),
            ]
        ],
        has_duplicates=False,
        has_not_contacted=False,
    )
    pages = changes.get("rows", ())
    rows = [row for page in pages for row in page] if isinstance(pages, list) else []
    marks = {
        "has_duplicates": any(row.is_duplicate for row in rows),
        "has_not_contacted": any(not row.contacted for row in rows),
    }
    return replace(report, **(marks | changes))


def row(
    recipient: str,
    student: str | None = None,
    mode: DeliveryMode | None = None,
    address: str = "",
    status: DeliveryStatus | None = None,
    **rest: Any,
) -> DetailRow:
    """Return a row of a contacted person; `rest` changes it."""
    return DetailRow(recipient, student, rest.pop("contacted", True), mode, address, status, **rest)


DETAIL: Final = table("""
    Parent, Heather | Student, Calvin | +16125550101 (Voice) | 5 Live Person | 12/02/2019 08:57 AM
    Parent, Kris* | Student, Lauren | +16125550101† (Text) | -30 Text Message Failed | 12/02/2019 12:05 PM
""")
"""The first rows of the next as a page shows them."""


def by_phone(**changes: Any) -> MessageReport:
    """Return the example as a message by voice and text, with every mark, a code, a time and a person without a device."""
    rows = [
        row(
            "Parent, Heather",
            "Student, Calvin",
            DeliveryMode.VOICE,
            "+16125550101",
            DeliveryStatus.DELIVERED,
            call_status=5,
            at=at(8, 57),
        ),
        row(
            "Parent, Kris",
            "Student, Lauren",
            DeliveryMode.TEXT,
            "+16125550101",
            DeliveryStatus.FAILED,
            call_status=-30,
            at=at(12, 5),
            contacted=False,
            is_duplicate=True,
        ),
        row("Parent, Tad", None, contacted=False),
    ]
    changes = {
        "devices": tuple(ReportDevice),
        "modes": frozenset(DeliveryMode),
        "rows": [rows],
    } | changes
    return school_is_cancelled(**changes)


def many_rows(count: int, *, page: int = 500) -> Iterator[Sequence[DetailRow]]:
    """Return `count` realistic rows: names differ, some wrap, a few are not Latin."""
    made: list[DetailRow] = []
    start = datetime(2019, 12, 2, 14, 54, tzinfo=UTC)
    for number in range(count):
        name = EVERY_SCRIPT[number // 50 % len(EVERY_SCRIPT)] if number % 50 == 0 else "Anderson"
        made.append(
            DetailRow(
                f"{name}, {number}",
                f"Student of the {number}",
                number % 3 > 0,
                DeliveryMode.EMAIL,
                f"somebody{number}@nomail.com",
                DeliveryStatus.SENT,
                None,
                start + timedelta(seconds=number % 5000),
                number % 17 == 0,
            )
        )
        if len(made) == page:
            yield made
            made = []
    if made:
        yield made


class Composed(Protocol):
    """A report of any kind."""

    def document(self) -> ReportDocument: ...


def rendered(render: Callable[..., Rendered], report: Composed) -> bytes:
    """Return the file that `render` writes."""
    file = BytesIO()
    render(report.document(), file, progress=lambda rows: None)
    return file.getvalue()


def one_page(*rows: DetailRow) -> Iterable[Sequence[DetailRow]]:
    """Return `rows` as one page."""
    return [rows]
