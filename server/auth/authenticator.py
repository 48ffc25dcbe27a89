"""Authenticates: from a bearer token (RFC 6750, a JWT of RFC 7519) to the viewer.

An invalid token always raises `Unauthenticated`: its message is for the person, the log has the reason.
`server.auth.key_sources` provides the keys; `db.log.visibility` decides what a viewer sees.
"""

import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import jwt
import structlog
from jwt.exceptions import (
    InvalidAudienceError,
    InvalidIssuerError,
    MissingRequiredClaimError,
    PyJWTError,
)

from domain.errors import Unauthenticated
from domain.viewer import Right, Viewer, viewer_key
from server.auth.keys import KeySource
from server.auth.rights import RightsReader
from server.auth.verified_tokens import Proof, SignIn, VerifiedTokens
from server.http.request_log import note_viewer
from server.http.viewer_slots import take_slot
from server.settings.settings import Settings

LONGEST_TOKEN: Final = 16 * 1024
"""Maximum characters; enough for a list of a thousand schools. Longer tokens are not decoded."""

_REQUIRED: Final = ("exp", "aud", "iss", "sub")
_SIGN_IN_AGAIN: Final = "Sign in again; if that does not help, ask who manages your account."

_UNSTORABLE: Final = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
"""Control characters and lone surrogates: databases refuse some, and they could forge log lines."""

_BEGIN_OF_TIME: Final = datetime.min.replace(tzinfo=UTC)
_END_OF_TIME: Final = datetime(9999, 12, 31, tzinfo=UTC).timestamp()
"""Seconds; later instants plus the leeway exceed the range of `datetime`."""

_log = structlog.get_logger(__name__)


class Authenticator:
    """Finds the viewer of a request or a connection."""

    def __init__(
        self, settings: Settings, keys: KeySource, *, clock: Callable[[], datetime]
    ) -> None:
        self._settings = settings
        self._keys = keys
        self._clock = clock
        self._leeway = timedelta(seconds=settings.jwt_leeway)
        self._verified = VerifiedTokens()
        self._rights = RightsReader(settings.jwt_rights)

    async def viewer(self, authorization: str | None) -> Viewer:
        """The viewer of an `Authorization` header.

        Raises `Unauthenticated`, `TooMuch` if the viewer has too many concurrent requests, or `KeysUnavailable` if no token can
        be verified at the moment.
        """
        viewer = self._viewer(await self._proof(_bearer(authorization)))
        note_viewer(viewer.id)
        take_slot(viewer_key(viewer))
        return viewer

    async def viewer_of_connection(self, payload: object) -> Viewer:
        """The viewer of the payload of `connection_init` (graphql-transport-ws): `{"Authorization": "Bearer …"}`.

        The name is case-insensitive, as in HTTP. Raises as `viewer` does.
        """
        members = payload.items() if isinstance(payload, Mapping) else ()
        named = [
            value
            for name, value in members
            if isinstance(name, str) and name.lower() == "authorization"
        ]
        if len(named) > 1 or not all(isinstance(value, str) for value in named):
            raise _refused(
                "payload", 'The connection needs one text: {"Authorization": "Bearer …"}.'
            )
        return await self.viewer(named[0] if named else None)

    async def _proof(self, token: str) -> Proof:
        """The content of the token, after its signature, audience and issuer were verified."""
        proof = self._verified.find(token)
        if proof and await self._keys.find(proof.kid, proof.algorithm) == proof.key:
            return proof
        try:
            header = jwt.get_unverified_header(token)
            algorithm, kid = header.get("alg"), header.get("kid")
            # Before a key is looked for: a forged algorithm must not make us fetch keys.
            if not isinstance(algorithm, str) or algorithm not in self._settings.jwt_algorithms:
                raise _refused("algorithm", f"Your sign-in is not valid here. {_SIGN_IN_AGAIN}")
            key = await self._keys.find(kid, algorithm)
            if key is None:
                raise _refused("key", f"Your sign-in is not valid here. {_SIGN_IN_AGAIN}")
            claims: dict[str, Any] = jwt.decode(
                token,
                key.material,
                algorithms=[algorithm],
                audience=self._settings.jwt_audience,
                issuer=self._settings.jwt_issuer,
                # Times are checked by `_validity`, with our own clock.
                options={
                    "require": list(_REQUIRED),
                    "verify_exp": False,
                    "verify_nbf": False,
                    "verify_iat": False,
                },
            )
        except PyJWTError as error:
            raise _refused(type(error).__name__, _message(error)) from None
        proof = Proof(kid, algorithm, key, claims)
        self._verified.keep(token, proof)
        return proof

    def _viewer(self, proof: Proof) -> Viewer:
        """The viewer of the claims, from the cache while it is valid."""
        cached = proof.sign_in
        if cached and cached.begins_at <= self._clock() < cached.viewer.expires_at:
            return cached.viewer
        begins_at, expires_at = self._validity(proof.claims)
        viewer = self._read(proof.claims, expires_at)
        proof.sign_in = SignIn(begins_at, viewer)
        return viewer

    def _read(self, claims: Mapping[str, Any], expires_at: datetime) -> Viewer:
        settings = self._settings
        id = _text(claims["sub"], "sub")
        name = _claim(claims, settings.jwt_claim_name)
        is_unnamed = name is None or (isinstance(name, str) and not name.strip())
        district = _text(_claim(claims, settings.jwt_claim_district), settings.jwt_claim_district)
        return Viewer(
            id=id,
            name=id if is_unnamed else _text(name, settings.jwt_claim_name),
            district=district,
            schools=_schools(
                _claim(claims, settings.jwt_claim_schools), settings.jwt_claim_schools
            ),
            rights=self._rights_of(claims, viewer=id, district=district),
            expires_at=expires_at,
        )

    def _rights_of(
        self, claims: Mapping[str, Any], *, viewer: str, district: str
    ) -> frozenset[Right]:
        name = self._settings.jwt_claim_rights
        value = _claim(claims, name)
        try:
            rights = self._rights.read(value)
        except ValueError:
            raise _unfit(
                name, "a list of texts, or one text with spaces or commas between the rights"
            ) from None
        for unknown in self._rights.unreported(value):
            _log.info("unknown right in a token", viewer=viewer, district=district, right=unknown)
        return rights

    def _validity(self, claims: Mapping[str, Any]) -> tuple[datetime, datetime]:
        """The instants from and until which the token is valid: `nbf`, `iat`, `exp`, each with the leeway."""
        now, begins_at = self._clock(), _BEGIN_OF_TIME
        for name in ("nbf", "iat"):
            if name in claims:
                begins_at = max(begins_at, _instant(claims[name], name) - self._leeway)
                if begins_at > now:
                    raise _refused(
                        name, "Your sign-in is not valid yet. Check that the clocks are right."
                    )
        until = _instant(claims["exp"], "exp") + self._leeway
        if now >= until:
            raise _refused("expired", "Your sign-in has expired. Sign in again.")
        return begins_at, until


