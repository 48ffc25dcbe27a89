"""The checks after the load: missing results, leaks, and the figures for `soak.md`."""

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from math import isnan
from pathlib import Path
from typing import Final, NamedTuple

from sqlalchemy import func, select

from benchmarks.soak.clients import Clients
from benchmarks.soak.installation import Process, Seen
from db.connect.database import Database
from db.connect.engine import POOLED
from db.connect.single_statement import MOST
from db.tables.log import MESSAGE, RECIPIENT
from delivery.gateways.simulator.journal import Journal

POOLS: Final = POOLED + 2 * MOST
"""The connections that an idle process keeps."""

LISTENER: Final = 1
RUNNER: Final = 4 + 1
"""Those of procrastinate: its pool, and one that listens."""

KEPT: Final = {
    "server-1": POOLS + LISTENER,
    "server-2": POOLS + LISTENER,
    "worker": POOLS + LISTENER + RUNNER,
}
"""The most connections of an idle process, each for a reason; one more is a leak."""


class Outcome(NamedTuple):
    """The outcome of a run: the document and the faults."""

    page: str
    wrong: list[str]


def slope(places: list[tuple[float, float]], *, after: float) -> float:
    """Return the growth in MiB per minute, by least squares over the samples after this many seconds."""
    late = [(at / 60, size) for at, size in places if at >= after and size]
    if len(late) < 3:
        return float("nan")
    mean_at = sum(at for at, _ in late) / len(late)
    mean = sum(size for _, size in late) / len(late)
    above = sum((at - mean_at) * (size - mean) for at, size in late)
    return above / sum((at - mean_at) ** 2 for at, _ in late)


async def missing(database: Database, clients: Clients, journal: Path) -> list[str]:
    """Return what was confirmed to clients and does not exist."""
    lost = []
    async with database.reading() as connection:
        counted = (
            select(MESSAGE.c.external_id, func.count(RECIPIENT.c.number))
            .join_from(MESSAGE, RECIPIENT, RECIPIENT.c.message_id == MESSAGE.c.id)
            .where(MESSAGE.c.external_id.like("soak %"))
            .group_by(MESSAGE.c.external_id)
        )
        there: dict[str, int] = dict((await connection.execute(counted)).tuples().all())
        statuses = select(MESSAGE.c.id, MESSAGE.c.status)
        status_of = dict((await connection.execute(statuses)).tuples().all())
    lost += [
        f"message {name}: {there.get(name)} of {recipients} recipients"
        for name, recipients in clients.kept.messages.items()
        if there.get(name) != recipients
    ]
    handed_over = Counter(int(e.key.partition(".")[0]) for e in Journal(journal).entries())
    for id in clients.kept.canceled:
        number = int(id.rpartition(".")[2])
        if handed_over[number] or status_of.get(number) != "CANCELED":
            lost.append(
                f"cancel of {id}: {handed_over[number]} handed over, {status_of.get(number)}"
            )
    keys = Counter(entry.key for entry in Journal(journal).entries())
    lost += [
        f"delivery {key}: handed over {times} times" for key, times in keys.items() if times > 1
    ]
    return lost


def leaks(seen: Seen) -> list[str]:
    """Return leaked connections: beyond those of the pools, idle in a transaction, or of ended processes."""
    faults = [
        f"{name}: {number} connections at rest, of which its pools keep {KEPT[name]}"
        for name, number in seen.after.items()
        if number > KEPT.get(name, 0)
    ]
    if seen.stuck:
        faults.append(f"{seen.stuck} connections in a transaction at rest")
    if seen.left:
        faults.append(f"{seen.left} connections of processes that have stopped")
    return faults


def figures_of(
    clients: Clients, seen: Seen, processes: Mapping[str, Process], *, minutes: float
) -> list[str]:
    """Return the figures as text for the document."""
    lines = [
        f"| {minutes:g} minutes | done | cut by a kill | longest, ms |",
        "| --- | ---: | ---: | ---: |",
    ]
    for what in sorted(clients.done.keys() | clients.cut.keys()):
        longest = clients.longest[what] or ""
        lines.append(f"| {what} | {clients.done[what]:,} | {clients.cut[what]:,} | {longest} |")
    lines += [
        "",
        "| | killed | MiB after a minute | at the end | most | MiB a minute after two minutes"
        " | connections before | after | of which its pools keep |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, places in seen.memory.items():
        sizes = [size for _, size in places]
        warm = next((size for at, size in places if at >= 60 and size), sizes[-1])
        growth = slope(places, after=120)
        lines.append(
            f"| {name} | {processes[name].kills} | {warm:.0f} | {sizes[-1]:.0f} | {max(sizes):.0f}"
            f" | {'' if isnan(growth) else f'{growth:+.2f}'}"
            f" | {seen.before.get(name, 0)} | {seen.after.get(name, 0)} | {KEPT[name]} |"
        )
    kept = clients.kept
    return [
        *lines,
        "",
        f"All held at most {max(seen.connections)} connections to the database meanwhile; {seen.stuck} were in a transaction when",
        f"nobody asked any more, and {seen.left} were left when all had stopped. Looked for at the end: {len(kept.messages):,} messages",
        f"that were taken in with {sum(kept.messages.values()):,} recipients, {len(kept.canceled):,} cancels of messages that came due",
        f"afterwards, {len(kept.reports):,} reports.",
    ]


def page(
    figures: list[str], wrong: list[str], *, minutes: float, every: float, at: datetime
) -> str:
    """Return the document: the counts, the figures and the faults."""
    if wrong:
        verdict = [f"**Wrong: {len(wrong)}.** The first:", "", *(f"    {one}" for one in wrong[:5])]
    else:
        verdict = [
            "None was missing, nothing was handed over twice or after a cancel, nothing was answered with 5xx, no process wrote an",
            "error into its log, and no connection was held beyond what pools keep.",
        ]
    lines = [
        "# Soak",
        "",
        "`python -m benchmarks.soak --write` runs two servers and a worker on PostgreSQL under mixed load, kills the second server",
        "and the worker with SIGKILL again and again, and then looks for everything that was answered as done. It wrote this page on",
        f"{at:%Y-%m-%d}, after {minutes:g} minutes with kills every {every:g} seconds.",
        "",
        *figures,
        "",
        *verdict,
    ]
    return "\n".join(lines) + "\n"
