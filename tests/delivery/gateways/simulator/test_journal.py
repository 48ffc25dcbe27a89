import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from delivery.gateways.simulator.journal import Journal, JournalEntry
from domain.status import DeliveryMode

NOON = datetime(2026, 3, 2, 18, 0, tzinfo=UTC)


def entry(key: str) -> JournalEntry:
    return JournalEntry(NOON, key, DeliveryMode.VOICE, "+16125550101")


@pytest.fixture(params=["file", "memory"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    return tmp_path / "journal" if request.param == "file" else None


def test_entries_are_in_their_order_of_arrival(file: Path | None) -> None:
    journal = Journal(file)
    journal.append([entry("a"), entry("b")])
    journal.append([])
    journal.append([entry("c")])

    assert list(journal.entries()) == [entry("a"), entry("b"), entry("c")]
    journal.close()


def test_a_second_hand_over_is_recorded(file: Path | None) -> None:
    journal = Journal(file)
    journal.append([entry("a"), entry("b"), entry("a")])

    assert len(journal.of("a")) == 2
    assert journal.of("b") == [entry("b")]
    assert journal.of("c") == []
    journal.close()


def test_one_journal_sees_what_another_wrote_to_the_file(tmp_path: Path) -> None:
    one, other = Journal(tmp_path / "journal"), Journal(tmp_path / "journal")
    assert other.entries() == []
    one.append([entry("a")])
    assert other.of("a") == [entry("a")]
    other.append([entry("b")])

    later = Journal(tmp_path / "journal")
    assert list(one.entries()) == list(other.entries()) == list(later.entries())
    for journal in (one, other, later):
        journal.close()


def test_an_incomplete_line_is_no_entry(tmp_path: Path) -> None:
    journal, file = Journal(tmp_path / "journal"), tmp_path / "journal"
    journal.append([entry("a"), entry("b")])
    whole = file.read_bytes()
    reader = Journal(tmp_path / "copy")
    (tmp_path / "copy").write_bytes(whole[:-10])
    assert list(reader.entries()) == [entry("a")]
    with (tmp_path / "copy").open("ab") as copy:
        copy.write(whole[-10:])

    assert list(reader.entries()) == [entry("a"), entry("b")]
    journal.close()
    reader.close()


def test_nothing_is_lost_or_torn_when_processes_append_at_once(tmp_path: Path) -> None:
    file = tmp_path / "journal"
    program = f"""
import sys
from pathlib import Path
from tests.delivery.gateways.simulator.test_journal import Journal, entry
journal = Journal(Path({str(file)!r}))
for number in range(200):
    journal.append([entry(f"{{sys.argv[1]}}-{{number}}-{{part}}") for part in range(10)])
"""
    root = Path(__file__).parents[4]
    writers = [
        subprocess.Popen([sys.executable, "-c", program, name], cwd=root) for name in ("a", "b")
    ]

    assert [writer.wait(timeout=60) for writer in writers] == [0, 0]
    journal = Journal(file)
    keys = [one.key for one in journal.entries()]
    for name in ("a", "b"):
        own = [key for key in keys if key.startswith(name)]
        assert own == [f"{name}-{number}-{part}" for number in range(200) for part in range(10)]
    journal.close()
