"""The statements in `.sql` files say the rules of the domain, and read each column that is staged."""

import re
from pathlib import Path

import pytest

from db.ingest.staging_tables import StagedDelivery, StagedFailure, StagedMessage, StagedRecipient
from db.log.counters import NO_CODE
from db.sql.statement_files import FileStatement, read_statements
from domain.call_status import SUCCESSES
from domain.modes import PHONE_MODES
from domain.status import OPEN, DeliveryStatus

INGEST = Path("db/ingest/statements")
RECOUNTS = Path("db/upkeep/recounts.sql")
FILES = [*sorted(INGEST.glob("*.sql")), RECOUNTS]
OUTCOMES = frozenset({DeliveryStatus.SENT, DeliveryStatus.DELIVERED, DeliveryStatus.FAILED})


def listed(name: str) -> set[frozenset[str]]:
    """Return the lists of literals with which the files compare the columns of this name."""
    text = "\n".join(file.read_text() for file in FILES)
    lists = re.findall(rf"\b(?:\w\.)?{name} IN \(([^()]+)\)", text)
    return {frozenset(re.findall(r"[-\w]+", one)) for one in lists if not one.startswith("SELECT")}


def test_a_statement_comes_without_comments_and_with_its_notes(tmp_path: Path) -> None:
    file = tmp_path / "two.sql"
    file.write_text(
        "-- What for; why.\n\n-- analyze: person\n-- from: 5\nSELECT ';',\n-- in between\n1;\n\nSELECT 2;\n"
    )

    assert read_statements(file) == [
        FileStatement("SELECT ';',\n1", {"analyze": "person", "from": "5"}),
        FileStatement("SELECT 2", {}),
    ]


def test_a_statement_without_a_semicolon_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "open.sql"
    file.write_text("SELECT 1;\nSELECT 2\n")

    with pytest.raises(AssertionError, match=r"open\.sql ends with a statement"):
        read_statements(file)


def test_the_files_name_the_statuses_modes_and_codes_of_the_rules() -> None:
    assert listed("mode") == {PHONE_MODES}
    assert listed("call_status") == {frozenset(map(str, SUCCESSES))}
    assert listed("status") == {OUTCOMES, OUTCOMES | {DeliveryStatus.IN_PROGRESS}, OPEN}
    numbers = {
        number for file in FILES for number in re.findall(r"call_status, (\d+)", file.read_text())
    }
    assert numbers == {str(NO_CODE)}


@pytest.mark.parametrize("dialect", ["sqlite", "postgresql"])
@pytest.mark.parametrize("row", [StagedMessage, StagedRecipient, StagedDelivery, StagedFailure])
def test_each_staged_column_is_read(dialect: str, row: type[tuple[object, ...]]) -> None:
    other = {"sqlite": "postgresql", "postgresql": "sqlite"}[dialect]
    texts = [file.read_text() for file in FILES[:-1] if other not in file.name]
    used = {word for text in texts for word in re.findall(r"\w+", text)}

    assert set(row._fields) - used == set()  # type: ignore[attr-defined]
