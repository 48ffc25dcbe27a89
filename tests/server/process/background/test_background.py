"""Background work: the services that the settings build, one server per SQLite file, and messages imported beside it."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from pydantic import SecretStr
from sqlalchemy import make_url
from structlog.testing import capture_logs

from db import migrations
from db.connect.database import Database
from delivery.gateways.mailgun.gateway import MailgunGateway
from delivery.gateways.simulator.gateway import SimulatorGateway
from delivery.gateways.smtp import SmtpGateway
from delivery.runners.local import LocalRunner
from delivery.runners.procrastinate import ProcrastinateRunner
from domain.status import DeliveryMode
from server.process import background, health, serve
from server.process.app import create_app, utc_now
from server.process.background import (
    DeliveryServices,
    build_services,
    lock_database_file,
    run_beside,
    work_while_serving,
)
from server.settings.settings import Settings, SettingsError
from tests import log
from tests.delivery.runners.kinds import PATIENCE, all_handed_over, holds_anywhere
from tests.delivery.world import Clock, World, call, mail, people
from tests.live_server import serving
from tests.log import NOON

ROOT: Final = Path(__file__).parents[4]

on_postgres = pytest.mark.parametrize(
    "database_url", [pytest.param("postgres", marks=pytest.mark.postgres)], indirect=True
)
on_sqlite = pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)


@pytest.fixture
async def client() -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient() as client:
        yield client


@pytest.fixture
def settings(database_url: str, tmp_path: Path) -> Settings:
    """Settings of the test's database, with nothing said about gateways."""
    return Settings(
        data_dir=tmp_path / "data",
        database_url=make_url(database_url),
        jwt_key=SecretStr("a key for tests, which is long enough for the algorithm"),
    )


def command(settings: Settings, *arguments: str, **more: str) -> subprocess.Popen[str]:
    """`sentlog …` as a process of its own."""
    url = settings.database_url.render_as_string(hide_password=False)
    return subprocess.Popen(
        [sys.executable, "-c", "from server.cli.main import main; main()", *arguments],
        cwd=ROOT,
        env=os.environ
        | {"SENTLOG_DATA_DIR": str(settings.data_dir), "SENTLOG_DATABASE_URL": url}
        | more,
        stderr=subprocess.PIPE,
        text=True,
    )


def services_of(
    settings: Settings, database: Database, client: httpx2.AsyncClient, **said: Any
) -> DeliveryServices:
    """What is set up where this is said about gateways."""
    changed = Settings.model_validate({**settings.model_dump(exclude_unset=True), **said})
    # A URL is left out of dumps.
    changed = changed.model_copy(update={"database_url": settings.database_url})
    return build_services(changed, database=database, client=client, clock=Clock())


async def test_each_engine_has_its_runner_and_the_inbox_is_always_there(
    settings: Settings, database: Database, client: httpx2.AsyncClient
) -> None:
    services = services_of(settings, database, client)

    runners = {"sqlite": LocalRunner, "postgresql": ProcrastinateRunner}
    assert type(services.runner) is runners[database.engine.dialect.name]
    assert services.runtime.gateways.keys() == {DeliveryMode.INBOX}
    assert not settings.data_dir.exists()


@on_sqlite
async def test_a_district_has_what_is_other_for_it_and_else_what_the_house_has(
    settings: Settings, database: Database, client: httpx2.AsyncClient
) -> None:
    services = services_of(
        settings,
        database,
        client,
        gateways={"EMAIL": "smtp", "VOICE": "simulator"},
        smtp_url="smtp://127.0.0.1:1",
        mail_from="house@nomail.example",
        districts={
            "plainview": {
                "gateways": {"EMAIL": "mailgun"},
                "mailgun_domain": "plainview.example",
                "mailgun_key": "key",
            }
        },
    )

    common, plainview = services.runtime.gateways, services.runtime.of_district["plainview"]
    assert type(common[DeliveryMode.EMAIL]) is SmtpGateway
    assert type(plainview[DeliveryMode.EMAIL]) is MailgunGateway
    assert type(plainview[DeliveryMode.VOICE]) is SimulatorGateway
    await services.close()


@on_sqlite
@pytest.mark.parametrize(
    ("said", "problem"),
    [
        (
            {"gateways": {"EMAIL": "smtp"}},
            "SENTLOG_SMTP_URL: it is not set, and a gateway that was chosen needs it.",
        ),
        (
            {"gateways": {"TEXT": "pigeon"}},
            "SENTLOG_GATEWAYS: there is no gateway 'pigeon': choose among mailgun, simulator, smtp, twilio.",
        ),
        (
            {"districts": {"plainview": {"gateways": {"VOICE": "smtp"}, "smtp_url": "smtp://h"}}},
            "SENTLOG_DISTRICTS, plainview: SENTLOG_MAIL_FROM: it is not set, and a gateway that was chosen needs it.",
        ),
    ],
)
async def test_an_invalid_gateway_is_reported_before_the_start(
    settings: Settings,
    database: Database,
    client: httpx2.AsyncClient,
    said: dict[str, Any],
    problem: str,
) -> None:
    with pytest.raises(SettingsError) as refused:
        services_of(settings, database, client, **said)

    assert refused.value.problems == (problem,)


