"""Match receipts to deliveries (rule 6 of the log).

By our own key in the receipt; otherwise by the provider's id together with the recipient's address. If that is not exactly
one delivery, the receipt is unmatched; it is never guessed. `delivery.receipts.receipts` applies receipts.
"""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from db.dispatch import in_flight
from db.dispatch.in_flight import LiveDelivery
from db.log.deliveries import DeliveryKey
from db.sql.connections import ReadConnection
from delivery.dispatch import delivery_names
from domain.addresses import InvalidAddress, normalise
from domain.receipts import Mismatch, Receipt, Unmatched
from domain.status import DeliveryMode

LONGEST: Final = 500
"""Most characters of a name or an address in a receipt: longer ones are not ours, and are cut."""


class Matched(NamedTuple):
    """A receipt, and the delivery that it names. `resends` is the number of the sending; None if the receipt has none."""

    key: DeliveryKey
    resends: int | None
    receipt: Receipt


async def match(
    connection: ReadConnection, gateway: str, receipts: Sequence[Receipt]
) -> tuple[list[Matched], list[Unmatched]]:
    """Return the receipts that name one delivery, and those that name none or several.

    The named delivery may not exist, or may not fit the receipt: call `mismatch` under the message's lock.
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
        same = [
            delivery
            for delivery, address_key in candidates.get(receipt.reference or "", ())
            if is_same_address(address_key, receipt.address or "")
        ]
        if len(same) == 1:
            matched.append(Matched(same[0].key, None, receipt))
        else:
            reason = Mismatch.SEVERAL_DELIVERIES if same else Mismatch.NO_DELIVERY
            unmatched.append(Unmatched(receipt, reason))
    return matched, unmatched


def mismatch(
    matched: Matched, delivery: LiveDelivery | None, address_key: str | None, *, gateway: str
) -> Mismatch | None:
    """Return why a receipt does not belong to the delivery that it names; None if it does.

    `address_key` is the normalised address of the delivery.
    """
    if delivery is None or delivery.is_duplicate:  # a duplicate is never sent
        return Mismatch.NO_DELIVERY
    # An earlier sending may have gone through another gateway. A delivery without a gateway may have been sent all the same,
    # for example if the database was restored from an older backup.
    is_current = matched.resends in (None, delivery.resends)
    if is_current and delivery.gateway not in (gateway, None):
        return Mismatch.OTHER_GATEWAY
    address = matched.receipt.address
    if address and not is_same_address(address_key or "", address):
        return Mismatch.OTHER_ADDRESS
    if matched.resends is None and delivery.resends:
        # Mailgun's id belongs to the message: all sendings of a delivery share it.
        return Mismatch.SEVERAL_SENDINGS
    return None


def is_same_address(key: str, address: str) -> bool:
    """Return whether the normalised address `key` is the recipient that a provider writes as `address`.

    A provider names the number that it called, without the extension that it dialed after it.
    """
    return _address_key(address) in (key, key.partition(";ext=")[0])


async def _candidates(
    connection: ReadConnection, gateway: str, receipts: Sequence[Receipt]
) -> Mapping[str, Sequence[tuple[LiveDelivery, str]]]:
    """Return the deliveries with the provider's ids of these receipts, with their normalised addresses, by that id."""
    candidates: dict[str, list[tuple[LiveDelivery, str]]] = {}
    references = sorted({receipt.reference or "" for receipt in receipts})
    addresses = sorted({_address_key(receipt.address or "") for receipt in receipts})
    for delivery, address_key in await in_flight.by_reference_and_address(
        connection, gateway, references, addresses
    ):
        if not delivery.is_duplicate:
            candidates.setdefault(delivery.reference or "", []).append((delivery, address_key))
    return candidates


def _address_key(address: str) -> str:
    """Return the normalised form of a provider's address; if it cannot be read, the address without case."""
    mode = DeliveryMode.EMAIL if "@" in address else DeliveryMode.TEXT
    try:
        return normalise(mode, address).key
    except InvalidAddress:
        return address.strip().casefold()


def _storable(receipt: Receipt) -> Receipt:
    """Return the receipt with texts that both databases accept: callbacks may hold NUL or half surrogate pairs."""
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
