"""The queries that GraphiQL opens with."""

from pathlib import Path

import pytest
from graphql import build_schema, parse, validate

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "console" / "src" / "examples").glob("*.graphql"))


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_an_example_fits_the_contract(example: Path) -> None:
    contract = build_schema((ROOT / "schema" / "schema.graphql").read_text(encoding="utf-8"))

    assert validate(contract, parse(example.read_text(encoding="utf-8"))) == []


def test_every_example_is_a_tab() -> None:
    tabs = (ROOT / "console" / "src" / "examples.ts").read_text(encoding="utf-8")

    assert {example.name for example in EXAMPLES} == {
        line.split("/")[-1].removesuffix('?raw";')
        for line in tabs.splitlines()
        if line.startswith("import ")
    }