async def test_readyz_lists_the_modes_that_wait_for_a_gateway(
    settings: Settings, world: World, client: httpx2.AsyncClient
) -> None:
    services = services_of(settings, world.database, client)
    note = health.delivery_note(services)
    nobody = "No worker is running: start `sentlog worker`."
    missing = "Messages wait for a gateway for EMAIL, VOICE: set SENTLOG_GATEWAYS."
    is_postgres = world.database.is_postgresql
    assert await note() == (nobody if is_postgres else None)

    await world.load(people(1, mail))
    later = NOON + timedelta(hours=1)
    await world.load(people(1, call), id="M-2", scheduled_at=later)

    assert await note() == (f"{missing} {nobody}" if is_postgres else missing)
    assert await services.modes_without_gateway() == [
        ("plainview", DeliveryMode.EMAIL),
        ("plainview", DeliveryMode.VOICE),
    ]
    of_plainview = {"gateways": {"EMAIL": "simulator", "VOICE": "simulator"}}
    other = services_of(settings, world.database, client, districts={"plainview": of_plainview})
    assert await other.modes_without_gateway() == []


async def test_history_waits_for_no_gateway(
    settings: Settings, database: Database, client: httpx2.AsyncClient
) -> None:
    await log.load(database, log.district(), log.message(recipients=people(1, mail), school=None))

    assert await services_of(settings, database, client).modes_without_gateway() == []


async def test_a_server_works_itself_on_sqlite_and_leaves_it_to_workers_on_postgresql(
    settings: Settings, world: World, client: httpx2.AsyncClient
) -> None:
    message_id = await world.load([log.recipient("p1", log.inbox())])

    async with work_while_serving(settings, services_of(settings, world.database, client)):
        if not world.database.is_postgresql:
            await all_handed_over(world.database, message_id)

    expected = "SENT" if not world.database.is_postgresql else "PENDING"
    assert await world.statuses(message_id) == {expected: 1}


@on_sqlite
async def test_a_second_server_on_a_file_is_refused_with_a_way_out(
    settings: Settings, database: Database, client: httpx2.AsyncClient
) -> None:
    file = settings.database_url.database
    async with work_while_serving(settings, services_of(settings, database, client)):
        process = command(settings, "serve")
        _, said = await asyncio.to_thread(process.communicate, timeout=PATIENCE)
        assert process.returncode == 1
        assert said == (
            f"{file}: another server works on this file. Stop that one, or use PostgreSQL, which takes any number.\n"
        )
        with pytest.raises(SettingsError, match="another server works on this file"):
            await serve.make_ready(settings)

    with lock_database_file(settings):
        pass


@on_sqlite
async def test_what_is_imported_beside_a_running_server_is_noticed(
    settings: Settings, world: World, tmp_path: Path
) -> None:
    file = tmp_path / "live.ndjson"
    recipients = [log.recipient("p1", log.inbox())]
    file.write_bytes(log.district() + log.message(recipients=recipients, school=None, status=None))

    with serving(create_app(settings)):
        process = command(settings, "import", str(file))
        await asyncio.to_thread(process.communicate, timeout=PATIENCE)
        assert process.returncode == 0
        (message_id,) = (await log.message_ids(world.database)).values()

        async def is_in_the_inbox() -> bool:
            return await world.statuses(message_id) == {"SENT": 1}

        await holds_anywhere(world.database, message_id, is_in_the_inbox)


@on_postgres
async def test_what_is_imported_is_announced_to_the_workers(
    settings: Settings, world: World, tmp_path: Path
) -> None:
    file = tmp_path / "live.ndjson"
    file.write_bytes(log.district() + log.message(recipients=people(1, mail), status=None))

    process = command(settings, "import", str(file))
    await asyncio.to_thread(process.communicate, timeout=PATIENCE)

    assert process.returncode == 0
    assert await world.columns_of("select task_name from procrastinate_jobs") == [("look",)]


@on_postgres
async def test_a_worker_works_until_sigterm(settings: Settings, world: World) -> None:
    message_id = await world.load(people(3, mail))

    async def all_have_left() -> bool:
        return "PENDING" not in await world.statuses(message_id)

    process = command(
        settings, "worker", SENTLOG_GATEWAYS='{"EMAIL":"simulator"}', SENTLOG_LOG_LEVEL="error"
    )
    try:
        await holds_anywhere(world.database, message_id, all_have_left)
        process.send_signal(signal.SIGTERM)
        _, said = await asyncio.to_thread(process.communicate, timeout=PATIENCE)
    finally:
        process.kill()
        process.wait()

    assert (process.returncode, said) == (0, "")


@on_sqlite
async def test_a_worker_on_sqlite_is_refused_since_the_server_does_its_work(
    settings: Settings, database: Database
) -> None:
    with pytest.raises(SettingsError) as refused:
        await background.work(settings, database=database, clock=utc_now)

    assert refused.value.problems == (
        "SENTLOG_DATABASE_URL: on SQLite the server does the work itself, so `sentlog serve` is enough."
        " Workers need PostgreSQL.",
    )


@on_sqlite
async def test_an_import_of_a_newer_program_does_not_change_the_tables_under_a_server(
    settings: Settings, tmp_path: Path
) -> None:
    older = settings.model_copy(
        update={"database_url": make_url(f"sqlite+aiosqlite:///{tmp_path / 'older.sqlite3'}")}
    )
    database = Database(older.database_url.render_as_string())
    await migrations.upgrade(database, "0002")

    with (
        lock_database_file(older),
        pytest.raises(SettingsError, match="another server works on this file"),
    ):
        await _make_ready_for_import(older)
    assert await migrations.current(database) == "0002"
    await database.dispose()


async def _make_ready_for_import(settings: Settings) -> None:
    async with serve.ready_database(settings):
        pass


async def test_what_goes_on_beside_a_server_may_fail_and_the_log_says_so() -> None:
    async def fail(until: asyncio.Event) -> None:
        raise ZeroDivisionError

    with capture_logs() as lines:
        async with run_beside(fail):
            pass

    assert [line["event"] for line in lines] == ["background work failed"]
