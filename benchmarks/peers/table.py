"""Formats the results as tables in Markdown."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from benchmarks.peers.measuring import Key, Result
from benchmarks.peers.servers import JSON, OURS, POSTGRAPHILE, ROWS, STOCK, YOGA

Results = Mapping[Key, Result]

FLOORS: Final = (ROWS, JSON)
AT_ONCE: Final = 8
"""The number of clients when answers per second are compared."""


class Limit(NamedTuple):
    """A required ratio: `peer`, the figure, and the bound for each kind of row."""

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
    """Return the servers in the order of their first measurement."""
    return list(dict.fromkeys(key.server for key in results))


def questions(results: Results) -> Sequence[str]:
    """Return the questions in order."""
    return list(dict.fromkeys(key.case for key in results))


def tables(results: Results) -> Iterator[str]:
    """Yield lines: one table for each number of clients."""
    for clients in sorted({key.clients for key in results}):
        several = "one client" if clients == 1 else f"{clients} clients at once"
        yield f"### {several[0].upper()}{several[1:]}\n"
        yield from _table(
            results,
            clients,
            lambda found: f"{_text(found.median)} ({_text(found.p99)}) {_text(found.a_second)}",
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
    """Yield lines: our ratios to each other server; latency of one client, answers per second of eight."""
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
    """Yield lines: the ratio of the times in the large log and in the small one, with one client."""
    servers = names(large)
    yield f"| | {' | '.join(servers)} |"
    yield f"| --- |{' ---: |' * len(servers)}"
    # The deep page differs between the logs, and so does its name.
    for before, after in zip(questions(small), questions(large), strict=True):
        cells = []
        for server in servers:
            first, second = small.get(Key(server, before, 1)), large.get(Key(server, after, 1))
            cells.append(f"{second.median / first.median:.2f}" if first and second else "")
        yield f"| {after} | {' | '.join(cells)} |"


def per_row(results: Results, sizes: Iterable[int]) -> Iterator[str]:
    """Yield lines: microseconds per row of a list, by the size of the list."""
    servers = names(results)
    yield f"| | {' | '.join(servers)} |"
    yield f"| --- |{' ---: |' * len(servers)}"
    for size in sizes:
        question = f"list of {size:,}"
        found = [results.get(Key(server, question, 1)) for server in servers]
        cells = (f"{one.median * 1_000 / size:.1f}" if one else "" for one in found)
        yield f"| {question} | {' | '.join(cells)} |"


def _text(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
