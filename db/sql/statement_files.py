"""Statements that are kept in `.sql` files, as they can be pasted into psql or the shell of sqlite3."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

_NOTE: Final = re.compile(r"^-- (\w+): (\w+)$", re.MULTILINE)
_COMMENT: Final = re.compile(r"^--.*\n?", re.MULTILINE)


class FileStatement(NamedTuple):
    """A statement without its comments, and the notes above it: lines such as `-- analyze: recipient`."""

    text: str
    notes: Mapping[str, str]


def read_statements(path: Path) -> Sequence[FileStatement]:
    """Return the statements of a file, in order. Each ends with a semicolon at the end of a line."""
    parts = path.read_text("utf-8").split(";\n")
    assert not parts[-1].strip(), f"{path.name} ends with a statement that has no semicolon"
    return [
        FileStatement(_COMMENT.sub("", part).strip(), dict(_NOTE.findall(part)))
        for part in parts[:-1]
    ]
