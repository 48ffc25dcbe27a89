"""Runs the measurements: all servers alternate with each question.

`benchmarks.peers.servers` starts the servers. Only the progress is printed.
"""

import base64
import random
import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from http.client import HTTPConnection
from typing import Any, Final, NamedTuple

import orjson

from benchmarks.peers import cases
from benchmarks.peers.answers import common
from benchmarks.peers.cases import Case, Dialect
from benchmarks.peers.database import Log, key_at
from benchmarks.peers.load import Load, Refused, drive, request
from benchmarks.peers.servers import Running

WARM: Final = 0.4
"""Seconds of load before the first measurement, to warm up compilers, pools and caches."""


class Result(NamedTuple):
    """The result of one server for one question: milliseconds, answers per second, and how busy the load was at most."""

    median: float
    p99: float
    a_second: float
    load: float


class Key(NamedTuple):
    """The key of a result: server, question and number of clients."""

    server: str
    case: str
    clients: int


class Measurement:
    """The servers on one log, and a token for them."""

    def __init__(self, log: Log, running: Sequence[Running], *, token: str) -> None:
        self._log = log
        self._running = running
        self._token = token
        self._cursors = self._deep_cursors()

    def _ask(self, server: Running, body: Mapping[str, object]) -> Any:
        connection = HTTPConnection("127.0.0.1", server.port, timeout=120)
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }
        connection.request("POST", "/graphql", orjson.dumps(body), headers)
        answered = connection.getresponse().read()
        connection.close()
        return orjson.loads(answered)

    def _deep_cursors(self) -> Mapping[Dialect, str]:
        """The cursor before the deep page, by dialect."""
        depth = cases.depth(self._log.messages)
        key = orjson.dumps(key_at(self._log, depth - 1)).decode()
        by_dialect = {each.server.dialect: each for each in self._running}
        cursors = {
            Dialect.FLOOR: key,
            Dialect.YOGA: base64.urlsafe_b64encode(key.encode()).decode().rstrip("="),
        }
        if peer := by_dialect.get(Dialect.POSTGRAPHILE):
            answer = self._ask(peer, cases.postgraphile_cursor(depth - 1))
            cursors[Dialect.POSTGRAPHILE] = answer["data"]["allMessages"]["edges"][0]["cursor"]
        if ours := by_dialect.get(Dialect.SENTLOG):
            cursors[Dialect.SENTLOG] = self._walked(ours, depth)
        return cursors

    def _walked(self, server: Running, depth: int) -> str:
        """Return our cursor, which only the previous page has."""
        after: str | None = None
        while depth:
            step = min(depth, cases.WALK)
            answer = self._ask(server, cases.to_depth(step, after))
            after = answer["data"]["messages"]["pageInfo"]["endCursor"]
            depth -= step
        assert after is not None
        return after

    def _body(self, case: Case, dialect: Dialect) -> Mapping[str, object]:
        return cases.request_body(case, dialect, self._cursors[dialect] if case.is_deep else None)

    def compare(self, chosen: Iterable[Case]) -> None:
        """Exit unless all servers give the same answer to each question."""
        for case in chosen:
            answers = {}
            for each in self._running:
                dialect = each.server.dialect
                answers[each.server.name] = common(
                    self._ask(each, self._body(case, dialect)), case, dialect
                )
            first, *others = answers
            for name in others:
                if answers[name] != answers[first]:
                    sys.exit(
                        f"{name} and {first} answer {case.name!r} differently:\n"
                        f"{str(answers[name])[:1_500]}\n{str(answers[first])[:1_500]}"
                    )

    def measure(
        self, chosen: Sequence[Case], clients: Sequence[int], *, rounds: int, seconds: float
    ) -> dict[Key, Result]:
        """Return the result of each server for each question, with this many clients."""
        results = {}
        for case in chosen:
            for count in clients:
                print(f"{case.name}, {count} at once", file=sys.stderr, flush=True)
                loads = self._in_turn(case, count, rounds=rounds, seconds=seconds)
                for name, own in loads.items():
                    results[Key(name, case.name, count)] = _result(own)
        return results

    def _in_turn(
        self, case: Case, clients: int, *, rounds: int, seconds: float
    ) -> Mapping[str, Sequence[Load]]:
        loads: dict[str, list[Load]] = {each.server.name: [] for each in self._running}
        requests = {
            each.port: request(orjson.dumps(self._body(case, each.server.dialect)), self._token)
            for each in self._running
        }
        for round in range(rounds + 1):
            order = random.Random(round).sample(self._running, len(self._running))
            for server in order:
                name = server.server.name
                try:
                    load = drive(
                        server.port,
                        requests[server.port],
                        clients=clients,
                        seconds=seconds if round else WARM,
                    )
                except Refused as refused:
                    sys.exit(f"{name} did not answer {case.name!r}: {refused}")
                if round:
                    loads[name].append(load)
        return loads


def _result(loads: Sequence[Load]) -> Result:
    latencies = sorted(1_000 * latency for load in loads for latency in load.latencies)
    return Result(
        statistics.median(latencies),
        latencies[len(latencies) * 99 // 100],
        len(latencies) / sum(load.seconds for load in loads),
        max(load.busy / load.seconds for load in loads),
    )