def _refused(reason: str, message: str) -> Unauthenticated:
    _log.info("sign-in refused", reason=reason)
    return Unauthenticated(message)


def _message(error: PyJWTError) -> str:
    """The message for the person; details only if the signature is that of the issuer."""
    match error:
        case MissingRequiredClaimError():
            return f"Your sign-in lacks the claim {error.claim}; it needs {', '.join(_REQUIRED)}."
        case InvalidAudienceError():
            return f"Your sign-in is meant for another application. {_SIGN_IN_AGAIN}"
        case InvalidIssuerError():
            return f"Your sign-in comes from an issuer that is not trusted here. {_SIGN_IN_AGAIN}"
        case _:
            return f"Your sign-in is not valid here. {_SIGN_IN_AGAIN}"


def _bearer(authorization: str | None) -> str:
    """The token in the header. Raises `Unauthenticated`."""
    if authorization is None:
        raise _refused(
            "missing", "You are not signed in. Send the header Authorization: Bearer with a token."
        )
    scheme, _, token = authorization.strip().partition(" ")
    token = token.strip()
    if scheme.lower() != "bearer" or not token:
        raise _refused("scheme", "The header Authorization must be: Bearer, a space and a token.")
    if len(token) > LONGEST_TOKEN:
        raise _refused(
            "length", f"The token has {len(token)} characters; {LONGEST_TOKEN} are allowed."
        )
    if not token.isascii():
        raise _refused("characters", f"Your sign-in is not valid here. {_SIGN_IN_AGAIN}")
    return token


def _claim(claims: Mapping[str, Any], name: str) -> object:
    """The claim with exactly this name, else the one at this dotted path; None if there is neither.

    The exact name comes first, since issuers use URLs as names, which contain dots.
    """
    if name in claims:
        return claims[name]
    value: object = claims
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _text(value: object, name: str) -> str:
    """A text that can be stored and compared: not empty, without control characters and lone surrogates."""
    if not isinstance(value, str) or not value.strip() or _UNSTORABLE.search(value):
        raise _unfit(name, "a text")
    return value


def _schools(value: object, name: str) -> frozenset[str]:
    """The schools; every school of the district if absent, null or empty."""
    if value is None:
        return frozenset()
    if not isinstance(value, list):
        # A single text is refused: a misread limit would give access to other schools.
        raise _unfit(name, "a list of texts")
    return frozenset(_text(school, name) for school in value)


def _instant(value: object, name: str) -> datetime:
    """An instant from a NumericDate (RFC 7519, 2): seconds since 1970, UTC."""
    if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < _END_OF_TIME:
        return datetime.fromtimestamp(value, UTC)
    raise _unfit(name, "a time in seconds since 1970")


def _unfit(name: str, expected: str) -> Unauthenticated:
    return _refused(name, f"The claim {name} of your sign-in must be {expected}. {_SIGN_IN_AGAIN}")
