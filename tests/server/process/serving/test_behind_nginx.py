"""Behind a real reverse proxy with a path prefix, which it removes or passes on: all routes work."""

import asyncio
import hmac
import json
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlencode, urljoin

import pytest
import websockets
from httpx2 import Client
from pydantic import SecretStr
from sqlalchemy import select

from db.connect.database import Database
from db.tables.operations import AUDIT
from domain.status import DeliveryMode
from tests.nginx import PREFIX, WAYS, Nginx
from tests.server.calling import Caller, body_of, calling_a_server

AUTH_TOKEN: Final = "12345"

CLIENT: Final = "198.51.100.7"
"""Where the test says that it comes from, as a proxy before nginx would."""

CREATE: Final = """mutation { createReport(input: {messageId: "message.1", devices: [NO_DEVICE], format: CSV}) {
    ... on CreateReportSuccess { report { downloadUrl } } } }"""

WATCH: Final = 'subscription { messageChanged(id: "message.1") { id } }'


@pytest.fixture(scope="module", params=WAYS, ids=str)
def caller(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    sqlite_template: Path,
) -> Iterator[Caller]:
    """Somebody who calls the application through nginx."""
    folder = tmp_path_factory.mktemp("nginx")
    nginx = Nginx(folder)
    with (
        calling_a_server(
            folder,
            sqlite_template,
            public_url=nginx.public_url,
            gateways={DeliveryMode.TEXT: "twilio"},
            twilio_account_sid="AC1",
            twilio_auth_token=SecretStr(AUTH_TOKEN),
            twilio_from="+16125550100",
        ) as direct,
        nginx.before(str(direct.client.base_url).rstrip("/"), request.param) as address,
        Client(base_url=address, headers={"x-forwarded-for": CLIENT}) as client,
    ):
        yield Caller(client, direct.settings, direct.clock)


def test_everything_is_found_below_the_prefix(caller: Caller) -> None:
    assert body_of(caller.ask("{ viewer { id } }")) == {"data": {"viewer": {"id": "u1"}}}
    for path in ("/healthz", "/readyz"):
        assert caller.client.get(path).status_code == 200
    assert caller.client.get("/nothing").status_code == 404


def test_redirects_stay_below_the_prefix(caller: Caller) -> None:
    for path in ("/", "/graphiql"):
        answer = caller.client.get(path)
        assert answer.status_code == 307
        assert urljoin(str(answer.url), answer.headers["location"]) == (
            f"{caller.client.base_url}graphiql/"
        )
    # Starlette's own redirect names the host.
    answer = caller.client.get("/graphql/")
    assert (answer.status_code, answer.headers["location"]) == (
        307,
        f"{caller.client.base_url}graphql",
    )


def test_a_link_to_a_report_leads_to_it(caller: Caller) -> None:
    report = body_of(caller.ask(CREATE))["data"]["createReport"]["report"]
    assert report["downloadUrl"].startswith(f"{PREFIX}/reports/report.1?ticket=")
    answer = caller.client.get(urljoin(str(caller.client.base_url), report["downloadUrl"]))
    assert answer.status_code in (200, 202)


def test_the_audit_has_the_address_of_the_client(caller: Caller) -> None:
    caller.ask(CREATE)

    async def origins() -> set[str]:
        database = Database(caller.settings.database_url.render_as_string())
        async with database.reading() as connection:
            found = set(await connection.scalars(select(AUDIT.c.origin)))
        await database.dispose()
        return found

    assert asyncio.run(origins()) == {CLIENT}


@pytest.mark.parametrize(("changed", "status"), [("", 200), ("x", 403)])
def test_a_provider_signs_the_public_address(caller: Caller, changed: str, status: int) -> None:
    fields = {"MessageSid": "SM" + "0" * 32, "From": "+16125550101", "Body": "hello"}
    url = f"{caller.client.base_url}callbacks/twilio/incoming"
    signed = url + changed + "".join(name + value for name, value in sorted(fields.items()))
    signature = b64encode(hmac.digest(AUTH_TOKEN.encode(), signed.encode(), "sha1")).decode()
    answer = caller.client.post(
        "/callbacks/twilio/incoming",
        content=urlencode(fields),
        headers={
            "content-type": "application/x-www-form-urlencoded",
            "x-twilio-signature": signature,
        },
    )
    assert answer.status_code == status


def test_events_come_over_a_stream(caller: Caller) -> None:
    headers = {"authorization": f"Bearer {caller.token()}", "accept": "text/event-stream"}
    with caller.client.stream("POST", "/graphql", json={"query": WATCH}, headers=headers) as answer:
        event = next(line for line in answer.iter_lines() if line.startswith("data: {"))
    assert json.loads(event.removeprefix("data: "))["data"] == {
        "messageChanged": {"id": "message.1"}
    }


def test_events_come_over_a_websocket_that_a_page_of_the_public_address_opens(
    caller: Caller,
) -> None:
    async def first() -> object:
        base = str(caller.client.base_url)
        async with websockets.connect(
            f"{base.replace('http', 'ws', 1)}graphql",
            subprotocols=[websockets.Subprotocol("graphql-transport-ws")],
            origin=websockets.Origin(base.removesuffix(f"{PREFIX}/")),
            proxy=None,
        ) as socket:
            payload = {"Authorization": f"Bearer {caller.token()}"}
            await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
            assert json.loads(await socket.recv())["type"] == "connection_ack"
            await socket.send(
                json.dumps({"id": "1", "type": "subscribe", "payload": {"query": WATCH}})
            )
            return json.loads(await socket.recv())["payload"]["data"]

    assert asyncio.run(first()) == {"messageChanged": {"id": "message.1"}}
