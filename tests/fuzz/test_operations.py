"""Random operations made from the schema: no operation fails with an internal error or leaks internals."""

import json
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import graphql
import hypothesis_graphql
import pytest
from graphql.language import visit
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from domain.errors import LogError, TimedOut
from domain.viewer import Right
from schema.contract import SCHEMA
from tests.fuzz.looking import NAMES, called, leaks, still_answers

EXAMPLES: Final = 1_000
"""On each engine."""

IDS: Final = (
    *(f"message.{number}" for number in range(1, 7)),
    *("person.1", "school.1", "recipient.1.1", "delivery.1.1.1", "report.1"),
    *("message.99999999999999999999", "message.-1", "", "nothing.1", "message.1.2"),
)
DATES: Final = ("2020-01-31", "2019-12-31", "0001-01-01", "9999-12-31", "2020-02-30", "")
INSTANTS: Final = ("2020-01-31T12:00:00Z", "2020-01-31T12:00:00-06:00", "9999-12-31T23:59:59Z", "x")


def texts(*some: str) -> st.SearchStrategy[graphql.StringValueNode]:
    return st.sampled_from(some).map(lambda value: graphql.StringValueNode(value=value))


class _WithIds(graphql.Visitor):
    """Puts ids of the log, and some that look like them, where an id is asked for."""

    def enter_string_value(self, node: Any, key: Any, parent: Any, path: Any, above: Any) -> Any:
        return self._put(node, parent, above)

    def enter_int_value(self, node: Any, key: Any, parent: Any, path: Any, above: Any) -> Any:
        return self._put(node, parent, above)

    def _put(self, node: Any, parent: Any, above: Any) -> Any:
        chain = [*above, parent]
        named = [one.name.value for one in chain if getattr(one, "name", None) is not None]
        if not named or not named[-1].lower().endswith(("id", "ids")):
            return None
        id = IDS[zlib.crc32(str(node.value).encode()) % len(IDS)]
        return graphql.StringValueNode(value=id)


def printed(document: graphql.DocumentNode) -> str:
    """The operation as text, with ids that can be meant."""
    return graphql.print_ast(visit(document, _WithIds()))


OPERATIONS: Final = hypothesis_graphql.from_schema(
    SCHEMA._schema,
    custom_scalars={"Date": texts(*DATES), "DateTime": texts(*INSTANTS)},
    print_ast=printed,
)
MASKED: Final = tuple(set(Right) - {Right.VIEW_RECIPIENTS})


@pytest.fixture(scope="module")
def operations() -> Sequence[tuple[str, bool]]:
    """Operations, and whether the viewer may see names: drawn once for both engines, the same in each run."""
    drawn: list[tuple[str, bool]] = []

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(OPERATIONS, st.booleans())
    def draw(document: str, sees_names: bool) -> None:
        drawn.append((document, sees_names))

    draw()
    return drawn


@pytest.mark.xdist_group("operations")  # one worker, which draws them once
def test_no_valid_operation_is_an_internal_error_or_leaks(
    operations: Sequence[tuple[str, bool]], tmp_path: Path, database_url: str
) -> None:
    statuses: list[int] = []
    with called(tmp_path, database_url) as caller, capture_logs() as lines:
        sees_all = f"Bearer {caller.token()}"
        masked = f"Bearer {caller.token(rights=MASKED, id='u9')}"
        for document, sees_names in operations:
            answer = caller.ask(document, authorization=sees_all if sees_names else masked)
            statuses.append(answer.status_code)
            errors = answer.json().get("errors", [])
            codes = [error["extensions"]["code"] for error in errors]
            assert LogError.code not in codes, (document, errors)
            assert answer.status_code < 500 or codes == [TimedOut.code], (document, errors)
            assert leaks(json.dumps(errors)) == [], document
            if not sees_names:
                assert leaks(answer.text, words=NAMES) == [], document
        still_answers(caller)

    assert len(statuses) >= EXAMPLES
    assert statuses.count(200) > EXAMPLES / 2
    assert [line for line in lines if line["log_level"] == "error"] == []
