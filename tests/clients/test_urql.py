"""urql, whose fetch accepts events as well as JSON."""

from typing import Any, Final

from tests.clients.playing import (
    DEEP,
    NO_SUCH_FIELD,
    NOT_VALID,
    PARTLY_ALLOWED,
    TOO_DEEP,
    WAITING,
    Log,
    canceled,
    changed,
)

ACCEPTED: Final = (
    "application/graphql-response+json, application/graphql+json, application/json, "
    "text/event-stream, multipart/mixed"
)
GRAPHQL_RESPONSE: Final = "application/graphql-response+json"


CHANGES: Final = [changed("WAITING"), changed("CANCELED")]


def test_a_query_is_answered_in_json_although_events_are_accepted(log: Log) -> None:
    result = log.play("urql", "query")

    messages = result["data"]["messages"]
    assert [edge["node"]["id"] for edge in messages["edges"]] == [WAITING]
    assert (messages["totalCount"], result["again"]) == (6, 6)
    assert result["types"] == [[ACCEPTED, 200, GRAPHQL_RESPONSE]]


def test_a_mutation_has_what_it_changed_asked_for_again(log: Log) -> None:
    result = log.play("urql", "mutation", id=WAITING)

    assert result == {
        "canceled": {"data": canceled(__typename="Message")},
        "statuses": ["WAITING", "CANCELED"],
        "requests": 3,
    }


def refused(*errors: Any) -> dict[str, Any]:
    return {"data": None, "network": None, "errors": list(errors)}


def test_each_error_comes_with_its_code(log: Log) -> None:
    result = log.play(
        "urql",
        "errors",
        authorization=log.authorization(rights=()),
        deep=DEEP,
        partial=PARTLY_ALLOWED,
    )

    assert result == {
        "invalid": refused(NO_SUCH_FIELD),
        "partial": {
            "data": {"viewer": {"__typename": "Viewer", "id": "u1"}, "message": None},
            "network": None,
            "errors": [
                {
                    "message": "This needs the right VIEW_LOG, which your sign-in does not have. Ask your administrator for it.",
                    "path": ["message"],
                    "extensions": {"code": "FORBIDDEN"},
                }
            ],
        },
        "tooDeep": refused(TOO_DEEP),
        "types": [[status, GRAPHQL_RESPONSE] for status in (400, 200, 400)],
    }


def test_a_client_without_sign_in_is_refused(log: Log) -> None:
    assert log.play("urql", "signInRefused", authorization="Bearer x") == refused(NOT_VALID)


def test_a_subscriber_hears_of_what_happens_over_a_socket(log: Log) -> None:
    assert log.play("urql", "subscription", id=WAITING) == CHANGES


def test_a_subscriber_hears_of_what_happens_by_events(log: Log) -> None:
    result = log.play("urql", "subscriptionByEvents", id=WAITING)

    assert result == {
        "seen": CHANGES,
        "types": [
            ["text/event-stream, multipart/mixed", 200, "text/event-stream"],
            [ACCEPTED, 200, GRAPHQL_RESPONSE],
        ],
    }
