"""Errors as a client reads them: always with a code, internal errors only with the id under which they are logged."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
import strawberry
from graphql import GraphQLError
from sqlalchemy import text
from sqlalchemy.exc import OperationalError, ProgrammingError
from strawberry.types import ExecutionResult
from structlog.testing import capture_logs

from db.connect.database import Database
from domain.errors import BadUserInput, Conflict, Forbidden, LogError, Unauthenticated
from schema.contract import Contract
from schema.errors import client_error
from tests.log import district, load
from tests.operations import codes_and_messages, execute

PLANTED = "SELECT name FROM person -- Parent, Heather at /srv/log.sqlite3"


@strawberry.type
class Row:
    """Something that is in a list."""

    @strawberry.field
    def number(self) -> int:
        return 2**40  # GraphQL's Int has 32 bits

    @strawberry.field
    def text(self) -> str:
        raise ProgrammingError(PLANTED, {}, Exception(PLANTED))

    @strawberry.field
    def away(self) -> str:
        raise OperationalError(PLANTED, {}, Exception(PLANTED))


@strawberry.type
class Query:
    """A root whose fields go wrong, each in its own way."""

    @strawberry.field
    def rows(self) -> list[Row | None]:
        return [Row(), Row()]

    @strawberry.field
    def nothing(self) -> str:
        return None  # type: ignore[return-value]

    @strawberry.field
    def refused(self, kind: str) -> str | None:
        kinds = {kind.code: kind for kind in (BadUserInput, Forbidden, Unauthenticated, Conflict)}
        raise kinds[kind](f"No: {kind}.")

    @strawberry.field
    def size(self, of: int) -> int:
        return of


SCHEMA = Contract(Query)


async def answer(document: str, **variables: Any) -> ExecutionResult:
    return await SCHEMA.execute(document, variable_values=variables)


@pytest.fixture
def lines() -> Iterator[list[Any]]:
    """The lines that are logged."""
    with capture_logs() as lines:
        yield lines


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ("{", "Syntax Error: Expected Name, found <EOF>."),
        ("#", "Syntax Error: Unexpected <EOF>."),
        ('{ size(of: "\\ud800") }', "Syntax Error: Invalid Unicode escape sequence: '\\ud800'."),
        ("{ a" * 10_000, "Syntax Error: Document is nested too deeply. Parsing aborted."),
        ("{ unknown }", "Cannot query field 'unknown' on type 'Query'."),
        ("{ size(of: 1.5) }", "Int cannot represent non-integer value: 1.5"),
        ("mutation { a }", "The mutation operation is not supported by the schema."),
    ],
)
async def test_an_invalid_document_is_refused_with_the_reason(
    document: str, message: str, lines: list[Any]
) -> None:
    result = await answer(document)

    refusal = ("GRAPHQL_VALIDATION_FAILED", message)
    assert (result.data, codes_and_messages(result), lines) == (None, [refusal], [])


async def test_a_number_of_thousands_of_digits_is_no_fault_of_ours(lines: list[Any]) -> None:
    """Python refuses to read it, with a ValueError."""
    result = await answer(f"{{ size(of: {'9' * 6_000}) }}")

    assert [code for code, _ in codes_and_messages(result)] == ["GRAPHQL_VALIDATION_FAILED"]
    assert lines == []


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"of": "x"}, "Int cannot represent non-integer value: 'x'"),
        ({"of": 2**31}, "Int cannot represent non 32-bit signed integer value: 2147483648"),
        ({"of": None}, "Expected value of non-null type 'Int!' not to be None."),
        ({}, "Expected a value of non-null type 'Int!' to be provided."),
    ],
)
async def test_what_is_put_into_a_variable_is_the_users_input(
    variables: dict[str, Any], message: str, lines: list[Any]
) -> None:
    result = await answer("query($of: Int!) { size(of: $of) }", **variables)

    refusal = ("BAD_USER_INPUT", f"Variable '$of' has invalid value: {message}")
    assert (result.data, codes_and_messages(result), lines) == (None, [refusal], [])


async def test_an_argument_that_only_the_execution_finds_missing_is_the_users_input(
    lines: list[Any],
) -> None:
    result = await answer("query($of: Int = 1) { size(of: $of) }", of=None)

    assert (codes_and_messages(result), lines) == (
        [
            (
                "BAD_USER_INPUT",
                "Argument 'of' has invalid value: Expected variable '$of' provided to non-null type 'Int!' not to be None.",
            )
        ],
        [],
    )


@pytest.mark.parametrize("kind", ["BAD_USER_INPUT", "FORBIDDEN", "UNAUTHENTICATED", "CONFLICT"])
async def test_an_error_of_ours_speaks_for_itself(kind: str, lines: list[Any]) -> None:
    result = await answer(f'{{ refused(kind: "{kind}") }}')

    assert (result.data, codes_and_messages(result)) == (
        {"refused": None},
        [(kind, f"No: {kind}.")],
    )
    assert [error.path for error in result.errors or ()] == [["refused"]]
    assert lines == []


@pytest.mark.parametrize(
    ("document", "where", "faults"),
    [
        ("{ rows { text } }", "rows.text", 2),
        ("{ rows { number } }", "rows.number", 2),
        ("{ nothing }", "nothing", 1),
    ],
)
async def test_a_fault_of_ours_says_only_where_the_log_has_it(
    document: str, where: str, faults: int, lines: list[Any]
) -> None:
    result = await answer(document)

    assert [line["error_id"] for line in lines] == [
        re.fullmatch(r"Internal error\. Give this id to your administrator: (\w{16})\.", message)[1]  # type: ignore[index]
        for _, message in codes_and_messages(result)
    ]
    assert {code for code, _ in codes_and_messages(result)} == {"INTERNAL"}
    assert [(line["event"], line["log_level"], line["where"]) for line in lines] == [
        ("operation failed", "error", where)
    ] * faults
    assert all(isinstance(line["exc_info"], Exception) for line in lines)
    assert PLANTED not in str([error.formatted for error in result.errors or ()])


async def test_who_asks_while_the_database_is_away_reads_that_they_may_ask_again(
    lines: list[Any],
) -> None:
    result = await answer("{ rows { away } }")

    message = (
        "The database is unavailable. Try again in 5 seconds; if that fails too, "
        "tell your administrator."
    )
    assert codes_and_messages(result) == [("UNAVAILABLE", message)] * 2
    assert (
        lines
        == [
            {
                "event": "operation failed: the database is away",
                "log_level": "warning",
                "where": "rows.away",
                "cause": "Exception",
            }
        ]
        * 2
    )


async def test_a_database_without_tables_says_nothing_of_itself(
    database: Database, lines: list[Any]
) -> None:
    await load(database, district())
    async with database.writing() as connection:
        await connection.execute(text("ALTER TABLE school RENAME TO lost"))

    result = await execute(database, "{ schools { id } viewer { id } }")

    assert result.data is None
    assert [code for code, _ in codes_and_messages(result)] == ["INTERNAL"]
    assert "school" not in codes_and_messages(result)[0][1]
    assert [line["where"] for line in lines] == ["schools"]


def test_an_error_is_given_its_code_once() -> None:
    once = client_error(GraphQLError("No.", original_error=Forbidden("No.")))

    assert client_error(once) is once


def test_the_code_of_an_error_without_a_class_of_its_own_is_that_of_a_fault() -> None:
    assert client_error(GraphQLError("?", original_error=LogError("Later."))).extensions == {
        "code": "INTERNAL"
    }
