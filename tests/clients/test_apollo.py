"""Apollo Client 4."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.clients.conftest import Serve
from tests.clients.playing import (
    DEEP,
    NO_SUCH_FIELD,
    NOT_VALID,
    PARTLY_ALLOWED,
    SUBJECTS,
    TOO_DEEP,
    WAITING,
    Log,
)

WHO: Final = "query Who { viewer { id } }"
SIGNED_IN: Final = {"viewer": {"__typename": "Viewer", "id": "u1"}}


def test_pages_come_together_in_its_cache(log: Log) -> None:
    result = log.play("apollo", "pages")

    assert result == {
        "first": SUBJECTS[:4],
        "whole": SUBJECTS,
        "hasNextPage": False,
        "requests": 2,
    }


def test_its_cache_keeps_each_object_once_by_type_and_id(log: Log) -> None:
    result = log.play("apollo", "cache", id=WAITING, other="message.1")

    assert result == {
        "objects": [
            "Delivery:delivery.1.0.0",
            "Delivery:delivery.6.0.0",
            "District:district.1",
            "Message:message.1",
            "Message:message.6",
            "Person:person.1",
            "Recipient:recipient.1.0",
            "Recipient:recipient.6.0",
            "School:school.1",
            "Sender:u1",
            "Student:student.2",
            "Viewer:u1",
        ],
        "nested": ["MessageConnection", "MessageEdge", "PageInfo"],
        "shown": ["CANCELED", "SENT"],
        "warnings": [],
    }


def combined(data: Any, *errors: Any) -> Any:
    result = {"kind": "CombinedGraphQLErrors", "errors": list(errors)}
    return result if data is None else {**result, "data": data}


def test_each_error_comes_with_its_code_to_who_asked_and_to_its_link(log: Log) -> None:
    result = log.play(
        "apollo",
        "errors",
        authorization=log.authorization(rights=()),
        deep=DEEP,
        partial=PARTLY_ALLOWED,
    )

    assert result == {
        "invalid": combined(
            None,
            {**NO_SUCH_FIELD, "locations": [{"line": 2, "column": 3}]},
        ),
        "coerced": combined(
            None,
            {
                "message": "Variable '$first' has invalid value: Int cannot represent non-integer value: 'one'",
                "locations": [{"line": 1, "column": 11}],
                "extensions": {"code": "BAD_USER_INPUT"},
            },
        ),
        "partial": combined(
            {**SIGNED_IN, "message": None},
            {
                "message": "This needs the right VIEW_LOG, which your sign-in does not have. Ask your administrator for it.",
                "locations": [{"line": 6, "column": 3}],
                "path": ["message"],
                "extensions": {"code": "FORBIDDEN"},
            },
        ),
        "tooDeep": combined(None, TOO_DEEP),
        "linked": ["CombinedGraphQLErrors"] * 4,
    }


def test_a_client_without_sign_in_is_refused(log: Log) -> None:
    result = log.play("apollo", "signInRefused", authorization="Bearer x")

    assert result == combined(None, NOT_VALID)


@pytest.mark.parametrize("by_get", [False, True], ids=["POST", "GET"])
def test_a_text_is_sent_once_and_then_its_hash(serve: Serve, by_get: bool) -> None:
    with serve(get_queries=by_get) as log:
        result = log.play("apollo", "persisted", byGet=by_get)

    by_hash = ["GET" if by_get else "POST", "hash"]
    assert result == {
        "answers": [SIGNED_IN, SIGNED_IN],
        "sent": [by_hash, ["POST", "text"], by_hash],
    }


def test_of_a_list_as_it_is_made_for_it_the_ids_are_taken_and_nothing_else(
    serve: Serve, tmp_path: Path
) -> None:
    manifest = {
        "format": "apollo-persisted-query-manifest",
        "version": 1,
        "operations": [{"id": "a1", "name": "Who", "type": "query", "body": WHO}],
    }
    file = tmp_path / "persisted-query-manifest.json"
    file.write_text(json.dumps(manifest))

    with serve(documents=file, documents_mode="only") as log:
        result = log.play("apollo", "listed", manifest=manifest)

    not_listed = {"code": "PERSISTED_QUERY_NOT_IN_LIST"}
    assert result == {
        "listed": {"answered": {"viewer": {"id": "u1"}}},
        "unlisted": combined(
            None,
            {
                "message": "The list of documents has none of this hash. Have it added.",
                "extensions": not_listed,
            },
        ),
        "unlistedText": combined(
            None,
            {
                "message": "This log takes only documents of its list, and this is none of them. "
                "Have it added to the list, or ask by one that is there.",
                "extensions": not_listed,
            },
        ),
        "texts": 0,
    }


def test_every_query_shows_the_state_of_a_subscription_event(log: Log) -> None:
    result = log.play("apollo", "subscription", id=WAITING)

    assert result == [["WAITING", "WAITING"], ["CANCELED", "CANCELED"]]
