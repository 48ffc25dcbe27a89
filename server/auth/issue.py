"""Issues tokens for development and the demo, signed by this server's own key.

In production the district's identity provider issues the tokens. No route leads here.
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
"""The file with the secret, in the folder of the demo."""

_SECRET_BYTES: Final = 48
"""Random bytes; as text 64 characters, enough for each HMAC algorithm."""


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
        # Claims go under their full name, including dots, which the authenticator looks up first.
        settings.jwt_claim_name: name,
        settings.jwt_claim_district: district,
        settings.jwt_claim_schools: sorted(schools),
        settings.jwt_claim_rights: sorted(rights),
        # Last, so that a claim name from the settings cannot override them.
        "sub": id,
        "aud": settings.jwt_audience,
        "iss": settings.jwt_issuer,
        "iat": int(now.timestamp()),
        "exp": int((now + expires_in).timestamp()),
    }
    return jwt.encode(claims, material, algorithm=algorithm)


def demo_key(folder: Path) -> str:
    """The secret of the demo in `folder`, created on first use, readable by its owner only.

    Raises `SettingsError` if the file there is spoilt.
    """
    file = folder / DEMO_KEY
    if not file.exists():
        _write_once(file, secrets.token_urlsafe(_SECRET_BYTES))
    return _read(file)


def with_demo_key(settings: Settings) -> Settings:
    """The settings of `sentlog demo`: with the demo's key, unless a key is set."""
    if settings.jwt_key is not None:
        return settings
    return settings.model_copy(update={"jwt_key": SecretStr(demo_key(settings.demo_dir))})


def for_signing(settings: Settings) -> Settings:
    """The settings of `sentlog token`: with the key of a running demo, unless a key is set.

    Raises `SettingsError` if there is neither.
    """
    if settings.jwt_key is None and not (settings.demo_dir / DEMO_KEY).exists():
        raise SettingsError(
            f"{variable('jwt_key')}: it is not set, and no demo has been started in {settings.demo_dir}."
            f" Set the key that the server has, or {variable('data_dir')} to the folder of the demo."
        )
    return with_demo_key(settings)


def _write_once(file: Path, secret: str) -> None:
    """Create the file with the secret atomically, unless it exists."""
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_name(f"{file.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(secret)
        # A link fails if the name exists; a rename would replace the key of a running demo.
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
