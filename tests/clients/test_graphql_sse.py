"""graphql-sse, each operation on a connection of its own."""

from tests.clients.playing import (
    DEEP,
    NO_SUCH_FIELD,
    NOT_SEEN,
    NOT_VALID,
    SIGNED_IN,
    TOO_DEEP,
    WAITING,
    Log,
    canceled,
    changed,
)


def test_a_query_is_answered_once(log: Log) -> None:
    (answer,) = log.play("graphql_sse", "query")

    assert [edge["node"]["id"] for edge in answer["data"]["messages"]["edges"]] == [WAITING]


def test_a_subscriber_hears_of_what_happens(log: Log) -> None:
    result = log.play("graphql_sse", "subscription", id=WAITING)

    assert result == {
        "seen": [changed("WAITING"), changed("CANCELED")],
        "canceled": {"data": canceled()},
    }


def test_errors_are_events_and_what_is_refused_is_a_status(log: Log) -> None:
    result = log.play("graphql_sse", "errors", deep=DEEP)

    assert result == {
        "invalid": {
            "answered": [{"errors": [{**NO_SUCH_FIELD, "locations": [{"line": 1, "column": 3}]}]}]
        },
        "unseen": {"answered": [{"errors": [NOT_SEEN], "data": None}]},
        "tooDeep": {"name": "NetworkError", "status": 400, "body": {"errors": [TOO_DEEP]}},
        "after": [SIGNED_IN],
    }


def test_a_client_without_sign_in_is_refused(log: Log) -> None:
    result = log.play("graphql_sse", "signInRefused", authorization="Bearer x")

    assert result == {"name": "NetworkError", "status": 401, "body": {"errors": [NOT_VALID]}}
