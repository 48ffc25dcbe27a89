"""The settings of the simulated provider: it has none of its own."""

from typing import ClassVar

from delivery.gateways.port import Gateway
from delivery.gateways.settings import Installation, ProviderSettings
from delivery.gateways.simulator.gateway import SimulatorGateway
from delivery.gateways.simulator.journal import Journal


class SimulatorSettings(ProviderSettings):
    """The simulated provider needs no setting."""

    gateway: ClassVar[type[Gateway]] = SimulatorGateway

    def make_gateway(self, installation: Installation) -> Gateway:
        if installation.journal is not None:
            installation.journal.parent.mkdir(parents=True, exist_ok=True)
        return SimulatorGateway(
            Journal(installation.journal),
            clock=installation.clock,
            per_second=installation.limits.get(SimulatorGateway.name),
        )
