"""The promise: a file of ours that a document names is there."""

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
