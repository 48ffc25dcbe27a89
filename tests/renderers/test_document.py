"""The contents of a report, before its layout."""

import pytest

from domain.report import ReportDevice
from renderers.document import (
    Line,
    ReportCancellation,
    heading,
    legend,
    letterhead,
    separate_texts,
    summary,
)
from tests.renderers.example import at, by_phone, school_is_cancelled


def test_the_heading_is_the_manuals() -> None:
    assert heading(school_is_cancelled()) == (
        ("Type", "Message Builder - General Notification"),
        ("Sender", "Administrator, System"),
        ("Date Created", at(8, 55)),
        ("Devices Included", "No Device, Email"),
    )


def test_a_type_without_a_category_stands_alone() -> None:
    assert heading(school_is_cancelled(category=None))[0] == ("Type", "Message Builder")


def test_the_summary_has_the_manuals_three_columns() -> None:
    assert summary(school_is_cancelled()) == (
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
    assert "Total No Device" not in [line.label for group in summary(report) for line in group]


@pytest.mark.parametrize(
    ("minutes", "seconds", "duration"),
    [(0, 59, "0 minutes"), (1, 59, "1 minute"), (61, 0, "61 minutes")],
)
def test_the_duration_is_in_whole_minutes(minutes: int, seconds: int, duration: str) -> None:
    start = at(8)
    end = start.replace(hour=8 + minutes // 60, minute=minutes % 60, second=seconds)
    report = school_is_cancelled(started_at=start, ended_at=end)
    assert summary(report)[0][2] == ("Duration", duration)


@pytest.mark.parametrize("missing", ["started_at", "ended_at"])
def test_a_message_that_has_not_ended_has_no_duration(missing: str) -> None:
    assert summary(school_is_cancelled(**{missing: None}))[0][2] == ("Duration", None)


def test_the_summary_of_a_purged_message_shows_when_its_recipients_were_removed() -> None:
    report = school_is_cancelled(purged_at=at(9))
    assert summary(report)[0][3:] == (
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
    assert summary(school_is_cancelled(cancellation=cancellation))[3] == (
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
    group = summary(school_is_cancelled(cancellation=cancellation))[3]
    assert group[0] == ("Canceled By", "The system")
    assert group[2] == ("Reason", None)


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
    assert legend(by_phone(**marks)) == lines


def test_only_a_message_by_phone_marks_who_was_not_reached_by_phone() -> None:
    assert legend(school_is_cancelled(has_not_contacted=True)) == ()


def test_a_message_of_the_whole_district_says_so() -> None:
    assert letterhead(school_is_cancelled(school=None)) == ("Plainview Schools", "District-wide")


def test_voice_and_text_are_shown_only_if_they_differ_from_the_body() -> None:
    report = school_is_cancelled()
    assert separate_texts(report) == ()
