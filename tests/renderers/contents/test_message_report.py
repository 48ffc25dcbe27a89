"""The contents of a report on a message, before its layout."""

import pytest

from domain.message import BodyFormat
from domain.report import ReportDetail, ReportDevice
from renderers.cells import Clock
from renderers.contents.delivery_rows import DetailRow
from renderers.contents.message_report import MessageReport, ReportCancellation, ReportContent
from renderers.document import Line, MessageBody, ReportRows
from tests.renderers.example import CHICAGO, at, by_phone, row, school_is_cancelled


def rows_of(report: MessageReport) -> ReportRows[DetailRow]:
    rows = report.document().rows
    assert rows is not None
    return rows


def test_the_heading_is_the_manuals() -> None:
    assert school_is_cancelled().document().heading == (
        ("Type", "Message Builder - General Notification"),
        ("Sender", "Administrator, System"),
        ("Date Created", at(8, 55)),
        ("Devices Included", "No Device, Email"),
    )


def test_a_type_without_a_category_stands_alone() -> None:
    assert school_is_cancelled(category=None).document().heading[0] == ("Type", "Message Builder")


def test_the_summary_has_the_manuals_three_columns() -> None:
    assert school_is_cancelled().document().summary.groups == (
        (
            ("Start Time", at(8, 54)),
            ("End Time", at(8, 54)),
            ("Duration", "0 minutes"),
            ("Total Recipients", 127),
            ("Total No Device", 34),
        ),
        (("Total Inbox", 93), ("Total Emails", 3), ("Total Voice", 0), ("Total Text", 0)),
        (
            ("Total Voice Attempted", 0),
            ("Total Text Messages Attempted", 0),
            ("Recipients contacted successfully by phone", 0),
            ("Recipients not contacted by phone", 127),
        ),
    )


def test_no_device_is_counted_only_where_it_is_chosen() -> None:
    report = school_is_cancelled(devices=(ReportDevice.EMAIL,))
    assert "Total No Device" not in [line.label for line in report.document().summary.lines]


@pytest.mark.parametrize(
    ("minutes", "seconds", "duration"),
    [(0, 59, "0 minutes"), (1, 59, "1 minute"), (61, 0, "61 minutes")],
)
def test_the_duration_is_in_whole_minutes(minutes: int, seconds: int, duration: str) -> None:
    start = at(8)
    end = start.replace(hour=8 + minutes // 60, minute=minutes % 60, second=seconds)
    report = school_is_cancelled(started_at=start, ended_at=end)
    assert report.document().summary.groups[0][2] == ("Duration", duration)


@pytest.mark.parametrize("missing", ["started_at", "ended_at"])
def test_a_message_that_has_not_ended_has_no_duration(missing: str) -> None:
    assert school_is_cancelled(**{missing: None}).document().summary.groups[0][2] == (
        "Duration",
        None,
    )


def test_the_summary_of_a_purged_message_shows_when_its_recipients_were_removed() -> None:
    report = school_is_cancelled(purged_at=at(9))
    assert report.document().summary.groups[0][3:] == (
        ("Total Recipients", 127),
        ("Total No Device", 34),
        ("Recipients Removed", at(9)),
    )


def test_a_cancellation_shows_who_when_why_and_how_many() -> None:
    cancellation = ReportCancellation(
        requested_at=at(8, 56),
        requested_by="Matthews, Dexter",
        reason="Wrong school",
        stopped=1200,
        already_sent=34,
    )
    below = school_is_cancelled(cancellation=cancellation).document().summary.below
    assert below is not None
    assert below.title == "Cancellation"
    assert below.lines == (
        ("Canceled By", "Matthews, Dexter"),
        ("Canceled At", at(8, 56)),
        ("Reason", "Wrong school"),
        ("Deliveries Stopped", 1200),
        ("Sent Before", 34),
    )


def test_a_cancellation_by_the_system_shows_the_system() -> None:
    cancellation = ReportCancellation(
        requested_at=at(8), requested_by=None, reason=None, stopped=0, already_sent=0
    )
    below = school_is_cancelled(cancellation=cancellation).document().summary.below
    assert below is not None
    assert below.lines[0] == ("Canceled By", "The system")
    assert below.lines[2] == ("Reason", None)


NOT_CONTACTED = Line("*", "Recipient not contacted by phone")
DUPLICATE = Line("†", "Duplicate address: shown, not sent again, not in the totals")


@pytest.mark.parametrize(
    ("has_not_contacted", "has_duplicates", "lines"),
    [
        (False, False, ()),
        (True, False, (NOT_CONTACTED,)),
        (False, True, (DUPLICATE,)),
        (True, True, (NOT_CONTACTED, DUPLICATE)),
    ],
)
def test_the_legend_explains_the_marks_that_some_row_has(
    has_not_contacted: bool, has_duplicates: bool, lines: tuple[Line, ...]
) -> None:
    marks = {"has_not_contacted": has_not_contacted, "has_duplicates": has_duplicates}
    assert tuple(rows_of(by_phone(**marks)).legend) == lines


def test_only_a_message_by_phone_marks_who_was_not_reached_by_phone() -> None:
    report = school_is_cancelled(has_not_contacted=True, rows=[[row("A", contacted=False)]])
    assert rows_of(report).legend == []
    assert rows_of(report).page_cells(Clock(CHICAGO))(row("A", contacted=False))[0] == "A"


def test_a_message_of_the_whole_district_says_so() -> None:
    assert school_is_cancelled(school=None).document().place == "District-wide"


@pytest.mark.parametrize("same", [None, "", "\x00"])
def test_voice_and_text_are_shown_only_if_they_differ_from_the_body(same: str | None) -> None:
    content = ReportContent(
        body="<p>Closed", body_format=BodyFormat.HTML, text_body="Closed", voice_script=same
    )
    _, message = school_is_cancelled(content=content).document().sections
    assert message.texts == [
        MessageBody("Message Body", "<p>Closed", BodyFormat.HTML),
        Line("Text Message", "Closed"),
    ]


@pytest.mark.parametrize(
    ("detail", "sections", "table"),
    [
        (ReportDetail.ALL, ["Filter Criteria", "Message Detail"], "Delivery Detail"),
        (ReportDetail.FAILED_DELIVERY, [], "Delivery Detail"),
        (ReportDetail.SUMMARY, [], None),
    ],
)
def test_less_detail_has_less(detail: ReportDetail, sections: list[str], table: str | None) -> None:
    document = school_is_cancelled(detail=detail).document()
    assert [section.title for section in document.sections] == sections
    assert (document.rows and document.rows.title) == table


def test_names_are_on_one_line() -> None:
    report = school_is_cancelled(sender="A\nB", message_type="T\t", category="C\n", school="\n")
    document = report.document()
    assert document.place == "District-wide"
    assert document.heading[:2] == (("Type", "T - C"), ("Sender", "A B"))
