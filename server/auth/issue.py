"""Tokens for development and the demo, signed by this server's own key.

In production the district's sign-in service makes the tokens; nothing here is reachable over HTTP.
"""

import os
import secrets
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import jwt
from pydantic import SecretStr

from domain.viewer import Right
from server.auth.key_sources import signing_key
from server.settings.settings import Settings, SettingsError, variable

DEMO_KEY: Final = "jwt-key"
"""The file in the demo's folder that holds its secret."""

_SECRET_BYTES: Final = 48
"""Random ones; as text they are 64 characters, enough for each HMAC algorithm."""


def make_token(
    settings: Settings,
    *,
    id: str,
    name: str,
    district: str,
    schools: Iterable[str],
    rights: Iterable[Right],
    expires_in: timedelta,
    now: datetime,
) -> str:
    """A token that a server with the same settings accepts from `now` until `expires_in` later.

    No schools means every school of the district. Raises `SettingsError` where the settings hold nothing that signs, and
    `ValueError` if the token would have expired already.
    """
    if expires_in <= timedelta(0):
        raise ValueError(
            f"A token that lasts {expires_in} has expired already. Give a time above zero."
        )
    material, algorithm = signing_key(settings)
    claims = {
        # Claims go under their whole name, dots and all: that is where they are looked for first.
        settings.jwt_claim_name: name,
        settings.jwt_claim_district: district,
        settings.jwt_claim_schools: sorted(schools),
        settings.jwt_claim_rights: sorted(rights),
        # Last: whatever the claims above are called, these make the token hold.
        "sub": id,
        "aud": settings.jwt_audience,
        "iss": settings.jwt_issuer,
        "iat": int(now.timestamp()),
        "exp": int((now + expires_in).timestamp()),
    }
    return jwt.encode(claims, material, algorithm=algorithm)


def demo_key(folder: Path) -> str:
    """The secret of the demo in `folder`: made the first time, the same ever after, readable by its owner alone.

    Raises `SettingsError` if the file there is spoilt.
    """
    file = folder / DEMO_KEY
    if not file.exists():
        _write_once(file, secrets.token_urlsafe(_SECRET_BYTES))
    return _read(file)


def with_demo_key(settings: Settings) -> Settings:
    """The settings of `sentlog demo`: with the demo's key, unless they name one."""
    if settings.jwt_key is not None:
        return settings
    return settings.model_copy(update={"jwt_key": SecretStr(demo_key(settings.demo_dir))})


def for_signing(settings: Settings) -> Settings:
    """The settings of `sentlog token`: with the key of a demo that was started beside it, unless they name one.

    Raises `SettingsError` if there is neither.
    """
    if settings.jwt_key is None and not (settings.demo_dir / DEMO_KEY).exists():
        raise SettingsError(
            f"{variable('jwt_key')}: it is not set, and no demo has been started in {settings.demo_dir}."
            f" Set the key that the server has, or {variable('data_dir')} to the folder of the demo."
        )
    return with_demo_key(settings)


def _write_once(file: Path, secret: str) -> None:
    """Put the secret there unless somebody else is first; nobody ever sees half of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(secret)
        # A link fails where the name is taken, while a rename would put another key under a running demo.
        os.link(draft, file)
    except FileExistsError:
        pass
    finally:
        draft.unlink()


def _read(file: Path) -> str:
    secret = file.read_text(encoding="utf-8").strip()
    if len(secret) < _SECRET_BYTES:
        raise SettingsError(f"{file}: it holds no key. Delete it and start the demo again.")
    return secret
