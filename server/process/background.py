"""Background work: the gateways, the runtime and the runner that the settings name.

On SQLite the server works itself, and is the only one on its file; on PostgreSQL it leaves that to `sentlog worker`.
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
from sqlalchemy.ext.asyncio import AsyncEngine

from db.connect.engine import POOLED, reading
from db.dispatch import backlog
from db.dispatch.in_flight import Terms
from delivery.dispatch.runtime import Runtime
from delivery.gateways import GatewaySettings, GatewaySettingsError, build
from delivery.gateways.port import Gateway
from delivery.gateways.simulator.gateway import SimulatorGateway
from delivery.reports.child import in_own_process
from delivery.reports.jobs import Press
from delivery.reports.start import ForkServer
from delivery.reports.store import Place
from delivery.runners import local, procrastinate
from delivery.runners.base import Runner
from delivery.runners.local import LocalRunner
from delivery.runners.procrastinate import ProcrastinateRunner
from delivery.upkeep import audit_seals, expired_budgets
from domain.status import DeliveryMode
from resolvers.request.process import Announce, to_nobody
from server.process import file_lock, simulator_feed
from server.settings.gateways import merged
from server.settings.settings import Settings, SettingsError, variable

BESIDE: Final = 3
"""Connections for what goes on beside a runner: sealing, forgetting, the simulated provider."""

_log = structlog.get_logger(__name__)


def connections_of(url: URL, *, serves: bool) -> int:
    """How many connections a process that serves, or works, has to be able to open: none of its jobs waits for another's.

    On SQLite the process that serves works as well.
    """
    if url.get_backend_name() == "sqlite":
        return local.CONNECTIONS + BESIDE + POOLED
    return POOLED if serves else procrastinate.CONNECTIONS + BESIDE


@dataclass(frozen=True, slots=True, kw_only=True)
class Works:
    """What a process needs to work, or to have others work."""

    runtime: Runtime
    runner: Runner
    press: Press
    forks: ForkServer
    """Starts the processes that make reports, once this one works."""
    journal: Path
    """What the simulated provider remembers, where one is set up."""

    @property
    def gateways(self) -> tuple[Gateway, ...]:
        """Every gateway there is, once."""
        chosen = [self.runtime.gateways, *self.runtime.of_district.values()]
        return tuple(dict.fromkeys(gateway for modes in chosen for gateway in modes.values()))

    @property
    def gateways_by_name(self) -> dict[str, list[Gateway]]:
        """Every gateway by its name, the house's first: a district may have an account of its own with the same provider."""
        by_name: dict[str, list[Gateway]] = {}
        for gateway in self.gateways:
            by_name.setdefault(gateway.name, []).append(gateway)
        return by_name

    async def modes_without_gateway(self) -> list[tuple[str, DeliveryMode]]:
        """In which districts and modes messages wait for a gateway that is not set up."""
        async with reading(self.runtime.engine) as connection:
            waiting = await backlog.waiting_modes(connection)
        return [
            (district, mode)
            for district, mode in waiting
            if self.runtime.gateway_of(Terms(district, None), mode) is None
        ]

    async def has_workers(self) -> bool:
        """Whether anybody works."""
        async with reading(self.runtime.engine) as connection:
            return await self.runner.has_workers(connection)

    async def work(self, until: asyncio.Event) -> None:
        """Work until the event is set."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self.forks.prepare(until))
                tasks.create_task(self.runner.work(until))
                tasks.create_task(
                    audit_seals.attend(self.runtime.engine, until, clock=self.runtime.clock)
                )
                tasks.create_task(
                    expired_budgets.attend(self.runtime.engine, until, clock=self.runtime.clock)
                )
                simulators = [one for one in self.gateways if isinstance(one, SimulatorGateway)]
                for simulator in simulators[:1]:  # all of them share one journal
                    tasks.create_task(
                        simulator_feed.pass_on(
                            simulator,
                            engine=self.runtime.engine,
                            clock=self.runtime.clock,
                            journal=self.journal,
                            until=until,
                        )
                    )
        finally:
            await self.forks.close()

    async def close(self) -> None:
        """Let go of the gateways' connections, and end the processes for reports."""
        await self.forks.close()
        for gateway in self.gateways:
            await gateway.close()


