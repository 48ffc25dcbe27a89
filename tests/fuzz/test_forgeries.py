"""Forged or altered tokens, callbacks and report links: all are refused, none causes an internal error."""

import base64
import hashlib
import hmac
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from structlog.testing import capture_logs

from db.tables.log import DELIVERY_EVENT
from db.tables.operations import AUDIT, REPORT
from domain.ticket import Ticket, sign
from tests.fuzz.looking import leaks, served, still_answers
from tests.log import NOON
from tests.server.calling import Caller

TOKENS: Final = 100
CALLBACKS: Final = 60
LINKS: Final = 60

KEY: Final = "a key that its owner does not tell"
GATEWAYS: Final = {
    "gateways": {"EMAIL": "mailgun", "VOICE": "twilio", "TEXT": "twilio"},
    "mailgun_domain": "mail.example",
    "mailgun_key": SecretStr(KEY),
    "mailgun_signing_key": SecretStr(KEY),
    "twilio_account_sid": "AC" + "0" * 32,
    "twilio_auth_token": SecretStr(KEY),
    "twilio_from": "+16125550100",
    "public_url": "https://log.example",
}


@pytest.fixture
def caller(tmp_path: Path, sqlite_template: Path) -> Iterator[Caller]:
    file = shutil.copy(sqlite_template, tmp_path / "sentlog.sqlite3")
    with served(tmp_path, f"sqlite+aiosqlite:///{file}", **GATEWAYS) as caller:
        yield caller


def text(some: bytes) -> str:
    return base64.urlsafe_b64encode(some).rstrip(b"=").decode()


def altered(chance: random.Random, good: str) -> str:
    """A text that is another one than it was."""
    while True:
        at = chance.randrange(len(good))
        bad = good[:at] + chance.choice("aZ09-_.=%AAAA") + good[at + chance.randrange(3) :]
        if bad != good:
            return bad


def token_of(chance: random.Random, good: str) -> str:
    """A token that was not signed here."""
    head, claims, seal = good.split(".")
    said = json.loads(base64.urlsafe_b64decode(claims + "=="))
    said |= chance.choice(
        [{"district": "elsewhere"}, {"exp": 2**40}, {"sub": "root"}, {"schools": []}, {"aud": None}]
    )
    other = text(json.dumps(said).encode())
    algorithm = chance.choice(["none", "None", "HS512", "RS256", "hs256", "", None, 5, ["HS256"]])
    header = {"alg": algorithm, "typ": "JWT", "kid": chance.choice([None, "../../x", "\ud800", 5])}
    head_of = text(json.dumps(header).encode())
    forged = hmac.new(b"secret", f"{head}.{other}".encode(), hashlib.sha256).digest()
    return chance.choice(
        [
            altered(chance, good),
            f"{head}.{other}.{seal}",
            f"{head}.{other}.{text(forged)}",
            f"{head_of}.{claims}.",
            f"{head_of}.{claims}.{seal}",
            f"{head}.{claims}",
            f"{head}..{seal}",
            good[: chance.randrange(len(good))],
            good + good,
            text(chance.randbytes(90)),
            ".".join(text(chance.randbytes(30)) for _ in range(3)),
        ]
    )


async def rows(caller: Caller) -> list[Any]:
    """All that could have been changed."""
    database = caller.database()
    async with database.reading() as connection:
        event = [
            (await connection.execute(sa.select(sa.func.count()).select_from(table))).scalar_one()
            for table in (AUDIT, DELIVERY_EVENT, REPORT)
        ]
    await database.dispose()
    return event


async def test_no_token_that_was_altered_opens_anything(caller: Caller) -> None:
    chance = random.Random(7)
    before = await rows(caller)
    with capture_logs() as lines:
        for _ in range(TOKENS):
            token = token_of(chance, caller.token())
            answer = caller.ask("{ viewer { id } }", authorization=f"Bearer {token}")

            assert answer.status_code == 401, (token, answer.text)
            assert "data" not in answer.json()
            assert leaks(answer.text) == []
        still_answers(caller)
    assert await rows(caller) == before
    assert [line for line in lines if line["log_level"] == "error"] == []


def callback_of(chance: random.Random) -> tuple[str, bytes, dict[str, str]]:
    """What a provider would say, but for its seal."""
    seal = chance.choice(["", "0" * 64, text(chance.randbytes(20)), "é", "\x00", "A" * 5_000])
    target = f"/callbacks/twilio/{chance.choice(['', 'voice', 'status/1.1.1', '%00', '1' * 400])}"
    if chance.random() < 0.5:
        form = {"CallSid": "CA1", "CallStatus": "completed", "To": "+16125550177", "x": "\ud83d"}
        body = urlencode({name: value.encode("utf-8", "ignore") for name, value in form.items()})
        headers = {
            "content-type": "application/x-www-form-urlencoded",
            "x-twilio-signature": seal.encode("ascii", "ignore").decode().replace("\x00", ""),
        }
        return target, altered(chance, body).encode(), headers
    sealed: dict[str, object] = {
        "timestamp": chance.choice([str(int(NOON.timestamp())), "x", 9**400, None, []]),
        "token": chance.choice(["0123456789", 5, None, "\ud800"]),
        "signature": chance.choice([seal, 5, None, {"a": 1}]),
    }
    event = json.dumps({"signature": sealed, "event-data": chance.choice([{}, None, [[]], "x"])})
    body = altered(chance, event) if chance.random() < 0.5 else event
    return "/callbacks/mailgun", body.encode(), {"content-type": "application/json"}


async def test_no_callback_without_its_seal_changes_anything(caller: Caller) -> None:
    chance = random.Random(8)
    before = await rows(caller)
    with capture_logs() as lines:
        for _ in range(CALLBACKS):
            target, body, headers = callback_of(chance)
            answer = caller.client.post(target, content=body, headers=headers)

            assert answer.status_code in (403, 404, 406), (target, body, answer.text)
            assert answer.content == b""
        still_answers(caller)
    assert await rows(caller) == before
    assert [line for line in lines if line["log_level"] == "error"] == []


async def test_no_link_that_was_altered_opens_a_report(caller: Caller) -> None:
    chance = random.Random(9)
    made = caller.ask(
        'mutation { createReport(input: {messageId: "message.1", format: CSV, detail: ALL, devices: [EMAIL]})'
        " { ... on CreateReportSuccess { report { id downloadUrl } } } }"
    ).json()["data"]["createReport"]["report"]
    path, _, good = made["downloadUrl"].partition("?ticket=")
    before = await rows(caller)
    with capture_logs() as lines:
        for _ in range(LINKS):
            known = Ticket(chance.choice([1, -1, 2**70]), "u1", 1, None, True, NOON)
            bad = chance.choice(
                [
                    altered(chance, good),
                    good.split(".")[0],
                    "." + good.split(".")[-1],
                    sign(known, chance.randbytes(32)),
                    good.replace(".", ".."),
                    text(chance.randbytes(60)) + "." + text(chance.randbytes(32)),
                    "%00%ff",
                    "x" * 6_000,
                ]
            )
            answer = caller.client.get(path, params={"ticket": bad}, follow_redirects=False)

            assert answer.status_code == 403, (bad, answer.text)
            assert leaks(answer.text) == []
            assert answer.headers["content-type"] == "application/json"
        still_answers(caller)
    assert await rows(caller) == before
    assert [line for line in lines if line["log_level"] == "error"] == []
