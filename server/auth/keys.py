"""Keys that verify or sign tokens, and the algorithms that each supports.

Pure functions: `server.auth.jwks` reads a JWKS, `server.auth.key_sources` finds the keys.
"""

from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Protocol

import jwt
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import (
    EllipticCurvePrivateKey,
    EllipticCurvePublicKey,
)
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PrivateKey, Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate
from jwt.algorithms import OKPAlgorithm

from domain.errors import LogError

PublicKey = RSAPublicKey | EllipticCurvePublicKey | Ed25519PublicKey | Ed448PublicKey
PrivateKey = RSAPrivateKey | EllipticCurvePrivateKey | Ed25519PrivateKey | Ed448PrivateKey

SECRET_BYTES: Final = {"HS256": 32, "HS384": 48, "HS512": 64}
"""Minimum bytes of a secret: the size of the hash (RFC 7518, 3.2)."""

RSA_BITS: Final = 2048
"""Minimum bits of an RSA key (RFC 7518, 3.3)."""

EDWARDS_ALGORITHMS: Final = ("EdDSA", "Ed25519", "Ed448")
"""One signature under two names: `EdDSA`, and since RFC 9864 the name of the curve."""

for _name in EDWARDS_ALGORITHMS:
    with suppress(ValueError):  # PyJWT has registered it already
        jwt.register_algorithm(_name, OKPAlgorithm())

_RSA: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_CURVES: Final = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}


class KeysUnavailable(LogError):
    """No key is available, so no token can be verified; not the fault of the caller."""


class UnusableKey(ValueError):
    """The text is not a usable key; the message says why."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key that verifies signatures, and the algorithms it supports.

    `kid` is its name in a JWKS, None for a single key.
    """

    material: bytes | PublicKey
    algorithms: frozenset[str]
    kid: str | None = None


class KeySource(Protocol):
    """The source of the keys that verify tokens."""

    async def find(self, kid: str | None, algorithm: str) -> Key | None:
        """The key for a token with this header, None if there is none.

        Raises `KeysUnavailable` if the keys cannot be read.
        """

    async def ready(self) -> bool:
        """Whether there is a key, so that viewers can sign in."""


@dataclass(frozen=True, slots=True)
class OneKey:
    """A single key, used for every token, whatever its `kid`."""

    key: Key

    async def find(self, kid: str | None, algorithm: str) -> Key | None:
        """The key, if it supports the algorithm."""
        return self.key if algorithm in self.key.algorithms else None

    async def ready(self) -> bool:
        """True."""
        return True


def algorithms_of(material: bytes | PublicKey) -> tuple[str, ...]:
    """The algorithms that the key supports; none if it is too weak or of an unsupported kind."""
    match material:
        case bytes():
            return tuple(name for name, least in SECRET_BYTES.items() if len(material) >= least)
        case RSAPublicKey():
            return _RSA if material.key_size >= RSA_BITS else ()
        case EllipticCurvePublicKey():
            return tuple(name for curve, name in _CURVES.items() if curve == material.curve.name)
        case Ed25519PublicKey():
            return ("EdDSA", "Ed25519")
        case Ed448PublicKey():
            return ("EdDSA", "Ed448")


def public_half(material: PublicKey | PrivateKey) -> PublicKey:
    """The public key, which verifies."""
    return material if isinstance(material, PublicKey) else material.public_key()


def is_pem(text: str) -> bool:
    """Whether the text begins like a PEM (RFC 7468)."""
    return text.startswith("-----BEGIN ")


def parse_pem(text: str) -> PublicKey | PrivateKey:
    """The key in a PEM: private, public, or the public one of a certificate.

    Raises `UnusableKey`.
    """
    # In environment variables and YAML files, line ends often arrive as the two characters \n.
    text = text.replace("\\n", "\n")
    label, pem = text.partition("\n")[0], text.encode()
    try:
        if "PRIVATE KEY" in label:
            material: object = load_pem_private_key(pem, password=None)
        elif "CERTIFICATE" in label:
            material = load_pem_x509_certificate(pem).public_key()
        else:
            material = load_pem_public_key(pem)
    except TypeError:
        raise UnusableKey("the PEM is locked by a passphrase: give it without") from None
    except (ValueError, UnsupportedAlgorithm):
        raise UnusableKey("the PEM cannot be read: give it whole, from BEGIN to END") from None
    if not isinstance(material, PublicKey | PrivateKey):
        raise UnusableKey("the PEM is not an RSA, EC or Ed key: give one of these")
    return material
