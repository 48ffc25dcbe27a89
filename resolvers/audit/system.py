"""`system`: how the installation is doing, for viewers with VIEW_SYSTEM.

Workers and providers are those of the installation. Counts are of the messages that the viewer may see.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from importlib.metadata import version
from typing import NamedTuple

from db.dispatch.in_flight import DeliveryTerms
from db.upkeep import installation
from db.upkeep.installation import ModeBacklog, ProviderState, WorkerRecord
from delivery.dispatch.runtime import Runtime
from delivery.gateways.port import Gateway
from domain.status import DeliveryMode
from domain.viewer import Right
from resolvers.request.context import Info


class Provider(NamedTuple):
    """A gateway that delivers for the viewer's district, and what became of the last attempts."""

    name: str
    modes: Sequence[DeliveryMode]
    is_up: bool
    last_accepted_at: datetime | None
    last_failed_at: datetime | None
    last_failure: str | None
    limit_per_second: float | None
    waiting: int


class SystemState(NamedTuple):
    """The state of the installation at one moment."""

    version: str
    database_revision: str
    providers: Sequence[Provider]
    workers: Sequence[WorkerRecord]
    waiting: int
    oldest_waiting_at: datetime | None
    reports_waiting: int
    audit_sealed_until: datetime | None


_NEVER = ProviderState(is_up=True, last_accepted_at=None, last_failed_at=None, last_failure=None)
"""A provider that was never attempted."""


async def system(info: Info) -> SystemState:
    """The state of the installation. Raises `Forbidden`."""
    context = info.context
    context.viewer.require(Right.VIEW_SYSTEM)
    visibility, runtime = context.visibility, context.process_services.runtime
    gateways = _gateways(runtime, visibility.district.external_id)
    async with context.database.reading() as connection:
        states = await installation.provider_states(connection, sorted(gateways))
        backlogs = await installation.backlogs(connection, visibility=visibility)
        return SystemState(
            version=_version(),
            database_revision=await installation.revision(connection) or "",
            providers=[
                _provider(*gateways[account], states.get(account, _NEVER), backlogs)
                for account in sorted(gateways)
            ],
            workers=await installation.workers(connection),
            waiting=sum(backlog.deliveries for backlog in backlogs),
            oldest_waiting_at=min((backlog.oldest_at for backlog in backlogs), default=None),
            reports_waiting=await installation.reports_waiting(connection, visibility=visibility),
            audit_sealed_until=await installation.audit_sealed_until(
                connection, visibility=visibility
            ),
        )


@cache
def _version() -> str:
    return version("sentlog")


def _gateways(runtime: Runtime, district: str) -> Mapping[str, tuple[Gateway, list[DeliveryMode]]]:
    """The gateways of a district by account, each with its modes. The inbox is part of the log, so it is none of them."""
    gateways: dict[str, tuple[Gateway, list[DeliveryMode]]] = {}
    terms = DeliveryTerms(district, None)
    for mode in DeliveryMode:
        gateway = runtime.gateway_of(terms, mode)
        if gateway is not None and not gateway.in_transaction:
            account = runtime.account_of(district, gateway)
            gateways.setdefault(account, (gateway, []))[1].append(mode)
    return gateways


def _provider(
    gateway: Gateway,
    modes: Sequence[DeliveryMode],
    state: ProviderState,
    backlogs: Sequence[ModeBacklog],
) -> Provider:
    return Provider(
        gateway.name,
        modes,
        *state,
        limit_per_second=gateway.per_second,
        waiting=sum(backlog.deliveries for backlog in backlogs if backlog.mode in modes),
    )
