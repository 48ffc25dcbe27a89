"""Documents are parsed as by graphql-core, and their tokens are freed at once."""

import gc
from contextlib import suppress

import pytest
from graphql import (
    DocumentNode,
    GraphQLSyntaxError,
    Node,
    Token,
    Visitor,
    get_introspection_query,
    visit,
)
from graphql import parse as parse_of_graphql_core

from schema.documents.parser import parse

QUERY = """query Q($id: ID! = "a") { # a comment
  message(id: $id) @include(if: true) { ...F ... on Message { a: subject } }
}
fragment F on Message { id }"""

TEXTS = pytest.mark.parametrize("text", [QUERY, get_introspection_query()])


def places(document: DocumentNode) -> list[tuple[str, int, int, str]]:
    """Each node with its place."""
    found: list[tuple[str, int, int, str]] = []

    class Walk(Visitor):
        def enter(self, node: Node, *rest: object) -> None:
            assert node.loc is not None
            found.append((node.kind, node.loc.start, node.loc.end, node.loc.source.body))

    visit(document, Walk())
    return found


@TEXTS
def test_a_document_is_that_of_graphql_core(text: str) -> None:
    ours, theirs = parse(text, most_tokens=1_000), parse_of_graphql_core(text)

    assert ours == theirs
    assert places(ours) == places(theirs)


@pytest.mark.parametrize("text", ["{ a ", "{ a b: }", "a", '{ a(b: "c) }', ""])
def test_a_text_that_is_no_document_has_the_error_of_graphql_core(text: str) -> None:
    with pytest.raises(GraphQLSyntaxError) as theirs:
        parse_of_graphql_core(text)
    with pytest.raises(GraphQLSyntaxError) as ours:
        parse(text, most_tokens=1_000)

    assert str(ours.value) == str(theirs.value)
    assert ours.value.formatted == theirs.value.formatted


@pytest.mark.parametrize("most", [1_000, 10])
def test_no_token_is_left_when_a_document_is_read_or_refused(most: int) -> None:
    gc.collect()
    gc.disable()
    try:
        before = tokens()
        document = None
        with suppress(GraphQLSyntaxError):
            document = parse(QUERY, most_tokens=most)
        after = tokens()
    finally:
        gc.enable()

    assert (document is None) == (most == 10)
    assert after == before


def tokens() -> int:
    return sum(isinstance(one, Token) for one in gc.get_objects())
