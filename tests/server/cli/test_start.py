"""Serving imports what it needs at the start: a server process imports no renderer."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import orjson

ROOT: Final = Path(__file__).parents[3]

ELSEWHERE: Final = frozenset(
    {
        "PIL",  # fpdf2's
        "boto3",
        "docx",
        "fontTools",
        "fpdf",
        "hypothesis",
        "numpy",
        "obstore",
        "openpyxl",
        "pytest",
        "uharfbuzz",
    }
)
"""What files are made with, stored far away, or tested: imported where they are used."""

SERVES: Final = """
import sys
from server.process.app import create_app
from server.settings.settings import Settings
import server.cli.main

create_app(Settings.from_environment({"SENTLOG_DATA_DIR": sys.argv[1], "SENTLOG_JWT_KEY": "k" * 64}))
import orjson
sys.stdout.buffer.write(orjson.dumps(sorted(sys.modules)))
"""

MOST: Final = 1_900
"""Modules, on all systems and releases of Python that the suite runs with; each takes memory in each process."""


def test_a_process_that_serves_imports_nothing_that_makes_files(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SERVES, str(tmp_path)], cwd=ROOT, check=True, capture_output=True
    )
    modules: list[str] = orjson.loads(ran.stdout)

    assert ELSEWHERE.intersection(name.partition(".")[0] for name in modules) == set()
    # What a report says and how its texts are read: no font, and no library of a format.
    assert {name for name in modules if name.startswith("renderers.")} <= {
        "renderers.cells",
        "renderers.document",
        "renderers.stand_ins",
        "renderers.texts",
    }
    assert len(modules) < MOST
