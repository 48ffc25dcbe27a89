"""Reads `SENTLOG_JWT_KEY`: the keys that verify tokens, and the key that signs them.

The setting is a secret, a key in PEM, `file:` with the path of either or of a JWKS, or the URL of a JWKS.
"""

import asyncio
import os
from collections.abc import Callable
from datetime import datetime
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Final

import httpx2

from server.auth import jwks
from server.auth.jwks import RotatingKeys
from server.auth.keys import (
    SECRET_BYTES,
    Key,
    KeySource,
    OneKey,
    PrivateKey,
    PublicKey,
    UnusableKey,
    algorithms_of,
    is_pem,
    parse_pem,
    public_half,
)
from server.settings.settings import HMAC_ALGORITHMS, Settings, SettingsError, variable

_KEY: Final = variable("jwt_key")
_ALGORITHMS: Final = variable("jwt_algorithms")
_MAKE_ONE: Final = "python -c 'import secrets; print(secrets.token_urlsafe(48))'"


def connect_keys(
    settings: Settings, client: httpx2.AsyncClient, *, clock: Callable[[], datetime]
) -> KeySource:
    """The keys that the settings name; `client` fetches a JWKS from a URL.

    A file is read at once, a URL with the first token: the issuer may start later than this server. Raises `SettingsError` if
    the key is missing, unreadable, too weak, or of the wrong kind for the algorithms.
    """
    text = _key_text(settings)
    if _is_url(text):
        _require_public_key_algorithms(settings)
        address = _require_safe(text)
        return RotatingKeys(partial(jwks.fetch, client, address), clock=clock)
    path = _path(text)
    if path is not None:
        text = _content(path)
        if text.startswith("{"):
            _require_public_key_algorithms(settings)
            first = _key_set(path, text)
            reread = partial(asyncio.to_thread, jwks.read, path)
            return RotatingKeys(reread, clock=clock, first=first)
    material = _material(text)
    verifying = material if isinstance(material, bytes) else public_half(material)
    _require_fit(settings, verifying)
    return OneKey(Key(verifying, frozenset(settings.jwt_algorithms)))


def signing_key(settings: Settings) -> tuple[bytes | PrivateKey, str]:
    """The key and the algorithm to sign tokens that `connect_keys` of the same settings accepts.

    Raises `SettingsError` as `connect_keys` does, and for a public key or a JWKS, which cannot sign.
    """
    text = _key_text(settings)
    if not _is_url(text):
        path = _path(text)
        text = text if path is None else _content(path)
        material = None if path and text.startswith("{") else _material(text)
        if isinstance(material, bytes | PrivateKey):
            _require_fit(
                settings, material if isinstance(material, bytes) else material.public_key()
            )
            return material, settings.jwt_algorithms[0]
    raise SettingsError(
        f"{_KEY}: it names public keys, which check tokens and sign none."
        " Let their issuer make the token, or give the private key in PEM, or a secret."
    )


def _key_text(settings: Settings) -> str:
    text = settings.jwt_key.get_secret_value().strip() if settings.jwt_key else ""
    if not text:
        raise SettingsError(
            f"{_KEY}: it is not set, so nobody could sign in. Set it to a secret ({_MAKE_ONE}),"
            " a public key in PEM, file:/path to one, or the https address of a JWKS."
        )
    return text


def _is_url(text: str) -> bool:
    return text.startswith(("https://", "http://"))


def _require_safe(text: str) -> str:
    """The URL, if it is safe against forged keys: https, or http on this machine. Raises `SettingsError`."""
    try:
        url = httpx2.URL(text)
    except httpx2.InvalidURL:
        raise SettingsError(
            f"{_KEY}: the address cannot be read. Give https://host/path."
        ) from None
    if url.scheme != "https" and not _is_loopback(url.host):
        raise SettingsError(
            f"{_KEY}: http://{url.host} is not safe: keys could be forged on the way. Give its https address."
        )
    return text


def _is_loopback(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False


def _path(text: str) -> Path | None:
    """The path of a `file:` URL, with or without two slashes; None for any other text."""
    if not text.startswith("file:"):
        return None
    return Path(text.removeprefix("file:").removeprefix("//")).expanduser().absolute()


def _content(path: Path) -> str:
    try:
        return jwks.read(path).decode("utf-8-sig").strip()
    except OSError as error:
        raise SettingsError(
            f"{_KEY}: {path} cannot be read: {error.strerror}. Correct the path or its permissions."
        ) from None
    except UnicodeDecodeError:
        raise SettingsError(
            f"{_KEY}: {path} is not text. Give a JWKS, a PEM or a secret."
        ) from None
    except UnusableKey as error:
        raise SettingsError(f"{_KEY}: {path}: {error}. Give a JWKS, a PEM or a secret.") from None


def _key_set(path: Path, text: str) -> tuple[Key, ...]:
    try:
        return jwks.parse_key_set(text.encode())
    except UnusableKey as error:
        raise SettingsError(f"{_KEY}: {path}: {error}. Give a JWKS, a PEM or a secret.") from None


def _material(text: str) -> bytes | PublicKey | PrivateKey:
    """The secret or the key in the text. Raises `SettingsError` for a JWKS or a path, which would make a public secret."""
    if is_pem(text):
        try:
            return parse_pem(text)
        except UnusableKey as error:
            raise SettingsError(f"{_KEY}: {error}.") from None
    if text.startswith("{"):
        raise SettingsError(
            f"{_KEY}: a JWKS does not go here. Put it into a file and give file:/path."
        )
    if os.path.exists(text):
        raise SettingsError(f"{_KEY}: this is the path of a file. Write file: before it.")
    return text.encode()


def _require_public_key_algorithms(settings: Settings) -> None:
    if set(settings.jwt_algorithms) <= set(HMAC_ALGORITHMS):
        raise SettingsError(
            f"{_ALGORITHMS}: {', '.join(settings.jwt_algorithms)} goes with a secret, and {_KEY} names a JWKS,"
            " whose keys are public. Set it to what their issuer signs by, RS256 or ES256 as a rule."
        )


def _require_fit(settings: Settings, material: bytes | PublicKey) -> None:
    """Pass if the key supports every configured algorithm. Raises `SettingsError`."""
    served = algorithms_of(material)
    unserved = [name for name in settings.jwt_algorithms if name not in served]
    if not unserved:
        return
    if isinstance(material, bytes) and unserved[0] in HMAC_ALGORITHMS:
        raise SettingsError(
            f"{_KEY}: the secret has {len(material)} bytes and {unserved[0]} needs {SECRET_BYTES[unserved[0]]}."
            f" Make one: {_MAKE_ONE}"
        )
    if not isinstance(material, bytes) and not served:
        raise SettingsError(
            f"{_KEY}: the key is too weak or of a kind that tokens do not use."
            " Give an RSA key of 2048 bits or more, an EC key on P-256, P-384 or P-521, or an Ed25519 key."
        )
    kind = "a secret" if isinstance(material, bytes) else "a key in PEM"
    usable = ", ".join(served or HMAC_ALGORITHMS)
    raise SettingsError(
        f"{_ALGORITHMS}: {unserved[0]} does not go with {_KEY}, which is {kind}. It goes with {usable}."
    )
