"""A worker process for tests that kill it: real gateways to a mail server and to Twilio on loopback.

    python -m tests.delivery.processes.provider_worker DATABASE_URL SMTP_PORT TWILIO_URL

It works until SIGTERM.
"""

import asyncio
import random
import signal
import sys
from datetime import UTC, datetime, timedelta
from typing import Final

import httpx2

from db.connect.database import Database
from delivery.dispatch.runtime import Runtime
from delivery.gateways.smtp import SmtpGateway
from delivery.gateways.twilio.gateway import TwilioGateway
from domain.status import DeliveryMode
from server.process.log_output import configure
from tests.delivery.runners.kinds import runner_of

LEASE: Final = timedelta(seconds=60)
"""Long, for a machine that is busy: when a test has killed this worker, it ends the leases itself."""


def utc_now() -> datetime:
    return datetime.now(UTC)


class SoonSettled(TwilioGateway):
    """A gateway whose `find` works at once, so that no test waits for 20 minutes."""

    settles_after = timedelta()


async def work(url: str, smtp_port: int, twilio_url: str) -> None:
    database = Database(url)
    async with httpx2.AsyncClient(trust_env=False) as client:
        twilio = SoonSettled(
            client,
            url=twilio_url,
            account_sid="AC1",
            auth_token="12345",
            caller="+16125550199",
            public_url="https://log.plainview.example",
        )
        smtp = SmtpGateway(
            "127.0.0.1",
            smtp_port,
            mail_from="messages@plainview.example",
            clock=utc_now,
            encryption="offered",
        )
        runtime = Runtime(
            database=database,
            gateways={DeliveryMode.EMAIL: smtp, DeliveryMode.VOICE: twilio},
            clock=utc_now,
            chance=random.random,
            lease=LEASE,
            send_limit=LEASE * 3 / 4,
        )
        until = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, until.set)
        await runner_of(runtime).work(until)
        await smtp.close()
    await database.dispose()


if __name__ == "__main__":
    configure("error", "console", clock=utc_now)
    asyncio.run(work(sys.argv[1], int(sys.argv[2]), sys.argv[3]))
