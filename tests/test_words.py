"""The promise: what is written here is plain technical English (`CONTRIBUTING.md`), as far as a test can tell."""

import ast
import re
import subprocess
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
LAYERS: Final = ("domain", "db", "renderers", "delivery", "resolvers", "schema", "server")

PRIVATE: Final = re.compile(r"\b(?:whom?ever|t[o]ld|v[e]ils?|B[e]nch|s[i]ghts?)\b")
"""Words of a dialect of our own, which a newcomer had to learn; spelled so that a search does not find them here."""

MOST_WORDS: Final = 30
"""In a sentence of a docstring."""


@cache
def files(*suffixes: str) -> list[Path]:
    """The files of the project, without history, which quotes."""
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.splitlines()
    found = (ROOT / name for name in listed if name.endswith(suffixes) and name != "CHANGELOG.md")
    return [file for file in found if file.exists() and file != Path(__file__)]


def docstrings(tree: ast.Module) -> Iterator[str]:
    """Those of modules, classes and functions, and the texts below a name."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if not isinstance(body, list):
            continue
        for statement in body:
            if (
                isinstance(statement, ast.Expr)
                and isinstance(statement.value, ast.Constant)
                and isinstance(statement.value.value, str)
            ):
                yield statement.value.value


def sentences(text: str) -> Iterator[str]:
    """The sentences of a docstring; an item of a list, a paragraph and what stands in a code block are not joined."""
    text = re.sub(r"(?m)^(?: {4,}|\t).*$", "\n", text) if "\n\n    " in text else text
    for paragraph in re.split(r"\n\s*\n|\n\s*[-*] ", text):
        yield from re.split(r"(?<=[.!?:])\s+", " ".join(paragraph.split()))


def test_no_sentence_of_a_docstring_is_long() -> None:
    long = [
        f"{file.relative_to(ROOT)}: {len(sentence.split())} words: {sentence}"
        for file in files(".py")
        for text in docstrings(ast.parse(file.read_text("utf-8")))
        for sentence in sentences(text)
        if len(sentence.split()) > MOST_WORDS
    ]

    assert long == []


def test_no_word_is_of_a_dialect_of_our_own() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{number}: {line.strip()}"
        for file in files(".py", ".md")
        for number, line in enumerate(file.read_text("utf-8").splitlines(), 1)
        if PRIVATE.search(line)
    ]

    assert found == []


def test_a_class_has_a_name_of_its_own() -> None:
    """But for a type of the contract and the record that it describes."""
    places = defaultdict(list)
    for file in files(".py"):
        layer = file.relative_to(ROOT).parts[0]
        if layer in LAYERS:
            for node in ast.walk(ast.parse(file.read_text("utf-8"))):
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(file.relative_to(ROOT).as_posix())

    twice = {
        name: found
        for name, found in places.items()
        if len([one for one in found if not one.startswith("schema/")]) > 1
    }

    assert twice == {}
