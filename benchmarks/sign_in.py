"""What a server of a benchmark is started with, and the token that everybody who asks it shows.

How servers are started is each benchmark's.
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
    """The settings of a server on a database, whose files go into `folder`: one viewer may ask as much as a district."""
    return {
        "SENTLOG_DATABASE_URL": url,
        "SENTLOG_DATA_DIR": str(folder),
        "SENTLOG_JWT_KEY": KEY,
        "SENTLOG_BUDGET_CAPACITY": UNBOUNDED,
        "SENTLOG_BUDGET_PER_SECOND": UNBOUNDED,
        "SENTLOG_LOG_LEVEL": "warning",
    }


def token(district: str) -> str:
    """A token of somebody who may do everything in a district, for a day."""
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
