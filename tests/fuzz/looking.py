"""A log with distinctive names, and the texts that no response may contain."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from httpx2 import Client
from pydantic import SecretStr
from sqlalchemy import make_url
from starlette.testclient import TestClient

from db.connect.database import Database
from server.process.app import create_app
from server.process.protocols import limits_of
from server.settings.settings import Settings
from tests.live_server import serving
from tests.log import NOON, district, email, inbox, load, message, recipient, school, text, voice
from tests.server.auth.signing import SECRET, Clock
from tests.server.calling import Caller

NAMES: Final = ("Quillfeather", "Marrowby", "zzyxmail", "5550177")
"""Of a recipient, a student, an address and a phone number."""

_INSIDES: Final = re.compile(
    r"Traceback|\.py\b|site-packages|sqlalchemy|sqlite3?\b|psycopg|postgres|\bSELECT\b|\bINSERT\b|\bUPDATE\b|\bFROM\b"
    r"|object at 0x|Error\(|Exception",
)


def leaks(shown: str, *, words: tuple[str, ...] = NAMES) -> list[str]:
    """What an answer holds that it must not: the insides of the server, or `words`."""
    return [*_INSIDES.findall(shown), *(word for word in words if word in shown)]


async def _fill(url: str) -> None:
    database = Database(url)
    people = [
        recipient(
            f"p{number}",
            inbox(f"q{number}"),
            email(f"parent{number}@zzyxmail.example"),
            voice(f"+1612555017{number}"),
            text(f"+1612555017{number}"),
            name=f"Quillfeather, Parent {number}",
            student=(f"s{number}", f"Marrowby, Student {number}"),
        )
        for number in (7, 8)
    ]
    await load(
        database,
        district(),
        school(),
        *(
            message(f"M-{number}", people, school="harrison-high", subject=f"Late bus {number}")
            for number in range(5)
        ),
        message("M-9", people, status=None, scheduled_at=NOON + timedelta(days=1)),
        now=NOON,
    )
    await database.dispose()


def settings_of(folder: Path, url: str, **said: Any) -> tuple[Settings, Clock]:
    """The settings of a log that is filled, and its clock. Nobody's budget runs out."""
    asyncio.run(_fill(url))
    settings = Settings(data_dir=folder, database_url=make_url(url), jwt_key=SecretStr(SECRET))
    much = {"budget_capacity": 10**12, "budget_per_second": 10**9}
    return settings.model_copy(update={**much, **said}), Clock(NOON)


@contextmanager
def called(folder: Path, url: str) -> Iterator[Caller]:
    """The application, called in this process."""
    settings, clock = settings_of(folder, url)
    app = create_app(settings, clock=clock)
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        yield Caller(client, settings, clock)


@contextmanager
def served(folder: Path, url: str, **said: Any) -> Iterator[Caller]:
    """The application under a real server."""
    settings, clock = settings_of(folder, url, **said)
    app = create_app(settings, clock=clock)
    with serving(app, limits_of(settings)) as address, Client(base_url=address) as client:
        yield Caller(client, settings, clock)


def still_answers(caller: Caller) -> None:
    """The server is as well as before."""
    answer = caller.ask("{ viewer { id } }")
    assert (answer.status_code, answer.json()["data"]) == (200, {"viewer": {"id": "u1"}})
