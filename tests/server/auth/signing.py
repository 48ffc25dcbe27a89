"""Keys, tokens and a clock for tests of sign-in. The keys are made once per run."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import httpx2
import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from server.auth.keys import PrivateKey
from server.settings.settings import Settings

NOW = datetime(2020, 1, 31, 17, 0, tzinfo=UTC)
SECRET = "a secret of the tests, thirty-two bytes or more, indeed sixty-four of them"


@dataclass
class Clock:
    """A clock that stands still until it is moved."""

    now: datetime = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        self.now += timedelta(**by)


@cache
def rsa_key(number: int = 1) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@cache
def weak_rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=1024)


@cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def ed_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def private_pem(key: PrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def public_pem(key: PrivateKey) -> str:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def jwk(key: PrivateKey, kid: str | None, **members: Any) -> dict[str, Any]:
    """The public key as a member of a JWKS; a member of None is left out."""
    public = key.public_key()
    if isinstance(public, rsa.RSAPublicKey):
        found = RSAAlgorithm.to_jwk(public, as_dict=True)
    elif isinstance(public, ec.EllipticCurvePublicKey):
        found = ECAlgorithm.to_jwk(public, as_dict=True)
    else:
        found = OKPAlgorithm.to_jwk(public, as_dict=True)
    merged = {**found, "kid": kid, **members}
    return {name: value for name, value in merged.items() if value is not None}


def key_set(*members: object) -> bytes:
    return json.dumps({"keys": members}).encode()


def claims(**changes: Any) -> dict[str, Any]:
    """What a good token says, with changes; `...` takes a claim away."""
    good = {
        "sub": "u1",
        "aud": "sentlog",
        "iss": "sentlog",
        "exp": int(NOW.timestamp()) + 3600,
        "name": "Administrator, System",
        "district": "plainview",
        "schools": ["harrison-high"],
        "rights": ["VIEW_LOG"],
    }
    return {name: value for name, value in {**good, **changes}.items() if value is not ...}


def signed(
    said: dict[str, Any],
    key: PrivateKey | str = SECRET,
    algorithm: str = "HS256",
    **header: Any,
) -> str:
    return jwt.encode(said, key, algorithm=algorithm, headers=header or None)


def settings(**fields: Any) -> Settings:
    return Settings(**{"jwt_key": SECRET, **fields})


def client(answer: Callable[[httpx2.Request], httpx2.Response]) -> httpx2.AsyncClient:
    """A client whose every request is answered by `answer`, so that nothing leaves the process."""
    return httpx2.AsyncClient(transport=httpx2.MockTransport(answer))


def no_client() -> httpx2.AsyncClient:
    """A client for settings that name no address."""

    def refuse(request: httpx2.Request) -> httpx2.Response:
        raise AssertionError(f"nothing may be fetched: {request.url}")

    return client(refuse)
