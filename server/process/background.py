"""Background work: builds the gateways, the runtime and the runner from the settings.

On SQLite the only server process does this work itself; on PostgreSQL `sentlog worker` does.
"""

import asyncio
import random
import signal
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx2
import structlog
from sqlalchemy import URL

from db.connect.database import Database
from db.connect.engine import POOLED
from db.dispatch import backlog
from db.dispatch.in_flight import DeliveryTerms
from delivery.dispatch.runtime import Runtime
from delivery.gateways import GatewaySettings, build
from delivery.gateways.port import Gateway
from delivery.gateways.settings import GatewaySettingsError, Installation
from delivery.gateways.simulator.gateway import SimulatorGateway
from delivery.reports.child import render_in_process
from delivery.reports.jobs import ReportRuntime
from delivery.reports.start import ForkServer
from delivery.reports.store import StoreLocation
from delivery.runners import local, procrastinate
from delivery.runners.base import Runner
from delivery.runners.local import LocalRunner
from delivery.runners.procrastinate import ProcrastinateRunner
from delivery.upkeep import audit_seals, expired_budgets, figure_sums, heartbeat
from domain.status import DeliveryMode
from resolvers.request.process import Announce, announce_nothing
from server.process import file_lock, simulator_feed
from server.settings.settings import Settings, SettingsError, variable

BESIDE: Final = 5
"""Connections for work beside a runner: audit seals, expired budgets, sums of figures, heartbeats, the simulated provider."""

_log = structlog.get_logger(__name__)


def connections_of(url: URL, *, serves: bool) -> int:
    """The size of the connection pool of a server or worker process: large enough that no job waits for another's connection.

    On SQLite the server process is the worker, too.
    """
    if url.get_backend_name() == "sqlite":
        return local.CONNECTIONS + BESIDE + POOLED
    return POOLED if serves else procrastinate.CONNECTIONS + BESIDE


@dataclass(frozen=True, slots=True, kw_only=True)
class DeliveryServices:
    """What a process needs to do background work, or to announce it to workers."""

    runtime: Runtime
    runner: Runner
    report_runtime: ReportRuntime
    forks: ForkServer
    """Starts the processes that render reports, once this process works."""
    journal: Path
    """The journal file of the simulated provider."""

    @property
    def gateways(self) -> tuple[Gateway, ...]:
        """Every gateway, once."""
        chosen = [self.runtime.gateways, *self.runtime.of_district.values()]
        return tuple(dict.fromkeys(gateway for modes in chosen for gateway in modes.values()))

    @property
    def gateways_by_name(self) -> dict[str, list[Gateway]]:
        """Gateways by name, the common one first: a district may have its own account with the same provider."""
        by_name: dict[str, list[Gateway]] = {}
        for gateway in self.gateways:
            by_name.setdefault(gateway.name, []).append(gateway)
        return by_name

    async def modes_without_gateway(self) -> list[tuple[str, DeliveryMode]]:
        """The districts and modes in which messages wait because no gateway is configured."""
        async with self.runtime.database.reading() as connection:
            waiting = await backlog.waiting_modes(connection)
        return [
            (district, mode)
            for district, mode in waiting
            if self.runtime.gateway_of(DeliveryTerms(district, None), mode) is None
        ]

    async def has_workers(self) -> bool:
        """Whether a worker is alive."""
        async with self.runtime.database.reading() as connection:
            return await self.runner.has_workers(connection)

    async def work(self, until: asyncio.Event) -> None:
        """Do the background work until the event is set."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.forks.prepare(until))
                tasks.create_task(self.runner.work(until))
                tasks.create_task(heartbeat.run_periodically(self.runtime.database, until))
                tasks.create_task(
                    audit_seals.run_periodically(
                        self.runtime.database, until, clock=self.runtime.clock
                    )
                )
                tasks.create_task(
                    expired_budgets.run_periodically(
                        self.runtime.database, until, clock=self.runtime.clock
                    )
                )
                tasks.create_task(
                    figure_sums.run_periodically(
                        self.runtime.database, until, clock=self.runtime.clock
                    )
                )
                simulators = [one for one in self.gateways if isinstance(one, SimulatorGateway)]
                for simulator in simulators[:1]:  # all of them share one journal
                    tasks.create_task(
                        simulator_feed.take_in_reports(
                            simulator,
                            database=self.runtime.database,
                            clock=self.runtime.clock,
                            journal=self.journal,
                            until=until,
                        )
                    )
        finally:
            await self.forks.close()

    async def close(self) -> None:
        """Close the gateways' connections and end the report processes."""
        await self.forks.close()
        for gateway in self.gateways:
            await gateway.close()