def set_up(
    settings: Settings,
    *,
    engine: AsyncEngine,
    client: httpx2.AsyncClient,
    clock: Callable[[], datetime],
) -> Works:
    """What the settings ask for; nothing works yet. Raises `SettingsError`."""
    journal = _beside(settings, "simulator.ndjson")

    def made(said: Mapping[str, Any]) -> Mapping[DeliveryMode, Gateway]:
        if SimulatorGateway.name in said.get("gateways", {}).values():
            journal.parent.mkdir(parents=True, exist_ok=True)
        of = GatewaySettings(
            **said,
            gateway_limits=settings.gateway_limits,
            public_url=settings.public_url,
            simulator_journal=journal,
        )
        return build(of, client=client, clock=clock)

    try:
        house = made(settings.said())
    except GatewaySettingsError as error:
        raise SettingsError(str(error)) from None
    of_district: dict[str, Mapping[DeliveryMode, Gateway]] = {}
    for district, other in settings.districts.items():
        try:
            of_district[district] = made(merged(settings, other))
        except GatewaySettingsError as error:
            raise SettingsError(f"{variable('districts')}, {district}: {error}") from None
    runtime = Runtime(
        engine=engine, gateways=house, of_district=of_district, clock=clock, chance=random.random
    )
    runner = LocalRunner if engine.dialect.name == "sqlite" else ProcrastinateRunner
    forks = ForkServer()
    press = Press(
        engine=engine,
        place=report_place(settings),
        clock=clock,
        render=partial(in_own_process, start=forks.fork),
    )
    return Works(
        runtime=runtime, runner=runner(runtime, press), press=press, forks=forks, journal=journal
    )


def report_place(settings: Settings) -> Place:
    """Where the files of reports are kept."""
    return settings.place(_beside(settings, "reports"))


def announcing(
    settings: Settings, *, engine: AsyncEngine, clock: Callable[[], datetime]
) -> Announce:
    """How a process that does no work itself has others look for it. On SQLite they look by themselves, each second."""
    if engine.dialect.name == "sqlite":
        return to_nobody
    runtime = Runtime(engine=engine, gateways={}, clock=clock, chance=random.random)
    press = Press(engine=engine, place=report_place(settings), clock=clock)  # it makes none
    return ProcrastinateRunner(runtime, press).announce


@contextmanager
def alone(settings: Settings) -> Iterator[None]:
    """Be the only server on a SQLite file inside the block. Raises `SettingsError` where another one is."""
    file = Path(settings.database_url.database or "")
    with file_lock.held(file.with_name(f"{file.name}-server")) as is_ours:
        if not is_ours:
            raise SettingsError(
                f"{file}: another server works on this file. Stop that one, or use PostgreSQL, which takes any number."
            )
        yield


@asynccontextmanager
async def beside_serving(settings: Settings, works: Works) -> AsyncIterator[None]:
    """What a server does of the work while it serves, in the block: on SQLite all, on PostgreSQL nothing.

    Raises `SettingsError` where another server works on the same SQLite file.
    """
    if works.runtime.engine.dialect.name != "sqlite":
        yield
        return
    with alone(settings):
        async with meanwhile(works.work):
            yield


@asynccontextmanager
async def meanwhile(
    run: Callable[[asyncio.Event], Coroutine[Any, Any, None]],
) -> AsyncIterator[None]:
    """Have `run` go on beside the block; at the end of that the event is set, and `run` waited for. If it fails, the log says so."""
    until = asyncio.Event()

    async def watched() -> None:
        try:
            await run(until)
        except Exception:
            _log.exception("what went on beside the server has ended")

    running = asyncio.create_task(watched())
    try:
        yield
    finally:
        until.set()
        await running


async def work(settings: Settings, *, engine: AsyncEngine, clock: Callable[[], datetime]) -> None:
    """Be a worker until SIGINT or SIGTERM. Raises `SettingsError`."""
    if engine.dialect.name == "sqlite":
        raise SettingsError(
            f"{variable('database_url')}: on SQLite the server does the work itself, so `sentlog serve` is enough."
            " Workers need PostgreSQL."
        )
    async with httpx2.AsyncClient() as client:
        works = set_up(settings, engine=engine, client=client, clock=clock)
        until = asyncio.Event()
        for name in (signal.SIGINT, signal.SIGTERM):
            asyncio.get_running_loop().add_signal_handler(name, until.set)
        _log.info("the worker starts", mode=[str(mode) for mode in works.runtime.gateways])
        try:
            await works.work(until)
        finally:
            await works.close()


def _beside(settings: Settings, name: str) -> Path:
    """A file or folder beside a SQLite database, otherwise in the data folder."""
    if settings.database_url.get_backend_name() == "sqlite":
        return Path(settings.database_url.database or "").with_name(name)
    return settings.data_dir / name
