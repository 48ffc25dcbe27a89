"""The clients of an installation under load, and what was confirmed to them.

`benchmarks.soak.findings` checks at the end that it exists.
"""

import asyncio
import hashlib
import json
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx2
import orjson
from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException
from websockets.typing import Subprotocol

DISTRICT: Final = "lakeview"
"""The district of the generated history."""

COMES_DUE: Final = timedelta(seconds=90)
"""When a message to cancel is due: if the cancel were lost, it would be sent then."""

SEARCH: Final = """query ($text: String) {
    messages(createdBetween: {from: "2000-01-01", to: "2100-01-01"}, first: 50, filter: {subject: $text}) {
        totalCount nodes { id subject status sender { name } school { name } createdAt }
    }
}"""
OPEN: Final = """query ($id: ID!) { message(id: $id) {
    subject body deliverySummary { totalRecipients totalEmails } recipients(first: 50) { nodes { person { name } deliveries { mode status } } }
} }"""
CANCEL: Final = """mutation ($id: ID!) { cancelMessage(input: {messageId: $id, reason: "It was a mistake."}) {
    ... on CancelMessageSuccess { isNew }
} }"""
REFRESH: Final = """mutation ($id: ID!) { refreshMessage(input: {messageId: $id}) {
    ... on RefreshMessageSuccess { changedDeliveries }
} }"""
REPORT: Final = """mutation ($id: ID!, $format: ReportFormat!) {
    createReport(input: {messageId: $id, devices: [EMAIL], format: $format}) { ... on CreateReportSuccess { report { id } } }
}"""
READ: Final = "query ($id: ID!) { node(id: $id) { ... on Report { status failure downloadUrl byteSize sha256 } } }"
FIND: Final = """query ($subject: String!) {
    messages(createdBetween: {from: "2000-01-01", to: "2100-01-01"}, first: 1, filter: {subject: $subject}) { nodes { id } }
}"""
WATCH: Final = "subscription ($id: ID!) { messageChanged(id: $id) { status revision } }"


def utc_now() -> datetime:
    """Return the current instant."""
    return datetime.now(UTC)


@dataclass
class Kept:
    """What was confirmed to clients, and must exist at the end."""

    messages: dict[str, int] = field(default_factory=dict)
    """Each ingested message, and its number of recipients."""
    canceled: dict[str, datetime] = field(default_factory=dict)
    reports: set[str] = field(default_factory=set)
    downloads: int = 0


