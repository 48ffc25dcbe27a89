"""Tokens whose signatures held: each is checked once, and read again as long as the same key is there.

A client sends the same token with every request, and to check its signature takes as long as a small answer. Whether a token
holds at the moment is not said here: that is judged each time.
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
"""Of the last ones; they are kept by their hash, so that no copy of the memory lets anybody sign in."""


class SignIn(NamedTuple):
    """From when on a token makes its bearer a viewer; until when, the viewer knows."""

    begins_at: datetime
    viewer: Viewer


@dataclass(slots=True)
class Proof:
    """What a token says of its key, the key by which its signature held, and its claims."""

    kid: Any
    algorithm: str
    key: Key
    claims: Mapping[str, Any]
    sign_in: SignIn | None = None
    """What the claims come to, once they were found to be fit."""


class Proven:
    """The tokens that came last."""

    def __init__(self, most: int = MOST_TOKENS) -> None:
        self._most = most
        self._proofs: OrderedDict[bytes, Proof] = OrderedDict()

    def find(self, token: str) -> Proof | None:
        """The proof of a token that was checked before. It holds only while its key is the one to check with."""
        name = _name(token)
        proof = self._proofs.get(name)
        if proof is not None:
            self._proofs.move_to_end(name)
        return proof

    def keep(self, token: str, proof: Proof) -> None:
        """Have a token known from now on."""
        self._proofs[_name(token)] = proof
        if len(self._proofs) > self._most:
            self._proofs.popitem(last=False)


def _name(token: str) -> bytes:
    return sha256(token.encode()).digest()
