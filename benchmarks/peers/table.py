"""What was measured, as tables in Markdown. Nothing is measured here."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from benchmarks.peers.measuring import Key, Result
from benchmarks.peers.servers import JSON, OURS, POSTGRAPHILE, ROWS, STOCK, YOGA

Results = Mapping[Key, Result]

FLOORS: Final = (ROWS, JSON)
AT_ONCE: Final = 8
"""How many clients ask where answers a second are compared."""


class Limit(NamedTuple):
    """What a ratio of ours must be: `peer`, of what, and the bound for each kind of row."""

    title: str
    other: str
    is_latency: bool


LIMITS: Final = (
    Limit("latency ÷ PostGraphile", POSTGRAPHILE, True),
    Limit("latency ÷ yoga + jit", YOGA, True),
    Limit("latency ÷ floor", ROWS, True),
    Limit("latency ÷ stock", STOCK, True),
    Limit("answers/s ÷ PostGraphile", POSTGRAPHILE, False),
    Limit("answers/s ÷ yoga + jit", YOGA, False),
)


def names(results: Results) -> Sequence[str]:
    """The servers, in the order in which they were first measured."""
    return list(dict.fromkeys(key.server for key in results))


def questions(results: Results) -> Sequence[str]:
    """The questions, in their order."""
    return list(dict.fromkeys(key.case for key in results))


def tables(results: Results) -> Iterator[str]:
    """Lines: one table for each number of clients."""
    for clients in sorted({key.clients for key in results}):
        several = "one client" if clients == 1 else f"{clients} clients at once"
        yield f"### {several[0].upper()}{several[1:]}\n"
        yield from _table(
            results,
            clients,
            lambda found: f"{_told(found.median)} ({_told(found.p99)}) {_told(found.a_second)}",
        )
        yield ""


def _table(results: Results, clients: int, cell: Callable[[Result], str]) -> Iterator[str]:
    servers = names(results)
    yield f"| | {' | '.join(servers)} |"
    yield f"| --- |{' ---: |' * len(servers)}"
    for question in questions(results):
        found = [results.get(Key(server, question, clients)) for server in servers]
        if any(found):
            yield f"| {question} | {' | '.join(cell(one) if one else '' for one in found)} |"


def ratios(results: Results) -> Iterator[str]:
    """Lines: ours beside each other one; latency of one client, answers a second of eight."""
    yield f"| | {' | '.join(limit.title for limit in LIMITS)} |"
    yield f"| --- |{' ---: |' * len(LIMITS)}"
    for question in questions(results):
        yield f"| {question} | {' | '.join(_ratio(results, question, one) for one in LIMITS)} |"


def _ratio(results: Results, question: str, limit: Limit) -> str:
    clients = 1 if limit.is_latency else AT_ONCE
    ours = results.get(Key(OURS, question, clients))
    other = results.get(Key(limit.other, question, clients))
    if ours is None or other is None:
        return ""
    if limit.is_latency:
        return f"{ours.median / other.median:.2f}"
    return f"{ours.a_second / other.a_second:.2f}"


def growth(small: Results, large: Results) -> Iterator[str]:
    """Lines: how many times as long each server takes in the large log as in the small one, one client."""
    servers = names(large)
    yield f"| | {' | '.join(servers)} |"
    yield f"| --- |{' ---: |' * len(servers)}"
    # The deep page is another one in each, and has another name.
    for before, after in zip(questions(small), questions(large), strict=True):
        cells = []
        for server in servers:
            first, second = small.get(Key(server, before, 1)), large.get(Key(server, after, 1))
            cells.append(f"{second.median / first.median:.2f}" if first and second else "")
        yield f"| {after} | {' | '.join(cells)} |"


def per_row(results: Results, sizes: Iterable[int]) -> Iterator[str]:
    """Lines: microseconds that each row of a list takes, by the size of the list."""
    servers = names(results)
    yield f"| | {' | '.join(servers)} |"
    yield f"| --- |{' ---: |' * len(servers)}"
    for size in sizes:
        question = f"list of {size:,}"
        found = [results.get(Key(server, question, 1)) for server in servers]
        cells = (f"{one.median * 1_000 / size:.1f}" if one else "" for one in found)
        yield f"| {question} | {' | '.join(cells)} |"


def _told(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
