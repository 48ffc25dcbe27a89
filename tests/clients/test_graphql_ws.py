"""graphql-ws, the client of the protocol graphql-transport-ws."""

from datetime import timedelta

import pytest

from tests.clients.playing import (
    NO_SUCH_FIELD,
    NOT_SEEN,
    NOT_VALID,
    SIGNED_IN,
    WAITING,
    Log,
    canceled,
    changed,
)


def test_a_query_is_answered_once(log: Log) -> None:
    (answer,) = log.play("graphql_ws", "query")

    (edge,) = answer["data"]["messages"]["edges"]
    assert edge["node"] == {
        "id": WAITING,
        "subject": "Late bus",
        "status": "WAITING",
        "sender": {"id": "u1", "name": "Administrator, System"},
    }
    assert answer["data"]["messages"]["pageInfo"] == {
        "hasNextPage": True,
        "endCursor": edge["cursor"],
    }


def test_a_subscriber_hears_of_what_happens_on_the_same_socket(log: Log) -> None:
    result = log.play("graphql_ws", "subscription", id=WAITING)

    assert result == {
        "seen": [changed("WAITING"), changed("CANCELED")],
        "canceled": {"data": canceled()},
        "after": SIGNED_IN,
        "connections": 1,
    }


def test_errors_end_their_operation_and_no_other(log: Log) -> None:
    result = log.play("graphql_ws", "errors")

    assert result == {
        "invalid": [{**NO_SUCH_FIELD, "locations": [{"line": 1, "column": 3}]}],
        "coerced": {
            "answered": [
                {
                    "errors": [
                        {
                            "message": "Variable '$first' has invalid value: Int cannot represent non-integer value: 'one'",
                            "locations": [{"line": 2, "column": 13}],
                            "extensions": {"code": "BAD_USER_INPUT"},
                        }
                    ]
                }
            ]
        },
        "unseen": [NOT_SEEN],
        "after": [SIGNED_IN],
    }


@pytest.mark.parametrize(
    ("params", "reason"),
    [
        ({}, "You are not signed in. Send the header Authorization: Bearer with a token."),
        ({"Authorization": "Bearer x"}, NOT_VALID["message"]),
    ],
    ids=["without a token", "with a wrong one"],
)
def test_a_refused_client_gets_the_reason_at_each_try(
    log: Log, params: dict[str, str], reason: str
) -> None:
    result = log.play("graphql_ws", "signInRefused", params=params, retries=2)

    assert result == {"refused": {"code": 4403, "reason": reason}, "tries": 3}


def test_a_subscription_goes_on_when_its_line_has_broken(log: Log) -> None:
    result = log.play("graphql_ws", "lineBroken", id=WAITING)

    assert result == {
        "seen": [changed("WAITING"), changed("WAITING"), changed("CANCELED")],
        "closes": [1006],
    }


def test_a_subscription_goes_on_with_a_new_token_when_the_first_has_expired(log: Log) -> None:
    def a_minute_later() -> str:
        log.clock.advance(minutes=1)
        return log.authorization()

    result = log.play(
        "graphql_ws",
        "signInExpired",
        id=WAITING,
        authorization=log.authorization(lasts=timedelta(seconds=1)),
        meanwhile=a_minute_later,
    )

    assert result == {
        "seen": [changed("WAITING"), changed("WAITING")],
        "closes": [[4403, "Your sign-in has expired. Sign in again and reconnect."]],
    }
