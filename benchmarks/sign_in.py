"""The settings of a server in a benchmark, and the token of its clients.

Each benchmark starts its servers itself.
"""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from domain.viewer import Right
from server.auth.issue import make_token
from server.settings.settings import Settings

KEY: Final = "the key of a benchmark, which signs nothing that anybody else would take"
UNBOUNDED: Final = str(10**9)


def environment(url: str, folder: Path) -> dict[str, str]:
    """Return the settings of a server with its files in `folder`; one viewer has the budget of a whole district."""
    return {
        "SENTLOG_DATABASE_URL": url,
        "SENTLOG_DATA_DIR": str(folder),
        "SENTLOG_JWT_KEY": KEY,
        "SENTLOG_BUDGET_CAPACITY": UNBOUNDED,
        "SENTLOG_BUDGET_PER_SECOND": UNBOUNDED,
        "SENTLOG_LOG_LEVEL": "warning",
    }


def token(district: str) -> str:
    """Return a token with all rights in a district, valid for a day."""
    return make_token(
        Settings(jwt_key=SecretStr(KEY)),
        id="u",
        name="Administrator",
        district=district,
        schools=(),
        rights=tuple(Right),
        expires_in=timedelta(days=1),
        now=datetime.now(UTC),
    )
