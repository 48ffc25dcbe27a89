"""The promise: a file of ours that a document names is there, and each room has tests where CONTRIBUTING.md says."""

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
FOLDERS: Final = (
    *("domain", "db", "renderers", "delivery", "resolvers", "schema", "server"),
    *("tests", "console", "scripts", "benchmarks", "docs"),
)
NAMED: Final = re.compile(rf"`((?:{'|'.join(FOLDERS)})/[\w./-]+)")
BUILT: Final = "server/static/"
"""Made by `make console`."""


def test_each_file_that_a_document_names_exists() -> None:
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")]
    missing = [
        f"{document.relative_to(ROOT)}: {name}"
        for document in documents
        for name in NAMED.findall(document.read_text("utf-8"))
        if name != BUILT and not (ROOT / name.rstrip(".")).exists()
    ]

    assert missing == []


TESTED_ELSEWHERE: Final = {
    "schema/roots",
    "schema/types",
    "renderers/fonts",
    "db/migrations/versions",
}
"""CONTRIBUTING.md says where, except for the migrations: the tests of their room run all of them."""


def test_each_room_has_its_tests_in_the_folder_of_its_name() -> None:
    layers = FOLDERS[: FOLDERS.index("tests")]
    rooms = {module.parent for layer in layers for module in (ROOT / layer).rglob("*.py")}
    untested = {
        name
        for name in (room.relative_to(ROOT).as_posix() for room in rooms)
        if not any((ROOT / "tests" / name).rglob("test_*.py"))
    }

    assert untested == TESTED_ELSEWHERE
