"""Inputs from the field with the right result, one JSON object a line, in ASCII so that invisible characters show."""

import json
from pathlib import Path
from typing import Any


def cases(name: str) -> list[dict[str, Any]]:
    """The cases of one file, in their order."""
    text = (Path(__file__).parent / f"{name}.jsonl").read_text("ascii")
    return [json.loads(line) for line in text.splitlines()]
