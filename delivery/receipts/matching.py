"""Which delivery a receipt belongs to: rule 6 of the log.

By our own key in the receipt; else by the provider's id together with the recipient's address. Where that is not exactly one
delivery the receipt is unmatched: it is never booked on a guess. How receipts change a delivery is in `delivery.receipts.receipts`.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from sqlalchemy.ext.asyncio import AsyncConnection

from db.dispatch import in_flight
from db.dispatch.in_flight import LiveDelivery
from db.log.deliveries import DeliveryKey
from delivery.dispatch import delivery_names
from domain.addresses import InvalidAddress, normalise
from domain.receipts import Mismatch, Receipt, Unmatched
from domain.status import DeliveryMode

LONGEST: Final = 500
"""Characters of a name or an address in a receipt: longer ones are none of ours, and are cut."""


class Matched(NamedTuple):
    """A receipt, and the delivery that it names; `resends` tells which sending of it, None where that is not said."""

    key: DeliveryKey
    resends: int | None
    receipt: Receipt


async def match(
    connection: AsyncConnection, gateway: str, receipts: Sequence[Receipt]
) -> tuple[list[Matched], list[Unmatched]]:
    """The receipts that name a delivery, and those that name none or several.

    What a receipt names may not be there, or may not be what the receipt is about: `mismatch` says so, under the message's lock.
    """
    matched: list[Matched] = []
    unmatched: list[Unmatched] = []
    nameless: list[Receipt] = []
    for receipt in map(_storable, receipts):
        if sending := delivery_names.read(receipt.key):
            matched.append(Matched(sending.delivery, sending.resends, receipt))
        elif receipt.reference and receipt.address:
            nameless.append(receipt)
        else:
            unmatched.append(Unmatched(receipt, Mismatch.UNNAMED))
    candidates = await _candidates(connection, gateway, nameless)
    for receipt in nameless:
        found = [
            delivery
            for delivery, address_key in candidates.get(receipt.reference or "", ())
            if is_same_address(address_key, receipt.address or "")
        ]
        if len(found) == 1:
            matched.append(Matched(found[0].key, None, receipt))
        else:
            reason = Mismatch.SEVERAL_DELIVERIES if found else Mismatch.NO_DELIVERY
            unmatched.append(Unmatched(receipt, reason))
    return matched, unmatched


def mismatch(
    matched: Matched, delivery: LiveDelivery | None, address_key: str | None, *, gateway: str
) -> Mismatch | None:
    """Why a receipt does not belong to the delivery that it names; None where it does.

    `address_key` is the normalised address of the delivery.
    """
    if delivery is None or delivery.is_duplicate:  # a duplicate is never sent
        return Mismatch.NO_DELIVERY
    # An earlier sending may have gone through another gateway. None: the provider has what we forgot, since the database was
    # restored from a backup, say.
    is_present = matched.resends in (None, delivery.resends)
    if is_present and delivery.gateway not in (gateway, None):
        return Mismatch.OTHER_GATEWAY
    address = matched.receipt.address
    if address and not is_same_address(address_key or "", address):
        return Mismatch.OTHER_ADDRESS
    if matched.resends is None and delivery.resends:
        # Mailgun's id belongs to the message: each sending of a delivery has the same one.
        return Mismatch.SEVERAL_SENDINGS
    return None


def is_same_address(key: str, address: str) -> bool:
    """Whether the normalised address `key` is the recipient that a provider spells `address`.

    A provider names the number that it called, not the extension that it dialed after it.
    """
    given = _address_key(address)
    return given in (key, key.partition(";ext=")[0])


async def _candidates(
    connection: AsyncConnection, gateway: str, receipts: Sequence[Receipt]
) -> Mapping[str, Sequence[tuple[LiveDelivery, str]]]:
    """The deliveries, with their normalised addresses, that have the provider's ids of these receipts, by the id."""
    found: dict[str, list[tuple[LiveDelivery, str]]] = {}
    references = sorted({receipt.reference or "" for receipt in receipts})
    addresses = sorted({_address_key(receipt.address or "") for receipt in receipts})
    for delivery, address_key in await in_flight.by_reference_and_address(
        connection, gateway, references, addresses
    ):
        if not delivery.is_duplicate:
            found.setdefault(delivery.reference or "", []).append((delivery, address_key))
    return found


def _address_key(address: str) -> str:
    """The normalised form of an address as a provider spells it; of one that cannot be read, itself without case."""
    mode = DeliveryMode.EMAIL if "@" in address else DeliveryMode.TEXT
    try:
        return normalise(mode, address).key
    except InvalidAddress:
        return address.strip().casefold()


def _storable(receipt: Receipt) -> Receipt:
    """The receipt with texts that both databases take: signed bytes may hold NUL, or halves of characters."""
    return receipt._replace(
        key=_clean(receipt.key),
        reference=_clean(receipt.reference),
        address=_clean(receipt.address),
        detail=_clean(receipt.detail),
    )


def _clean(text: str | None) -> str | None:
    if text is None:
        return None
    return text[:LONGEST].replace("\0", "").encode("utf-8", "replace").decode()
