"""The promise: an operation that exceeds its deadline is stopped with an error; results before that are sent."""

import json
from collections.abc import AsyncGenerator, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
import strawberry
from sqlalchemy import insert, select, text
from strawberry.types.graphql import OperationType

from db.connect.database import Database
from db.tables.operations import BUDGET
from domain.errors import TimedOut
from schema.contract import Contract
from server.graphql.deadline import run_within, stream_within
from tests.db.connect.test_deadline import ENDLESS, SOON, TOLD, never
from tests.log import NOON
from tests.server.calling import Caller, calling, error

Info = strawberry.Info[Database, None]


@strawberry.type
class Query:
    @strawberry.field
    async def quick(self) -> int:
        return 1

    @strawberry.field
    async def slow(self, info: Info) -> int | None:
        await never(info.context)
        return 1


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def write(self, info: Info, viewer: str, slowly: bool) -> int | None:
        async with info.context.writing() as connection:
            await connection.execute(insert(BUDGET).values(viewer=viewer, empty_at=NOON))
            if slowly:
                await connection.execute(text(ENDLESS[connection.dialect.name]))
        return 1


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def states(self, info: Info) -> AsyncGenerator[Query, None]:
        for _ in range(2):
            yield Query()


SCHEMA: Final = Contract(Query, Mutation, Subscription)


async def test_a_query_is_whole_or_is_none(database: Database) -> None:
    running = SCHEMA.execute("{ quick slow }", context_value=database)
    with pytest.raises(TimedOut) as refused:
        await run_within(running, kind=OperationType.QUERY, seconds=SOON)

    assert refused.value.message == TOLD


async def test_a_mutation_returns_what_was_done_before_its_deadline(database: Database) -> None:
    document = """mutation {
        first: write(viewer: "u1", slowly: false)
        second: write(viewer: "u2", slowly: true)
        third: write(viewer: "u3", slowly: false)
    }"""
    running = SCHEMA.execute(document, context_value=database)
    result = await run_within(running, kind=OperationType.MUTATION, seconds=SOON)

    assert result.data == {"first": 1, "second": None, "third": None}
    assert [(error.path, error.message, error.extensions) for error in result.errors or ()] == [
        (["second"], TOLD, {"code": "TIMEOUT"}),
        (["third"], TOLD, {"code": "TIMEOUT"}),
    ]
    async with database.reading() as connection:
        assert list(await connection.scalars(select(BUDGET.c.viewer))) == ["u1"]


async def _heard(document: str, database: Database, kind: OperationType) -> list[Any]:
    results = await SCHEMA.stream(document, context_value=database)
    return [result async for result in stream_within(results, kind=kind, seconds=SOON)]


async def test_a_query_in_a_stream_is_whole_or_is_none(database: Database) -> None:
    (result,) = await _heard("{ quick slow }", database, OperationType.QUERY)

    assert result.data is None
    assert [(error.message, error.extensions) for error in result.errors] == [
        (TOLD, {"code": "TIMEOUT"})
    ]
    (result,) = await _heard("{ quick }", database, OperationType.QUERY)
    assert result.data == {"quick": 1}


async def test_each_event_of_a_subscription_has_the_whole_time(database: Database) -> None:
    results = await _heard(
        "subscription { states { quick slow } }", database, OperationType.SUBSCRIPTION
    )

    assert [result.data for result in results] == [{"states": {"quick": 1, "slow": None}}] * 2
    assert [[error.message for error in result.errors] for result in results] == [[TOLD]] * 2


@pytest.fixture
def caller(tmp_path: Path, sqlite_template: Path) -> Iterator[Caller]:
    with calling(tmp_path, sqlite_template, operation_seconds=1e-6) as caller:
        yield caller


LATE: Final = TOLD.replace("0.2", "1e-06")
LOG: Final = '{ message(id: "message.1") { subject } }'


def test_over_http_it_is_service_unavailable(caller: Caller) -> None:
    answer = caller.ask(LOG)

    assert (answer.status_code, answer.json()) == (503, error(LATE, "TIMEOUT"))


def test_over_a_websocket_it_is_an_error_of_the_operation(caller: Caller) -> None:
    client: Any = caller.client
    with client.websocket_connect("/graphql", subprotocols=["graphql-transport-ws"]) as socket:
        init = {"Authorization": f"Bearer {caller.token()}"}
        socket.send_json({"type": "connection_init", "payload": init})
        assert socket.receive_json() == {"type": "connection_ack"}
        socket.send_text(json.dumps({"type": "subscribe", "id": "1", "payload": {"query": LOG}}))
        reply = socket.receive_json()

    assert reply == {
        "type": "error",
        "id": "1",
        "payload": [{"message": LATE, "extensions": {"code": "TIMEOUT"}}],
    }
