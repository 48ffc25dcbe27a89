"""A cache of verified tokens: the signature of a token is checked once, as long as the same key is in use.

A client sends the same token with every request, and verifying its signature takes as long as a small response. The
authenticator checks the validity period each time.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Any, Final, NamedTuple

from domain.viewer import Viewer
from server.auth.keys import Key

MOST_TOKENS: Final = 1_000
"""Maximum tokens, the latest ones. Only their hashes are kept, so that a memory dump contains no usable token."""


class SignIn(NamedTuple):
    """The viewer of a token, and the instant from which the token is valid; the viewer holds its expiry."""

    begins_at: datetime
    viewer: Viewer


@dataclass(slots=True)
class Proof:
    """The verified content of a token: its header, the key that verified it, and its claims."""

    kid: Any
    algorithm: str
    key: Key
    claims: Mapping[str, Any]
    sign_in: SignIn | None = None
    """The viewer of the claims, once they have been checked."""


class VerifiedTokens:
    """The latest verified tokens."""

    def __init__(self, most: int = MOST_TOKENS) -> None:
        self._most = most
        self._proofs: OrderedDict[bytes, Proof] = OrderedDict()

    def find(self, token: str) -> Proof | None:
        """The content of a token, if it was verified. Valid only while its key is still the one to verify with."""
        name = _name(token)
        proof = self._proofs.get(name)
        if proof is not None:
            self._proofs.move_to_end(name)
        return proof

    def keep(self, token: str, proof: Proof) -> None:
        """Add a token."""
        self._proofs[_name(token)] = proof
        if len(self._proofs) > self._most:
            self._proofs.popitem(last=False)


def _name(token: str) -> bytes:
    return sha256(token.encode()).digest()
