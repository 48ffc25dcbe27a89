"""Executes operations on the schema as a request does, without HTTP.

    data = await ask(database, '{ schools { name } }', viewer=viewer(schools=["east"]))
    assert await refusals(database, '{ nodes(ids: []) { id } }', viewer=viewer(rights=[])) == [("FORBIDDEN", "…")]

By default the viewer has all rights in Plainview, at noon of 31 January 2020.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

import orjson
from strawberry.types import ExecutionResult

from db.connect.database import Database
from domain.viewer import Viewer
from resolvers.request.context import open_context
from schema.contract import SCHEMA
from tests import log

EVER: Final = '{from: "1900-01-01", to: "9999-12-31"}'
"""All days, for `createdBetween`."""


async def execute(
    database: Database,
    document: str,
    variables: Mapping[str, Any] | None = None,
    *,
    viewer: Viewer | None = None,
    now: datetime = log.NOON,
    origin: str | None = None,
    request_id: str | None = None,
) -> ExecutionResult:
    """Return the result of an operation with its errors, and its data as a client reads it."""
    context = await open_context(
        database, viewer or log.viewer(), now=now, origin=origin, request_id=request_id
    )
    result = await SCHEMA.execute(
        document,
        variable_values=None if variables is None else dict(variables),
        context_value=context,
    )
    result.data = orjson.loads(orjson.dumps(result.data))
    return result


async def ask(
    database: Database,
    document: str,
    variables: Mapping[str, Any] | None = None,
    **request: Any,
) -> dict[str, Any]:
    """Return the data of an operation; fail the test if it has errors."""
    result = await execute(database, document, variables, **request)
    assert result.errors is None, result.errors
    assert result.data is not None
    return result.data


async def refusals(
    database: Database,
    document: str,
    variables: Mapping[str, Any] | None = None,
    **request: Any,
) -> list[tuple[str, str]]:
    """Return the code and the message of each error of an operation; its data is ignored."""
    result = await execute(database, document, variables, **request)
    return codes_and_messages(result)


def codes_and_messages(result: ExecutionResult) -> list[tuple[str, str]]:
    """The code and the message of each error."""
    return [
        ((error.extensions or {}).get("code", "no code"), error.message)
        for error in result.errors or ()
    ]
