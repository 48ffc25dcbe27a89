"""A fault of the list executor is counted and logged, and strict mode raises it; an error of the operation is no fault."""

from collections.abc import Callable, Sequence
from copy import copy
from typing import Any, Final, cast

import orjson
import pytest
from graphql import GraphQLError, GraphQLObjectType
from structlog.testing import capture_logs

from db.connect.database import Database
from resolvers.request.batch_resolver import BatchResolver
from resolvers.request.context import open_context
from schema.binding import source_of
from schema.contract import SCHEMA, Contract, with_executor
from schema.documents.documents import Documents
from schema.execution.codegen import ObjectCompleter
from schema.execution.executor import FastExecutor
from schema.execution.fallbacks import FALLBACKS, Unforeseen, record_fallback
from tests.log import NOON, district, email, load, message, recipient, viewer
from tests.operations import EVER

DOCUMENT: Final = f"""{{ messages(createdBetween: {EVER}) {{ nodes {{ subject type {{ code }}
    recipients {{ nodes {{ name deliveries {{ address }} }} }} }} }} }}"""
DELIVERIES: Final = cast(
    "BatchResolver[Any, ..., Any]",
    source_of(cast(GraphQLObjectType, SCHEMA._schema.type_map["Recipient"]).fields["deliveries"]),
)


def fails(*arguments: object) -> Any:
    raise ZeroDivisionError


def break_function(patch: pytest.MonkeyPatch, name: str) -> None:
    patch.setattr(f"schema.execution.executor.{name}", fails)


def break_code(patch: pytest.MonkeyPatch, _: str) -> None:
    patch.setattr(ObjectCompleter, "__call__", fails)


def break_batch(patch: pytest.MonkeyPatch, _: str) -> None:
    of_all = DELIVERIES.of_all

    async def of_one(root: Sequence[Any], info: Any) -> Sequence[Any]:
        return await of_all(root, info) if len(root) == 1 else fails()

    patch.setattr(DELIVERIES, "of_all", of_one)


FAULTS: Final[dict[str, Callable[[pytest.MonkeyPatch, str], None]]] = {
    **dict.fromkeys(("plan", "selection_of", "call_of", "fields_read"), break_function),
    "generated code": break_code,
    "a resolver of many records": break_batch,
}


@pytest.fixture
async def log(database: Database) -> Database:
    people = [recipient(person, email(f"{person}@x.example")) for person in ("p1", "p2")]
    await load(database, district(), message("M-1", people))
    return database


async def answer(database: Database, executor: str) -> tuple[bytes, int]:
    """The data of the document, which no cache has, and the number of its errors."""
    schema: Contract = copy(with_executor(SCHEMA, executor))
    schema.documents = Documents(SCHEMA._schema)
    context = await open_context(database, viewer(), now=NOON)
    result = await schema.execute(DOCUMENT, context_value=context)
    return orjson.dumps(result.data), len(result.errors or ())


@pytest.fixture(autouse=True)
def counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count from zero, and be as strict as the setting says."""
    monkeypatch.setattr(FastExecutor, "strict", False)
    FALLBACKS.clear()


@pytest.mark.parametrize("fault", FAULTS)
async def test_after_a_fault_graphql_core_answers_and_the_fault_is_counted_and_logged(
    log: Database, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    ordinary = await answer(log, "stock")
    FAULTS[fault](monkeypatch, fault)

    with capture_logs() as logs:
        whole = await answer(log, "fast")

    assert whole == ordinary
    assert whole[1] == 0
    assert FALLBACKS["ZeroDivisionError"] == len(logs) > 0
    assert {(line["log_level"], type(line["exc_info"])) for line in logs} == {
        ("debug", ZeroDivisionError)
    }


@pytest.mark.parametrize("fault", FAULTS)
async def test_strict_mode_raises_a_fault(
    log: Database, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    assert (await answer(log, "strict"))[1] == 0
    FAULTS[fault](monkeypatch, fault)

    with capture_logs():
        _, errors = await answer(log, "strict")

    assert errors > 0


async def test_without_a_fault_nothing_is_counted(log: Database) -> None:
    assert (await answer(log, "fast"))[1] == 0

    assert FALLBACKS.total() == 0


async def test_an_error_of_a_resolver_is_no_fault(
    log: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(root: Sequence[Any], info: Any) -> Sequence[Any]:
        raise ZeroDivisionError

    monkeypatch.setattr(DELIVERIES, "of_all", broken)

    with capture_logs():
        ordinary, strict = await answer(log, "stock"), await answer(log, "strict")

    assert strict == ordinary
    assert strict[1] > 0
    assert FALLBACKS.total() == 0


def test_a_known_reason_is_counted_and_never_raised() -> None:
    record_fallback(Unforeseen("an interface or a union"), strict=True)

    assert FALLBACKS == {"an interface or a union": 1}


def test_what_graphql_core_reports_is_not_counted() -> None:
    record_fallback(GraphQLError("a variable that is null"), strict=True)

    assert FALLBACKS.total() == 0
