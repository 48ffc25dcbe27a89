"""Clients that others wrote, run by Node.js against a log under a real server.

    result = log.play("graphql_ws", "query", id=log.waiting)

runs the scenario `query` of `programs/graphql_ws.js` and returns its result. The JavaScript file holds the steps of the client, the
test holds the expected result.
"""

import asyncio
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from pydantic import SecretStr
from sqlalchemy import make_url

from db.connect.database import Database
from domain.viewer import Right
from server.auth.issue import make_token
from server.process.app import create_app
from server.settings.settings import Settings
from tests.live_server import serving
from tests.log import NOON, district, email, load, message, recipient, school
from tests.server.auth.signing import SECRET, Clock

HERE: Final = Path(__file__).parent

SENT: Final = 5
"""How many messages of the log have been sent, one an hour; one more waits."""

WAITING: Final = f"message.{SENT + 1}"

DEEP: Final = "{" + "a{" * 60 + "a" + "}" * 61

TOO_DEEP: Final = {
    "message": "The operation has 21 levels, with all fragments put in; 20 are allowed. Ask for less, or in several operations.",
    "extensions": {"code": "TOO_COMPLEX"},
}

NOT_VALID: Final = {
    "message": "Your sign-in is not valid here. Sign in again; if that does not help, ask who manages your account.",
    "extensions": {"code": "UNAUTHENTICATED"},
}

NO_SUCH_FIELD: Final = {
    "message": "Cannot query field 'nothing' on type 'Query'.",
    "extensions": {"code": "GRAPHQL_VALIDATION_FAILED"},
}

NOT_SEEN: Final = {
    "message": "There is no message with this id that you may see.",
    "locations": [{"line": 3, "column": 5}],
    "path": ["messageChanged"],
    "extensions": {"code": "BAD_USER_INPUT"},
}
"""Of a subscriber to a message that does not exist."""

SIGNED_IN: Final = {"data": {"viewer": {"id": "u1"}}}

SUBJECTS: Final = ["Late bus", *(f"Message {number}" for number in range(1, SENT + 1))]
"""Of all messages, the newest first."""

PARTLY_ALLOWED: Final = '{ viewer { id } message(id: "message.1") { id } }'
"""An operation of which somebody without rights gets the first field."""


def changed(status: str) -> dict[str, Any]:
    """The event of a subscriber to the message that waits."""
    return {"data": {"messageChanged": {"id": WAITING, "status": status}}}


def canceled(**more: Any) -> dict[str, Any]:
    """The answer to who cancels the message that waits."""
    message = {"id": WAITING, "status": "CANCELED"} | more
    success = {"__typename": "CancelMessageSuccess", "isNew": True, "canceledMessage": message}
    return {"cancelMessage": success}


@dataclass
class Log:
    """A log that is served, and its clock, which stands still at noon."""

    address: str
    settings: Settings
    clock: Clock

    def authorization(self, *, lasts: timedelta = timedelta(hours=1), rights: Any = Right) -> str:
        """The header of somebody who may do everything, unless a test says otherwise."""
        token = make_token(
            self.settings,
            id="u1",
            name="Administrator, System",
            district="plainview",
            schools=(),
            rights=rights,
            expires_in=lasts,
            now=self.clock(),
        )
        return f"Bearer {token}"

    def play(
        self,
        program: str,
        scenario: str,
        *,
        meanwhile: Callable[[], Any] = lambda: None,
        **values: Any,
    ) -> Any:
        """Run a scenario and return its result. Where the client waits, `meanwhile` is called and its return value is sent to it."""
        request = {
            "http": f"{self.address}/graphql",
            "ws": f"{self.address}/graphql".replace("http", "ws"),
            "authorization": self.authorization(),
            **values,
        }
        with subprocess.Popen(
            ["node", f"{program}.js", scenario],
            cwd=HERE / "programs",
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as client:
            assert client.stdin is not None
            assert client.stdout is not None
            print(json.dumps(request), file=client.stdin, flush=True)
            for line in client.stdout:
                output = json.loads(line)
                if "result" in output:
                    break
                print(json.dumps(meanwhile()), file=client.stdin, flush=True)
            else:
                pytest.fail(f"{program}.js {scenario} sent no result; its output is above")
        assert client.returncode == 0
        return _without_cost(output["result"])


def _without_cost(result: Any) -> Any:
    """The result without `extensions.cost`, which other tests check."""
    if isinstance(result, list):
        return [_without_cost(one) for one in result]
    if not isinstance(result, dict):
        return result
    rest = {name: _without_cost(value) for name, value in result.items()}
    if rest.get("extensions", {}).keys() == {"cost"}:
        del rest["extensions"]
    return rest


@contextmanager
def serving_a_log(folder: Path, template: Path, **set: Any) -> Iterator[Log]:
    """A log in `folder`, in a copy of the migrated database `template`, served with some settings."""
    file = shutil.copy(template, folder / "sentlog.sqlite3")
    url = f"sqlite+aiosqlite:///{file}"
    asyncio.run(_fill(url))
    settings = Settings(
        data_dir=folder,
        database_url=make_url(url),
        jwt_key=SecretStr(SECRET),
        jwt_leeway=0,
        **set,
    )
    clock = Clock(NOON)
    with serving(create_app(settings, clock=clock)) as address:
        yield Log(address, settings, clock)


async def _fill(url: str) -> None:
    people = [recipient("p1", email(), student=("s1", "Parent, Ann"))]

    def sent(number: int) -> bytes:
        at = NOON - timedelta(hours=number)
        return message(f"M-{number}", people, subject=f"Message {number}", created_at=at)

    waiting = message(
        "W-1", people, subject="Late bus", status=None, scheduled_at=NOON + timedelta(hours=1)
    )
    database = Database(url)
    await load(database, district(), school(), *map(sent, range(1, SENT + 1)), waiting)
    await database.dispose()
