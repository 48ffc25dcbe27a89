"""What validation reports: each unknown directive once, and everything else as graphql-core does."""

import pytest
from graphql import parse, specified_rules
from strawberry.schema.schema import validate_document

from schema.contract import SCHEMA
from schema.documents.validation import RULES


def problems(text: str) -> list[tuple[str, list[tuple[int, int]]]]:
    """The message and the places of each error."""
    found = validate_document(SCHEMA._schema, parse(text), RULES)
    return [
        (error.message, [(place.line, place.column) for place in error.locations or ()])
        for error in found
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{ viewer { id @no } }", [("Unknown directive '@no'.", [(1, 15)])]),
        (
            "{ viewer { id @no name @no district { id @no } } }",
            [("Unknown directive '@no'.", [(1, 15)])],
        ),
        (
            "query A @no { viewer { id @other } } query B { viewer { id @no @other } }",
            [("Unknown directive '@no'.", [(1, 9)]), ("Unknown directive '@other'.", [(1, 27)])],
        ),
        (
            "query A @skip(if: true) { viewer { id } } query B @skip(if: true) { viewer { id } }",
            [
                ("Directive '@skip' may not be used on query.", [(1, 9)]),
                ("Directive '@skip' may not be used on query.", [(1, 51)]),
            ],
        ),
        ("{ viewer { id @skip(if: true) name @include(if: true) } }", []),
    ],
)
def test_each_unknown_directive_is_reported_once_where_it_is_used_first(
    text: str, expected: list[tuple[str, list[tuple[int, int]]]]
) -> None:
    assert problems(text) == expected


def test_a_thousand_uses_of_an_unknown_directive_are_one_error() -> None:
    uses = " ".join(f"a{number}: id @no" for number in range(1_000))

    assert [message for message, _ in problems(f"{{ viewer {{ {uses} }} }}")] == [
        "Unknown directive '@no'."
    ]


def test_no_rule_of_graphql_is_left_out() -> None:
    assert len(RULES) == len(specified_rules)
    assert all(issubclass(own, rule) for own, rule in zip(RULES, specified_rules, strict=True))
