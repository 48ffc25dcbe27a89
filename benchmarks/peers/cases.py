"""The measured questions, in the dialect of each server. `benchmarks.peers.answers` compares the answers."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from benchmarks.large_log.rows import CLASS, CROWD, OF_CLASS

PAGE: Final = 50
LISTS: Final = (50, 500, 4_000)
WALK: Final = 4_000
"""The largest page, in whose steps the deep page is reached."""


class Dialect(StrEnum):
    """The kind of server, which decides the form of the request."""

    SENTLOG = "sentlog"
    POSTGRAPHILE = "PostGraphile"
    YOGA = "yoga"
    FLOOR = "floor"


class Kind(StrEnum):
    """The form of an answer."""

    LIST = "list"
    RECIPIENTS = "recipients"
    SUMMARY = "summary"


class Case(NamedTuple):
    """A question."""

    name: str
    kind: Kind
    first: int = 0
    subject: str | None = None
    is_deep: bool = False
    message: int = 0


def cases(messages: int) -> Sequence[Case]:
    """Return all questions for a log of this many messages."""
    return [
        *[Case(f"list of {size:,}", Kind.LIST, size) for size in LISTS],
        Case("100 recipients, deliveries", Kind.RECIPIENTS, OF_CLASS, message=CLASS),
        Case("summary of 500,000", Kind.SUMMARY, message=CROWD),
        Case("subject of one message", Kind.LIST, PAGE, subject=f"({messages * 13 // 20})"),
        Case("subject, a common word", Kind.LIST, PAGE, subject="weather"),
        Case(f"page {depth(messages) // PAGE:,}", Kind.LIST, PAGE, is_deep=True),
    ]


def depth(messages: int) -> int:
    """Return how many messages precede the deep page: 9,999 pages, or half of a small log."""
    return min(10_000 * PAGE, messages // 2) - PAGE


# The documents of each dialect

_DAYS: Final = 'createdBetween: {from: "2020-01-01", to: "2022-12-31"}'
_INSTANTS: Final = ("2020-01-01T06:00:00Z", "2023-01-01T06:00:00Z")
_MESSAGE: Final = """id externalId status type { code label } subject sender { id name }
    createdAt scheduledAt scheduleId deliveryModes"""
_RECIPIENTS: Final = """recipients(first: %d) { nodes { id name student { id name } contactedByPhone
    deliveries { id mode address status callStatus { code } at attempts } } }"""
_SUMMARY: Final = """deliverySummary { totalRecipients totalNoDevice recipientsContactedByPhone startedAt endedAt
    tallies { mode status count } }"""


def request_body(case: Case, dialect: Dialect, after: str | None) -> Mapping[str, object]:
    """Return the body of the request; a deep page follows the cursor `after`."""
    if dialect is Dialect.FLOOR:
        return {"case": case.name, "after": after}
    write = _POSTGRAPHILE if dialect is Dialect.POSTGRAPHILE else _OURS_AND_YOGAS
    return {"query": write[case.kind](case, dialect, after)}


def to_depth(first: int, after: str | None) -> Mapping[str, object]:
    """Return the query for the cursor after the next `first` messages."""
    behind = f', after: "{after}"' if after else ""
    return {
        "query": f"{{ messages({_DAYS}, first: {first}{behind}) {{ pageInfo {{ endCursor }} }} }}"
    }


def postgraphile_cursor(at: int) -> Mapping[str, object]:
    """Return PostGraphile's query for the cursor of the message with `at` messages before it."""
    return {
        "query": f"{{ allMessages({_conditions()}, {_NEWEST}, first: 1, offset: {at}) {{ edges {{ cursor }} }} }}"
    }


def _list(case: Case, dialect: Dialect, after: str | None) -> str:
    behind = f', after: "{after}"' if after else ""
    if dialect is Dialect.YOGA:
        subject = f', subject: "{case.subject}"' if case.subject else ""
        days = f'createdFrom: "{_INSTANTS[0]}", createdBefore: "{_INSTANTS[1]}"'
    else:
        subject = f', filter: {{subject: "{case.subject}"}}' if case.subject else ""
        days = _DAYS
    return (
        f"{{ messages({days}{subject}, first: {case.first}{behind}) {{ nodes {{ {_MESSAGE} }} }} }}"
    )


def _recipients(case: Case, dialect: Dialect, after: str | None) -> str:
    return f'{{ message(id: "message.{case.message}") {{ subject {_RECIPIENTS % case.first} }} }}'


def _summary(case: Case, dialect: Dialect, after: str | None) -> str:
    return f'{{ message(id: "message.{case.message}") {{ {_SUMMARY} }} }}'


_OURS_AND_YOGAS: Final = {
    Kind.LIST: _list,
    Kind.RECIPIENTS: _recipients,
    Kind.SUMMARY: _summary,
}

_NEWEST: Final = "orderBy: [CREATED_AT_DESC, ROW_ID_DESC]"


def _conditions(subject: str | None = None) -> str:
    word = f', subjectKey: {{includes: "{subject}"}}' if subject else ""
    return (
        f"filter: {{districtId: {{equalTo: 1}}, createdAt: {{greaterThanOrEqualTo:"
        f' "{_INSTANTS[0]}", lessThan: "{_INSTANTS[1]}"}}, visibleFrom: {{lessThanOrEqualTo: "{_INSTANTS[1]}"}}{word}}}'
    )


def _list_of_rows(case: Case, dialect: Dialect, after: str | None) -> str:
    behind = f', after: "{after}"' if after else ""
    return f"""{{ allMessages({_conditions(case.subject)}, {_NEWEST}, first: {case.first}{behind}) {{ nodes {{
        rowId externalId status typeCode typeLabel subject senderId senderName createdAt scheduledAt scheduleId modes }} }} }}"""


def _rows_of_recipients(case: Case, dialect: Dialect, after: str | None) -> str:
    return f"""{{ messageByRowId(rowId: "{case.message}") {{ subject
        recipientsByMessageId(orderBy: [KEY_ASC, NUMBER_ASC], first: {case.first}) {{ nodes {{
            messageId number name studentId studentName contacted
            deliveriesByMessageIdAndRecipientNumber(orderBy: NUMBER_ASC) {{ nodes {{
                number mode address status callStatus at attempts }} }} }} }} }} }}"""


def _rows_of_summary(case: Case, dialect: Dialect, after: str | None) -> str:
    return f"""{{ messageByRowId(rowId: "{case.message}") {{ people peopleWithoutDevice peopleContacted
        talliesByMessageId {{ nodes {{ mode status deliveries }} }}
        spansByMessageId {{ nodes {{ startedAt endedAt }} }} }} }}"""


_POSTGRAPHILE: Final = {
    Kind.LIST: _list_of_rows,
    Kind.RECIPIENTS: _rows_of_recipients,
    Kind.SUMMARY: _rows_of_summary,
}
