"""Build the gateways of an installation or of one district from settings: one gateway for each mode.

The server reads the settings.
"""

from collections.abc import Mapping
from typing import Final, Self

from pydantic import Field

from delivery.gateways.inbox import InboxGateway
from delivery.gateways.mailgun.settings import MailgunSettings
from delivery.gateways.port import Gateway
from delivery.gateways.settings import Installation, ProviderSettings, refuse
from delivery.gateways.simulator.settings import SimulatorSettings
from delivery.gateways.smtp import SmtpSettings
from delivery.gateways.twilio.settings import TwilioSettings
from domain.status import DeliveryMode


class GatewaySettings(TwilioSettings, MailgunSettings, SmtpSettings, SimulatorSettings):
    """The settings of all providers: a base class that is listed here is a gateway to choose."""

    gateways: Mapping[DeliveryMode, str] = Field(
        default={},
        description='JSON, mode to gateway: {"EMAIL":"smtp","VOICE":"twilio","TEXT":"twilio"}',
    )
    """The name of the gateway of each mode. Without one, deliveries of a mode stay pending. The inbox needs none."""

    def for_district(self, own: "GatewaySettings") -> Self:
        """Return the settings for a district: its own, and for those it leaves out these."""
        values = {name: getattr(own, name) for name in own.model_fields_set}
        return self.model_copy(update=values | {"gateways": {**self.gateways, **own.gateways}})


_PROVIDERS: Final[Mapping[str, type[ProviderSettings]]] = {
    base.gateway.name: base
    for base in GatewaySettings.__bases__
    if issubclass(base, ProviderSettings)
}


def build(settings: GatewaySettings, installation: Installation) -> Mapping[DeliveryMode, Gateway]:
    """Return the gateway of each mode that has one; modes of one provider share a gateway.

    Raises `GatewaySettingsError`.
    """
    by_name: dict[str, Gateway] = {}
    by_mode: dict[DeliveryMode, Gateway] = {DeliveryMode.INBOX: InboxGateway()}
    for mode, name in settings.gateways.items():
        provider = _PROVIDERS.get(name)
        if provider is None:
            known = ", ".join(sorted(_PROVIDERS))
            refuse("gateways", f"there is no gateway {name!r}: choose among {known}")
        if name not in by_name:
            # Not `settings.make_gateway`: that is the one of the first base class.
            by_name[name] = provider.make_gateway(settings, installation)
        gateway = by_mode[mode] = by_name[name]
        if mode not in gateway.modes:
            served = ", ".join(sorted(gateway.modes))
            refuse("gateways", f"{name} does not deliver {mode}, only {served}")
    return by_mode
