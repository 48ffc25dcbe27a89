"""A worker process for tests that kill it: the runner of its database, with a simulated provider.

    python -m tests.delivery.processes.worker_process DATABASE_URL JOURNAL [SECONDS]

It works until SIGTERM. Leases are short. The provider is slow (it answers within SECONDS), and cannot say of half of the
hand-overs whether they arrived.
"""

import asyncio
import random
import signal
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from db.connect.database import Database
from delivery.dispatch.runtime import Runtime
from delivery.gateways.simulator.gateway import SimulatorBehavior, SimulatorGateway
from delivery.gateways.simulator.journal import Journal
from domain.status import DeliveryMode
from server.process.log_output import configure
from tests.delivery.runners.kinds import runner_of

LEASE: Final = timedelta(seconds=2)
BATCH: Final = 50


def utc_now() -> datetime:
    return datetime.now(UTC)


async def work(url: str, journal: Path, seconds: float = 0.05) -> None:
    gateway = SimulatorGateway(
        Journal(journal),
        clock=utc_now,
        temper=SimulatorBehavior(latency=(seconds / 5, seconds), forgetful=0.5),
        batch=BATCH,
    )
    database = Database(url)
    runtime = Runtime(
        database=database,
        gateways={DeliveryMode.VOICE: gateway},
        clock=utc_now,
        chance=random.random,
        lease=LEASE,
        send_limit=LEASE / 2,
    )
    until = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, until.set)
    await runner_of(runtime).work(until)
    await database.dispose()


if __name__ == "__main__":
    configure("error", "console", clock=utc_now)
    asyncio.run(work(sys.argv[1], Path(sys.argv[2]), *map(float, sys.argv[3:])))
