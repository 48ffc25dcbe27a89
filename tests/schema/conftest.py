"""Fixtures for tests of the schema."""

import pytest

from schema.contract import SCHEMA
from schema.documents.documents import Documents
from schema.documents.limits import LIMITS, Limits


@pytest.fixture
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    """Documents of any size: a test that walks the whole schema asks for more than a client may."""
    endless = Limits(*[10**9 for _ in LIMITS])
    monkeypatch.setattr(SCHEMA, "documents", Documents(SCHEMA._schema, limits=endless))
