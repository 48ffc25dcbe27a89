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


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.stem)
def test_the_comment_of_an_example_is_not_cut_off(example: Path) -> None:
    """The editor shows 60 columns on a screen of usual width, and does not wrap."""
    lines = example.read_text(encoding="utf-8").splitlines()

    assert [line for line in lines if line.startswith("#") and len(line) > 60] == []


def test_every_example_is_a_tab() -> None:
    tabs = (ROOT / "console" / "src" / "examples.ts").read_text(encoding="utf-8")

    assert {example.name for example in EXAMPLES} == {
        line.split("/")[-1].removesuffix('?raw";')
        for line in tabs.splitlines()
        if line.startswith("import ")
    }
