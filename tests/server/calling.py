"""The whole application for a client, on SQLite with a small log and a fixed clock."""

import asyncio
import json
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from httpx2 import Client, Response
from pydantic import SecretStr
from sqlalchemy import make_url
from starlette.testclient import TestClient

from db.connect.database import Database
from domain.viewer import Right
from server.auth.issue import make_token
from server.process.app import create_app
from server.process.protocols import limits_of
from server.settings.settings import Settings
from tests.live_server import serving
from tests.log import NOON, district, load, message, recipient, school
from tests.server.auth.signing import SECRET, Clock

JSON = "application/json"


@dataclass
class Caller:
    """Somebody who calls the application; signed in, unless a test says otherwise."""

    client: Client
    settings: Settings
    clock: Clock

    def token(self, *, rights: Iterable[Right] = tuple(Right), **said: Any) -> str:
        """A token that is good for an hour."""
        return make_token(
            self.settings,
            id=said.get("id", "u1"),
            name="Administrator, System",
            district=said.get("district", "plainview"),
            schools=said.get("schools", ()),
            rights=rights,
            expires_in=timedelta(hours=1),
            now=self.clock(),
        )

    def post(
        self,
        body: bytes | str,
        *,
        path: str = "/graphql",
        content_type: str | None = JSON,
        authorization: str | None = "",
        **headers: str,
    ) -> Response:
        """The answer to a body, as it is sent."""
        said = {
            "content-type": content_type,
            "authorization": f"Bearer {self.token()}" if authorization == "" else authorization,
            **headers,
        }
        present = {name: value for name, value in said.items() if value is not None}
        return self.client.post(path, content=body, headers=present)

    def ask(self, document: str, variables: Any = None, **rest: Any) -> Response:
        """The answer to an operation."""
        return self.post(json.dumps({"query": document, "variables": variables}), **rest)

    def database(self) -> Database:
        """A `Database` of the test's own at the same URL; dispose of it."""
        return Database(self.settings.database_url.render_as_string())


@contextmanager
def calling(folder: Path, template: Path, **said: Any) -> Iterator[Caller]:
    """The application on a copy of the migrated database `template`, in `folder`, with some settings."""
    settings, clock = filled(folder, template)
    settings = settings.model_copy(update=said)
    app = create_app(settings, clock=clock)
    with TestClient(app, raise_server_exceptions=False, follow_redirects=False) as client:
        yield Caller(client, settings, clock)


@contextmanager
def calling_a_server(folder: Path, template: Path, **said: Any) -> Iterator[Caller]:
    """The same under a real server; `client.base_url` is where it listens."""
    settings, clock = filled(folder, template)
    settings = settings.model_copy(update=said)
    with (
        serving(create_app(settings, clock=clock), limits_of(settings)) as address,
        Client(base_url=address) as client,
    ):
        yield Caller(client, settings, clock)


def filled(folder: Path, template: Path) -> tuple[Settings, Clock]:
    """The settings of a small log in `folder`, a copy of `template` with one message in it, and its clock."""
    file = shutil.copy(template, folder / "sentlog.sqlite3")
    url = f"sqlite+aiosqlite:///{file}"

    async def fill() -> None:
        database = Database(url)
        people = [recipient("p1")]
        await load(
            database, district(), school(), message(recipients=people, school="harrison-high")
        )
        await database.dispose()

    asyncio.run(fill())
    settings = Settings(data_dir=folder, database_url=make_url(url), jwt_key=SecretStr(SECRET))
    return settings, Clock(NOON)


def body_of(answer: Response) -> dict[str, Any]:
    """What an answer says, but for what it cost."""
    said: dict[str, Any] = answer.json()
    said.pop("extensions", None)
    return said


def error(message: str, code: str) -> dict[str, Any]:
    """An answer that refuses."""
    return {"errors": [{"message": message, "extensions": {"code": code}}]}
