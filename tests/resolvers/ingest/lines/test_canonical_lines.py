"""The canonical form of a line: equal for equal content, different for different content."""

import json
from typing import Any

import pytest

from resolvers.ingest.parse import canonical, parse
from tests.resolvers.ingest.lines.test_parse import BASES, MESSAGE, spelled


@pytest.mark.parametrize("fields", BASES.values(), ids=BASES)
def test_one_content_has_one_spelling(fields: dict[str, Any]) -> None:
    reversed_ = dict(reversed(list(fields.items())))
    other = json.dumps(reversed_, indent=2).replace("\n", " ").encode()

    assert other != spelled(fields)
    assert canonical(parse(other)) == canonical(parse(spelled(fields)))


def test_one_instant_has_one_spelling() -> None:
    there = MESSAGE | {"createdAt": "2020-01-31T17:00:00.000Z"}

    assert canonical(parse(spelled(there))) == canonical(parse(spelled(MESSAGE)))


def test_another_content_has_another_spelling() -> None:
    spellings = {canonical(parse(spelled(fields))) for fields in BASES.values()}
    changed = {
        canonical(parse(spelled(MESSAGE | {name: value})))
        for name, value in {
            "subject": "Student behavior",
            "school": "harrison-high",
            "createdAt": "2020-01-31T11:00:01-06:00",
            "modes": ["VOICE", "INBOX"],
            "status": "SENT",
        }.items()
    }

    assert len(spellings | changed) == 10
