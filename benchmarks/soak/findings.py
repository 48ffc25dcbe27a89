"""What is found when the load has ended: what is missing, and the figures as they go into `soak.md`."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncEngine

from benchmarks.soak.clients import Clients
from benchmarks.soak.installation import Process, Seen
from db.engine import reading
from db.tables import MESSAGE, RECIPIENT
from delivery.gateways.journal import Journal


def slope(places: list[tuple[float, float]], *, after: float) -> float:
    """MiB a minute, by least squares over what comes after so many seconds."""
    late = [(at / 60, size) for at, size in places if at >= after and size]
    if len(late) < 3:
        return float("nan")
    mean_at = sum(at for at, _ in late) / len(late)
    mean = sum(size for _, size in late) / len(late)
    above = sum((at - mean_at) * (size - mean) for at, size in late)
    return above / sum((at - mean_at) ** 2 for at, _ in late)


async def missing(engine: AsyncEngine, clients: Clients, journal: Path) -> list[str]:
    """What was answered as done, and is not there."""
    lost = []
    async with reading(engine) as connection:
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


def told(
    clients: Clients,
    seen: Seen,
    processes: Mapping[str, Process],
    *,
    minutes: float,
    counts: tuple[int, int, int],
    wrong: list[str],
) -> str:
    """The figures, as they go into the document."""
    lines = [
        f"| {minutes:g} minutes | done | cut by a kill | longest, ms |",
        "| --- | ---: | ---: | ---: |",
    ]
    for what in sorted(clients.done.keys() | clients.cut.keys()):
        longest = clients.longest[what] or ""
        lines.append(f"| {what} | {clients.done[what]:,} | {clients.cut[what]:,} | {longest} |")
    lines += [
        "",
        "| | killed | MiB after a minute | at the end | most | MiB a minute after two minutes |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for name, places in seen.memory.items():
        sizes = [size for _, size in places]
        warm = next((size for at, size in places if at >= 60 and size), sizes[-1])
        lines.append(
            f"| {name} | {processes[name].kills} | {warm:.0f} | {sizes[-1]:.0f} | {max(sizes):.0f}"
            f" | {slope(places, after=120):+.2f} |"
        )
    kept = clients.kept
    lines += [
        "",
        f"Connections to the database: {counts[0]} before, at most {max(seen.connections)} meanwhile, {counts[1]} after, "
        f"{counts[2]} when all had stopped. Looked for at the end: {len(kept.messages):,} messages that were taken in with "
        f"{sum(kept.messages.values()):,} recipients, {len(kept.canceled):,} cancels of messages that came due afterwards, "
        f"{len(kept.reports):,} reports. Missing, handed over twice or after a cancel, answered with 5xx, or an error in a "
        f"log: {len(wrong)}.",
    ]
    return "\n".join(lines)