class Clients:
    """The clients, with counts of their requests."""

    def __init__(self, addresses: list[str], token: str, *, chance: random.Random) -> None:
        self.addresses = addresses
        self.kept = Kept()
        self.done: Counter[str] = Counter()
        self.cut: Counter[str] = Counter()
        """Requests whose connection was reset, or refused during a restart."""
        self.faults: list[str] = []
        self.longest: Counter[str] = Counter()
        """Milliseconds."""
        self.token = token
        self._chance = chance
        self.ids: list[str] = []
        self._http = httpx2.AsyncClient(
            headers={"authorization": f"Bearer {token}"}, timeout=httpx2.Timeout(60.0)
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def ask(self, what: str, document: str, **variables: Any) -> Any:
        """Return the data of a response; None if the connection was reset or the request refused."""
        answer = await self._send(
            what, "POST", "/graphql", json={"query": document, "variables": variables}
        )
        if answer is None:
            return None
        result = answer.json()
        if result.get("errors"):
            self.faults.append(f"{what}: {answer.status_code} {json.dumps(result['errors'])[:300]}")
            return None
        self.done[what] += 1
        return result["data"]

    async def _send(self, what: str, method: str, path: str, **rest: Any) -> httpx2.Response | None:
        address = self._chance.choice(self.addresses)
        began = time.perf_counter()
        try:
            answer = await self._http.request(method, address + path, **rest)
        except httpx2.TransportError as error:
            self.cut[what] += 1
            if address == self.addresses[0]:  # this server is never killed
                self.faults.append(f"{what}: {error!r} of the server that lives")
            return None
        took = round((time.perf_counter() - began) * 1_000)
        self.longest[what] = max(self.longest[what], took)
        if answer.status_code >= 500:
            self.faults.append(f"{what}: {answer.status_code} {answer.text[:300]}")
            return None
        return answer

    # Their actions

    async def search(self) -> None:
        word = self._chance.choice(["", "bus", "school", "lunch", "soak"])
        data = await self.ask("search", SEARCH, text=word or None)
        if data and not word:
            self.ids = [node["id"] for node in data["messages"]["nodes"]]

    async def open(self) -> None:
        if self.ids:
            await self.ask("open", OPEN, id=self._chance.choice(self.ids))

    async def refresh(self) -> None:
        if self.ids:
            await self.ask("refresh", REFRESH, id=self._chance.choice(self.ids))

    async def apply_receipts(self, *, after: timedelta = timedelta()) -> str | None:
        """Ingest a message; return its subject, for a search."""
        name = f"soak {self._chance.randrange(10**12)}"
        recipients = self._chance.randint(1, 40)
        body = b"".join(live(name, recipients, due=utc_now() + after))
        answer = await self._send(
            "ingest",
            "POST",
            "/ingest",
            content=body,
            headers={"content-type": "application/x-ndjson"},
        )
        if answer is None or answer.status_code != 200:
            if answer is not None:
                self.faults.append(f"ingest: {answer.status_code} {answer.text[:300]}")
            return None
        self.kept.messages[name] = recipients
        self.done["ingest"] += 1
        return name

    async def cancel(self) -> None:
        name = await self.apply_receipts(after=COMES_DUE)
        found = name and await self.ask("find", FIND, subject=name)
        if not found or not found["messages"]["nodes"]:
            return
        id = found["messages"]["nodes"][0]["id"]
        data = await self.ask("cancel", CANCEL, id=id)
        if data and "isNew" in data["cancelMessage"]:
            self.kept.canceled[id] = utc_now()

    async def report(self) -> None:
        if not self.ids:
            return
        format = self._chance.choice(["CSV", "PDF", "XLSX", "DOCX"])
        data = await self.ask("report", REPORT, id=self._chance.choice(self.ids), format=format)
        if data and data["createReport"].get("report"):
            self.kept.reports.add(data["createReport"]["report"]["id"])
            await self.fetch(data["createReport"]["report"]["id"])

    async def fetch(self, id: str) -> bool:
        """Wait for a report and download its file; return whether the file is correct."""
        for _ in range(240):
            data = await self.ask("report read", READ, id=id)
            report = data and data["node"]
            if report and report["status"] == "FAILED":
                self.faults.append(f"report {id}: {report['failure']}")
                return False
            if report and report["status"] == "READY":
                answer = await self._send("download", "GET", report["downloadUrl"])
                if answer is not None and answer.status_code == 200:
                    if hashlib.sha256(answer.content).hexdigest() != report["sha256"]:
                        self.faults.append(f"report {id}: other bytes than were made")
                        return False
                    self.done["download"] += 1
                    self.kept.downloads += 1
                    return True
            await asyncio.sleep(0.5)
        return False

    async def watch_frames(self) -> None:
        """Watch a message over WebSocket for a while, or until the connection is reset."""
        address = self._chance.choice(self.addresses).replace("http", "ws") + "/graphql"
        try:
            async with connect(
                address, subprotocols=[Subprotocol("graphql-transport-ws")], open_timeout=30
            ) as line:
                init = {"Authorization": f"Bearer {self.token}"}
                await line.send(json.dumps({"type": "connection_init", "payload": init}))
                await line.recv()
                payload = {"query": WATCH, "variables": {"id": self._chance.choice(self.ids)}}
                await line.send(json.dumps({"type": "subscribe", "id": "1", "payload": payload}))
                with suppress(TimeoutError):
                    async with asyncio.timeout(self._chance.uniform(1, 15)):
                        while True:
                            message = json.loads(await line.recv())
                            if message["type"] == "next":
                                self.done["event by WebSocket"] += 1
                            elif message["type"] == "error":
                                self.faults.append(f"WebSocket: {message}")
        except (OSError, WebSocketException):
            self.cut["WebSocket"] += 1

    async def watch_events(self) -> None:
        """Watch a message over SSE."""
        address = self._chance.choice(self.addresses) + "/graphql"
        asked = {"query": WATCH, "variables": {"id": self._chance.choice(self.ids)}}
        with suppress(TimeoutError):
            try:
                async with (
                    asyncio.timeout(self._chance.uniform(1, 15)),
                    self._http.stream(
                        "POST", address, json=asked, headers={"accept": "text/event-stream"}
                    ) as stream,
                ):
                    if stream.status_code != 200:
                        self.faults.append(f"events: {stream.status_code}")
                    async for line in stream.aiter_lines():
                        self.done["event of a stream"] += line.startswith("event: next")
            except httpx2.TransportError:
                self.cut["stream"] += 1

    async def go_on(self, act: Callable[[], Awaitable[Any]], *, pause: float) -> None:
        """Repeat an action."""
        while True:
            await act()
            await asyncio.sleep(self._chance.uniform(0, 2 * pause))


def live(name: str, recipients: int, *, due: datetime) -> Iterator[bytes]:
    """Yield the lines of a message to send."""

    def line(kind: str, **fields: object) -> bytes:
        return orjson.dumps({"kind": kind} | fields, option=orjson.OPT_APPEND_NEWLINE)

    yield line(
        "message",
        id=name,
        district=DISTRICT,
        type={"code": "E", "label": "Emergency"},
        subject=name,
        body="School is cancelled due to weather.",
        bodyFormat="PLAIN",
        sender={"id": "u", "name": "Administrator"},
        createdAt=utc_now().isoformat(),
        scheduledAt=due.isoformat(),
        source="TEMPLATE",
        modes=["EMAIL"],
    )
    for person in range(recipients):
        yield line(
            "recipient",
            message=name,
            person={"id": f"soak{person}", "name": f"Parent {person}"},
            devices=[{"mode": "EMAIL", "address": f"soak{person}@mail.example"}],
        )
    yield line("end", message=name)
