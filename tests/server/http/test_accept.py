"""The content type of a response, by the Accept header."""

import pytest

from server.http.accept import GRAPHQL_RESPONSE, JSON, json_type, prefers_events


@pytest.mark.parametrize(
    ("accept", "is_wanted"),
    [
        ("text/event-stream", True),
        ("Text/Event-Stream", True),
        (" text/event-stream ; charset=utf-8", True),
        ("text/event-stream; q=0.1", True),
        ("text/html, text/event-stream", True),
        ("text/event-stream, application/json;q=0.9", True),
        ("application/json;q=0.9, text/event-stream", True),
        ("text/event-stream;q=0.5, */*;q=0.1", True),
        ("text/event-stream, application/json; q=often", True),
        ("text/event-stream, application/json", False),
        ("text/event-stream, application/graphql-response+json", False),
        ("text/event-stream, application/*", False),
        ("text/event-stream, */*", False),
        ("text/event-stream;q=0.4, application/json;q=0.5", False),
        ("text/event-stream;q=0.4, application/json;q=0.3, */*;q=0.5", False),
        ("text/event-stream;q=0", False),
        ("text/event-stream;q=often", False),
        ("text/event-stream;q=", False),
        ("application/json", False),
        ("*/*", False),
        ("text/*", False),
        ("text/event-streams", False),
        ("", False),
        (",;q=,", False),
    ],
)
def test_clients_that_prefer_events_to_json_get_events(accept: str, is_wanted: bool) -> None:
    assert prefers_events(accept) is is_wanted


@pytest.mark.parametrize(
    ("accept", "type"),
    [
        (GRAPHQL_RESPONSE, GRAPHQL_RESPONSE),
        (GRAPHQL_RESPONSE.upper(), GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE}; charset=utf-8", GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE}, {JSON}", GRAPHQL_RESPONSE),
        (f"{JSON}, {GRAPHQL_RESPONSE}", GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE}, {JSON};q=0.9", GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE};q=0.5, */*;q=0.9", GRAPHQL_RESPONSE),
        (f"{GRAPHQL_RESPONSE};q=0.5, {JSON};q=0.9", JSON),
        (f"{GRAPHQL_RESPONSE};q=0", JSON),
        (f"{GRAPHQL_RESPONSE};q=often", JSON),
        (f"{GRAPHQL_RESPONSE}s", JSON),
        (JSON, JSON),
        ("application/*", JSON),
        ("*/*", JSON),
        ("text/html", JSON),
        ("", JSON),
    ],
)
def test_clients_that_name_the_graphql_type_get_it(accept: str, type: str) -> None:
    assert json_type(accept) == type
