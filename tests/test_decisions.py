"""The index of the decisions lists each one, with the title, the date and the status of its file, and explains gaps."""

import re
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parents[1] / "docs" / "adr"
HEAD: Final = re.compile(
    r"# (?P<number>\d+)\. (?P<title>.+)\n\nDate: (?P<date>\d{4}-\d\d-\d\d)\. Status: (?P<status>.+)\.\n\n"
)


def test_the_index_has_a_line_for_each_decision() -> None:
    lines = []
    for file in sorted(FOLDER.glob("[0-9]*.md")):
        head = HEAD.match(file.read_text("utf-8"))
        assert head is not None, f"{file.name} does not begin with number, title, date and status"
        assert file.name.startswith(f"{int(head['number']):04}-")
        lines.append(
            f"| [{head['number']}]({file.name}) | {head['title']} | {head['date']} | {head['status']} |"
        )

    index = (FOLDER / "README.md").read_text("utf-8").splitlines()

    assert [line for line in index if line.startswith("| [")] == lines


def test_the_index_explains_each_number_once() -> None:
    """A number has a file, is merged into another decision, or was never used."""
    index = (FOLDER / "README.md").read_text("utf-8")
    decisions = [int(number) for number in re.findall(r"^\| \[?(\d+)", index, re.MULTILINE)]
    unused = re.search(r"never used: (.+)\.$", index, re.MULTILINE)
    assert unused is not None
    gaps = [
        number
        for first, last in re.findall(r"(\d+)(?: to (\d+))?", unused[1])
        for number in range(int(first), int(last or first) + 1)
    ]

    assert sorted([*decisions, *gaps]) == list(range(1, decisions[-1] + 1))


def test_every_link_between_decisions_leads_to_one() -> None:
    for file in FOLDER.glob("*.md"):
        for target in re.findall(r"\]\((\d{4}-[^)]+)\)", file.read_text("utf-8")):
            assert (FOLDER / target).exists(), f"{file.name}: {target}"
