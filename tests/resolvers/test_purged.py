"""A purged message, as the contract shows it."""

from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from db.connect.database import Database
from delivery.upkeep.purge import run_purge
from resolvers.audit.recount import check
from tests.delivery.upkeep.purges import load_old, purge_of
from tests.log import NOON
from tests.operations import EVER, ask

MESSAGE: Final = """{ message(id: "message.1") {
    status subject sender { name } purgedAt revision viewerCanCancel
    deliverySummary {
        totalRecipients totalNoDevice totalInbox totalEmails totalVoice totalText totalVoiceAttempted totalTextAttempted
        recipientsContactedByPhone recipientsNotContactedByPhone tallies { mode status count } startedAt endedAt
    }
    cancellation { reason stopped alreadySent requestedBy { name } }
    filterCriteria { value } replyTo body textBody voiceScript
    recipients { totalCount nodes { name } } deliveries { totalCount nodes { address } }
    reportOptions { details devices }
} }"""
LATER: Final = NOON + timedelta(days=1)
CREATE: Final = """mutation($input: CreateReportInput!) { createReport(input: $input) { __typename
    ... on CreateReportSuccess { report { detail } }
    ... on ReportOptionUnavailable { message field } } }"""


@pytest.fixture
async def purged(database: Database, tmp_path: Path) -> Database:
    await load_old(database)
    await run_purge(purge_of(database, tmp_path))
    return database


async def test_the_figures_are_as_they_were_and_all_else_is_empty(
    database: Database, tmp_path: Path
) -> None:
    await load_old(database)
    before: dict[str, Any] = (await ask(database, MESSAGE))["message"]

    await run_purge(purge_of(database, tmp_path))

    after = (await ask(database, MESSAGE))["message"]
    kept = ("status", "subject", "sender", "deliverySummary", "viewerCanCancel")
    assert {name: after[name] for name in kept} == {name: before[name] for name in kept}
    assert before["deliverySummary"]["totalRecipients"] == 3
    assert (before["purgedAt"], after["purgedAt"]) == (None, NOON.isoformat())
    assert after["revision"] == before["revision"] + 1
    assert after["cancellation"] == before["cancellation"] | {"reason": None}
    assert {
        name: after[name]
        for name in ("filterCriteria", "replyTo", "body", "textBody", "voiceScript")
    } == {
        "filterCriteria": [],
        "replyTo": None,
        "body": "",
        "textBody": None,
        "voiceScript": None,
    }
    assert after["recipients"] == after["deliveries"] == {"totalCount": 0, "nodes": []}


@pytest.mark.parametrize("detail", ["ALL", "FAILED_DELIVERY"])
async def test_a_report_with_recipients_is_refused_in_words(purged: Database, detail: str) -> None:
    asked = {"messageId": "message.1", "devices": ["EMAIL"], "detail": detail}

    data = await ask(purged, CREATE, {"input": asked})

    assert data["createReport"] == {
        "__typename": "ReportOptionUnavailable",
        "field": "detail",
        "message": (
            "The recipients of this message were removed, because their retention period is over. "
            "Its figures are still there: choose SUMMARY."
        ),
    }
    options = (await ask(purged, MESSAGE))["message"]["reportOptions"]
    assert options["details"] == ["SUMMARY"]


async def test_a_summary_can_still_be_had(purged: Database) -> None:
    asked = {"messageId": "message.1", "devices": ["EMAIL"], "detail": "SUMMARY"}

    data = await ask(purged, CREATE, {"input": asked})

    assert data["createReport"]["report"] == {"detail": "SUMMARY"}


@pytest.mark.parametrize("word", ["Vanessa", "Vincenzo", "vortex", "5550199", "va"])
async def test_nobody_who_was_removed_is_found(purged: Database, word: str) -> None:
    document = f"query($word: String) {{ messages(createdBetween: {EVER}, filter: {{recipient: $word}}) {{ totalCount }} }}"

    assert await ask(purged, document, {"word": word}) == {"messages": {"totalCount": 0}}


async def test_ids_of_what_was_removed_lead_nowhere(purged: Database) -> None:
    ids = ["person.1", "recipient.1.0", "delivery.1.0.0", "message.1"]

    data = await ask(purged, "query($ids: [ID!]!) { nodes(ids: $ids) { id } }", {"ids": ids})

    assert data["nodes"] == [None, None, None, {"id": "message.1"}]


ACTS: Final = {
    "cancelMessage": """mutation($id: ID!) { cancelMessage(input: {messageId: $id}) {
        ... on CancelMessageSuccess { isNew } ... on MessageNotCancelable { status } } }""",
    "refreshMessage": """mutation($id: ID!) { refreshMessage(input: {messageId: $id}) {
        ... on RefreshMessageSuccess { changedDeliveries } } }""",
    "resendFailed": """mutation($id: ID!) { resendFailed(input: {messageId: $id}) {
        ... on NothingToResend { message } } }""",
}


@pytest.mark.parametrize(
    ("act", "id", "answer"),
    [
        ("cancelMessage", "message.1", {"isNew": False}),
        ("cancelMessage", "message.2", {"status": "SENT"}),
        ("refreshMessage", "message.1", {"changedDeliveries": 0}),
        (
            "resendFailed",
            "message.1",
            {
                "message": (
                    "The recipients of this message were removed, because their retention period is over."
                )
            },
        ),
    ],
)
async def test_what_was_done_stands_and_nothing_more_is_done(
    database: Database, tmp_path: Path, act: str, id: str, answer: dict[str, Any]
) -> None:
    await load_old(database)
    await run_purge(purge_of(database, tmp_path, before=LATER))

    assert await ask(database, ACTS[act], {"id": id}) == {act: answer}


async def test_a_check_by_hand_is_clean_after_all_of_that(purged: Database) -> None:
    for document in ACTS.values():
        await ask(purged, document, {"id": "message.1"})

    assert (await check(purged)).is_clean
