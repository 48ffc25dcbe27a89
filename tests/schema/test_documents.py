"""Documents, each read once: parsed, measured and validated, and kept within bounds."""

from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from domain.errors import BadUserInput, TooComplex
from schema import documents as module
from schema.contract import SCHEMA
from schema.documents import Documents
from tests.log import district, load
from tests.operations import ask, execute, refusals, told

SEVERAL = "query A { viewer { id } } query B { viewer { name } }"


def documents(**bounds: Any) -> Documents:
    return Documents(SCHEMA._schema, **bounds)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done to documents, in its order; none has been read before."""
    monkeypatch.setattr(SCHEMA, "documents", documents())
    done: list[str] = []
    for name in ("parse", "validate_document"):
        original = getattr(module, name)

        def count(*args: Any, name: str = name, original: Any = original, **rest: Any) -> Any:
            done.append(name)
            return original(*args, **rest)

        monkeypatch.setattr(module, name, count)
    return done


async def test_a_document_is_parsed_and_validated_once(
    engine: AsyncEngine, reads: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    await load(engine, district())
    monkeypatch.setattr("strawberry.schema.schema.parse", None)
    monkeypatch.setattr(
        "strawberry.schema.schema.validate_document", None
    )  # whoever calls one of these fails
    text = "{ viewer { id name } } # read once"

    prepared = _prepare(text)
    answers = [await ask(engine, text) for _ in range(2)]

    assert prepared == 1
    assert answers == [{"viewer": {"id": "u1", "name": "Administrator, System"}}] * 2
    assert reads == ["parse", "validate_document"]


def _prepare(text: str) -> int:
    prepared = SCHEMA.documents.prepare(text)
    assert prepared is not None
    return prepared.cost


async def test_a_document_that_does_not_fit_is_validated_once_too(
    engine: AsyncEngine, reads: list[str]
) -> None:
    await load(engine, district())
    text = "{ unknown } # and never known"

    assert SCHEMA.documents.prepare(text) is None
    codes = [[code for code, _ in await refusals(engine, text)] for _ in range(2)]

    assert codes == [["GRAPHQL_VALIDATION_FAILED"]] * 2
    assert reads == ["parse", "validate_document"]


async def test_nothing_is_executed_past_the_limits(engine: AsyncEngine) -> None:
    await load(engine, district())

    result = await execute(engine, "{" + "a:__typename " * 300 + "}")

    assert result.data is None
    assert [code for code, _ in told(result)] == ["TOO_COMPLEX"]


@pytest.mark.parametrize(
    ("text", "name", "found"),
    [("{ viewer { id } }", None, None), (SEVERAL, "A", "A"), (SEVERAL, "B", "B")],
)
def test_the_operation_is_the_one_that_is_named_or_the_only_one(
    text: str, name: str | None, found: str | None
) -> None:
    operation = documents().read(text).operation(name)

    assert (operation.name.value if operation.name else None) == found


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (SEVERAL, None),
        (SEVERAL, "C"),
        (SEVERAL, ""),
        ("{ viewer { id } } { viewer { name } }", None),
        ("query A { viewer { id } } query A { viewer { name } }", "A"),
        ("{ viewer { id } }", "A"),
        ("fragment F on Viewer { id }", None),
    ],
)
def test_where_it_is_not_plain_which_operation_is_meant_none_is(
    text: str, name: str | None
) -> None:
    with pytest.raises(BadUserInput):
        documents().prepare(text, name=name)


def test_the_last_documents_are_kept() -> None:
    kept = documents(most=2)
    first = kept.read("{ __typename }")
    kept.read("{ a: __typename }")
    assert kept.read("{ __typename }") is first
    kept.read("{ b: __typename }")

    assert len(kept) == 2
    assert kept.read("{ __typename }") is first


def test_long_documents_push_out_more_than_short_ones() -> None:
    kept = documents(most_characters=100)
    for one in range(6):
        kept.read(f"{{ a{one}: __typename }}")
    assert len(kept) == 5

    kept.read("{ __typename }".ljust(95))

    assert len(kept) == 1


def test_what_is_refused_is_not_kept() -> None:
    kept = documents()
    for _ in range(2):
        with pytest.raises(TooComplex):
            kept.read("{" + "a:__typename " * 300 + "}")

    assert len(kept) == 0
