"""A JWKS (RFC 7517): the issuer's public keys by name, reread while the server runs.

The caller provides the function that reads it. Secrets (`kty` oct) in a set are ignored, since its readers know them.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import httpx2
import structlog
from jwt import PyJWK
from jwt.algorithms import OKPAlgorithm
from jwt.exceptions import PyJWTError

from server.auth.keys import (
    EDWARDS_ALGORITHMS,
    Key,
    KeysUnavailable,
    PublicKey,
    UnusableKey,
    algorithms_of,
)

KEPT: Final = timedelta(minutes=5)
"""How long a set is used before it is reread, and so how long a withdrawn key still works."""

PAUSE: Final = timedelta(seconds=10)
"""The least time between two reads; without it, tokens with invented key names would flood the issuer."""

BELIEVED_WITHOUT_NEWS: Final = timedelta(hours=24)
"""How long the last set is used if rereading fails."""

LARGEST: Final = 256 * 1024
"""Maximum bytes of a set; a hundred RSA keys with their certificates are smaller."""

ANSWER_SECONDS: Final = 5.0
"""Timeout of a request to the issuer."""

_PUBLIC_MEMBERS: Final = ("kty", "crv", "e", "n", "x", "y")

_log = structlog.get_logger(__name__)


class RotatingKeys:
    """The keys of a set that is reread every five minutes, and when a token names an unknown key.

    If rereading fails, the last keys stay in use. One task reads at a time; callers whose key is known do not wait for it.
    """

    def __init__(
        self,
        read: Callable[[], Awaitable[bytes]],
        *,
        clock: Callable[[], datetime],
        first: tuple[Key, ...] = (),
    ) -> None:
        self._read = read
        self._clock = clock
        self._keys = first
        self._read_at = self._tried_at = clock() if first else None
        self._reading = asyncio.Lock()

    async def find(self, kid: str | None, algorithm: str) -> Key | None:
        """The key named `kid`; for a token without `kid`, the only key that supports its algorithm.

        A key that is listed several times counts once. Raises `KeysUnavailable` if no set could be read, or none for 24 hours.
        """
        await self._refresh(lambda: _choose(self._keys, kid, algorithm) is None)
        if not self._keys:
            raise KeysUnavailable(
                "Sign-ins cannot be checked at the moment: the keys of their issuer are out of reach."
                " Try again in a minute."
            )
        return _choose(self._keys, kid, algorithm)

    async def ready(self) -> bool:
        """Whether there are keys; reads them if there are none."""
        await self._refresh(lambda: not self._keys)
        return bool(self._keys)

    async def _refresh(self, lacks: Callable[[], bool]) -> None:
        """Reread the set if that is due; wait for another task's read only if a key is missing."""
        if self._is_due(lacks()) and (lacks() or not self._reading.locked()):
            async with self._reading:
                if self._is_due(lacks()):
                    await self._read_again()

    def _is_due(self, lacks: bool) -> bool:
        now = self._clock()
        if self._tried_at is not None and now - self._tried_at < PAUSE:
            return False
        return lacks or self._read_at is None or now - self._read_at >= KEPT

    async def _read_again(self) -> None:
        try:
            self._keys = parse_key_set(await self._read())
            self._read_at = self._clock()
        except (httpx2.HTTPError, OSError, ValueError) as error:
            if self._read_at is not None and self._clock() - self._read_at >= BELIEVED_WITHOUT_NEWS:
                self._keys = ()
            _log.warning("keys not read", reason=type(error).__name__, count=len(self._keys))
        # Set after the read: if the caller is canceled, the next one should retry at once.
        self._tried_at = self._clock()


def _choose(keys: tuple[Key, ...], kid: str | None, algorithm: str) -> Key | None:
    fitting = [key for key in keys if algorithm in key.algorithms and kid in (None, key.kid)]
    # The choice must be unambiguous. Some issuers list the same key twice.
    is_one = all(key.material == fitting[0].material for key in fitting)
    return fitting[0] if fitting and is_one else None


def parse_key_set(document: bytes) -> tuple[Key, ...]:
    """The keys of a JWKS that can verify signatures, in its order; private members are ignored.

    Raises `UnusableKey` if there are none.
    """
    try:
        document_value = json.loads(document)
    except (ValueError, RecursionError):
        raise UnusableKey("it is not JSON") from None
    members = document_value.get("keys") if isinstance(document_value, dict) else None
    keys = [_parse_key(member) for member in members] if isinstance(members, list) else []
    usable = tuple(key for key in keys if key is not None)
    if not usable:
        raise UnusableKey("it is not a JWKS with a public key for signatures")
    return usable


def _parse_key(member: object) -> Key | None:
    """One key of a set; None if it is not for signatures, too weak, or of an unknown kind.

    `use`, `key_ops` and `alg` that are null or empty count as absent: some issuers write them so.
    """
    if not isinstance(member, dict) or (member.get("use") or "sig") != "sig":
        return None
    kid, operations = member.get("kid"), member.get("key_ops") or ["verify"]
    if not isinstance(kid, str | None):
        return None
    if not isinstance(operations, list) or "verify" not in operations:
        return None
    try:
        public = {name: member[name] for name in _PUBLIC_MEMBERS if name in member}
        # PyJWK does not support Ed448, but its algorithm does.
        is_edwards = public.get("kty") == "OKP"
        material = OKPAlgorithm.from_jwk(public) if is_edwards else PyJWK(public).key
    except (PyJWTError, ValueError, TypeError, KeyError, AttributeError):
        return None
    if not isinstance(material, PublicKey):
        return None
    served = algorithms_of(material)
    # The names of EdDSA mean the same signature, so a key under one name also serves the other of its curve.
    only = member.get("alg") or None
    is_any = only is None or (only in served and only in EDWARDS_ALGORITHMS)
    algorithms = frozenset(name for name in served if is_any or name == only)
    return Key(material, algorithms, kid) if algorithms else None


async def fetch(client: httpx2.AsyncClient, address: str) -> bytes:
    """The document at a URL, without redirects, within five seconds and 256 KiB.

    Raises `httpx2.HTTPError`, `TimeoutError` or `ValueError`.
    """
    # Uncompressed: one small compressed part could unpack to far more than the limit.
    headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
    body = bytearray()
    async with (
        asyncio.timeout(ANSWER_SECONDS),
        client.stream("GET", address, headers=headers, follow_redirects=False) as answer,
    ):
        if answer.status_code != httpx2.codes.OK:
            raise UnusableKey(f"the answer is {answer.status_code}, not 200")
        if "content-encoding" in answer.headers:
            raise UnusableKey("the answer is compressed, which it was asked not to be")
        async for part in answer.aiter_bytes():
            body += part
            if len(body) > LARGEST:
                raise UnusableKey(f"it has more than {LARGEST} bytes")
    return bytes(body)


def read(path: Path) -> bytes:
    """The content of a file of at most 256 KiB.

    Raises `OSError` or `ValueError`.
    """
    with path.open("rb") as file:
        document = file.read(LARGEST + 1)
    if len(document) > LARGEST:
        raise UnusableKey(f"it has more than {LARGEST} bytes")
    return document