def build_services(
    settings: Settings,
    *,
    database: Database,
    client: httpx2.AsyncClient,
    clock: Callable[[], datetime],
) -> DeliveryServices:
    """Build the services that the settings name, without starting them. Raises `SettingsError`."""
    journal = _beside(settings, "simulator.ndjson")
    shared = Installation(client, clock, settings.public_url, settings.gateway_limits, journal)

    def build_gateways(own: GatewaySettings, *, where: str = "") -> Mapping[DeliveryMode, Gateway]:
        try:
            return build(own, shared)
        except GatewaySettingsError as error:
            raise SettingsError(f"{where}{error}") from None

    gateways = build_gateways(settings)
    of_district = {
        district: build_gateways(
            settings.for_district(own), where=f"{variable('districts')}, {district}: "
        )
        for district, own in settings.districts.items()
    }
    runtime = Runtime(
        database=database,
        gateways=gateways,
        of_district=of_district,
        clock=clock,
        chance=random.random,
    )
    runner = LocalRunner if not database.is_postgresql else ProcrastinateRunner
    forks = ForkServer()
    report_runtime = ReportRuntime(
        database=database,
        place=report_place(settings),
        clock=clock,
        render=partial(render_in_process, start=forks.fork),
    )
    return DeliveryServices(
        runtime=runtime,
        runner=runner(runtime, report_runtime),
        report_runtime=report_runtime,
        forks=forks,
        journal=journal,
    )


def report_place(settings: Settings) -> StoreLocation:
    """The configured store of report files."""
    return settings.place(_beside(settings, "reports"))


def announcer(settings: Settings, *, database: Database, clock: Callable[[], datetime]) -> Announce:
    """The function by which a process announces work to workers; on SQLite none, since the server polls each second."""
    if not database.is_postgresql:
        return announce_nothing
    runtime = Runtime(database=database, gateways={}, clock=clock, chance=random.random)
    report_runtime = ReportRuntime(
        database=database, place=report_place(settings), clock=clock
    )  # it makes none
    return ProcrastinateRunner(runtime, report_runtime).announce


@contextmanager
def lock_database_file(settings: Settings) -> Iterator[None]:
    """Hold the lock of the only server on a SQLite file. Raises `SettingsError` if another server holds it."""
    file = Path(settings.database_url.database or "")
    with file_lock.try_lock(file.with_name(f"{file.name}-server")) as is_ours:
        if not is_ours:
            raise SettingsError(
                f"{file}: another server works on this file. Stop that one, or use PostgreSQL, which takes any number."
            )
        yield


@asynccontextmanager
async def work_while_serving(settings: Settings, services: DeliveryServices) -> AsyncIterator[None]:
    """Do the background work beside a server: on SQLite all of it, on PostgreSQL none.

    Raises `SettingsError` if another server uses the same SQLite file.
    """
    if services.runtime.database.is_postgresql:
        yield
        return
    with lock_database_file(settings):
        async with run_beside(services.work):
            yield


@asynccontextmanager
async def run_beside(
    run: Callable[[asyncio.Event], Coroutine[Any, Any, None]],
) -> AsyncIterator[None]:
    """Run a task beside the block. At the end of the block set the event and wait; log an error of the task."""
    until = asyncio.Event()

    async def watched() -> None:
        try:
            await run(until)
        except Exception:
            _log.exception("background work failed")

    running = asyncio.create_task(watched())
    try:
        yield
    finally:
        until.set()
        await running


async def work(settings: Settings, *, database: Database, clock: Callable[[], datetime]) -> None:
    """Run a worker until SIGINT or SIGTERM. Raises `SettingsError`."""
    if not database.is_postgresql:
        raise SettingsError(
            f"{variable('database_url')}: on SQLite the server does the work itself, so `sentlog serve` is enough."
            " Workers need PostgreSQL."
        )
    async with httpx2.AsyncClient() as client:
        services = build_services(settings, database=database, client=client, clock=clock)
        until = asyncio.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, until.set)
        _log.info("the worker starts", mode=[str(mode) for mode in services.runtime.gateways])
        try:
            await services.work(until)
        finally:
            await services.close()


def _beside(settings: Settings, name: str) -> Path:
    """The path of a file or folder: beside a SQLite database, otherwise in the data folder."""
    if settings.database_url.get_backend_name() == "sqlite":
        return Path(settings.database_url.database or "").with_name(name)
    return settings.data_dir / name
