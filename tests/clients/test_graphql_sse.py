"""graphql-sse, each operation on a connection of its own."""

from typing import Final

from tests.clients.playing import DEEP, NOT_VALID, TOO_DEEP, WAITING, Log

SIGNED_IN: Final = {"data": {"viewer": {"id": "u1"}}}


def test_a_query_is_answered_once(log: Log) -> None:
    (answer,) = log.play("graphql_sse", "query")

    assert [edge["node"]["id"] for edge in answer["data"]["messages"]["edges"]] == [WAITING]


def test_a_subscriber_hears_of_what_happens(log: Log) -> None:
    result = log.play("graphql_sse", "subscription", id=WAITING)

    assert result == {
        "seen": [
            {"data": {"messageChanged": {"id": WAITING, "status": status}}}
            for status in ("WAITING", "CANCELED")
        ],
        "canceled": {
            "data": {
                "cancelMessage": {
                    "__typename": "CancelMessageSuccess",
                    "isNew": True,
                    "canceledMessage": {"id": WAITING, "status": "CANCELED"},
                }
            }
        },
    }


def test_errors_are_events_and_what_is_refused_is_a_status(log: Log) -> None:
    result = log.play("graphql_sse", "errors", deep=DEEP)

    assert result == {
        "invalid": {
            "answered": [
                {
                    "errors": [
                        {
                            "message": "Cannot query field 'nothing' on type 'Query'.",
                            "locations": [{"line": 1, "column": 3}],
                            "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"},
                        }
                    ]
                }
            ]
        },
        "unseen": {
            "answered": [
                {
                    "errors": [
                        {
                            "message": "There is no message with this id that you may see.",
                            "locations": [{"line": 3, "column": 5}],
                            "path": ["messageChanged"],
                            "extensions": {"code": "BAD_USER_INPUT"},
                        }
                    ],
                    "data": None,
                }
            ]
        },
        "tooDeep": {"name": "NetworkError", "status": 400, "body": {"errors": [TOO_DEEP]}},
        "after": [SIGNED_IN],
    }


def test_a_client_without_sign_in_is_refused(log: Log) -> None:
    result = log.play("graphql_sse", "signInRefused", authorization="Bearer x")

    assert result == {"name": "NetworkError", "status": 401, "body": {"errors": [NOT_VALID]}}
