"""The simulator as a stand-in for a provider."""

from collections.abc import Mapping
from datetime import timedelta
from typing import ClassVar

from delivery.gateways.port import Gateway
from delivery.gateways.simulator.gateway import SimulatorBehavior, SimulatorGateway
from delivery.gateways.simulator.journal import Journal
from domain.status import DeliveryMode
from tests.delivery.gateways.stand_ins import NOON, Behaviour, StandIn, TwilioStandIn


class SimulatorStandIn(StandIn):
    """The simulator, which is a stand-in already."""

    mode = DeliveryMode.VOICE
    good = TwilioStandIn.good
    bad = "+16125550254"  # among the hundredth that it refuses by seed 0

    tempers: ClassVar[Mapping[Behaviour, SimulatorBehavior]] = {
        Behaviour.TAKES: SimulatorBehavior(refused=0.01),
        Behaviour.IS_BUSY: SimulatorBehavior(busy=1.0),
        Behaviour.TAKES_WITHOUT_ANSWER: SimulatorBehavior(unanswered=1.0),
        Behaviour.LOSES: SimulatorBehavior(lost=1.0),
        Behaviour.IS_GONE: SimulatorBehavior(outages=((NOON, NOON + timedelta(minutes=10)),)),
    }

    def __init__(self) -> None:
        self.journal = Journal()

    @property
    def gateway(self) -> Gateway:  # type: ignore[override]  # made anew for each behaviour
        return SimulatorGateway(
            self.journal, clock=lambda: NOON, temper=self.tempers[self.behaviour], sleep=no_sleep
        )

    def taken(self) -> list[str]:
        return [entry.address for entry in self.journal.entries()]


async def no_sleep(seconds: float) -> None:
    """Sleep without waiting."""
