"""The settings of the store of report files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, Field, SecretStr

from delivery.reports.store import SCHEME, StoreLocation


def _place(text: str | None) -> str | None:
    """A bucket unchanged, or a folder as an absolute path."""
    if text is None:
        return None
    if "://" not in text:
        return str(Path(text).expanduser().absolute())
    if not text.startswith(SCHEME) or not urlsplit(text).netloc:
        raise ValueError("it names no bucket")
    return text


class ReportSettings(BaseModel):
    """The settings of the report store. A description completes the sentence "It takes …" of an error."""

    report_store: Annotated[str | None, AfterValidator(_place)] = Field(
        default=None, description="a folder, or s3://bucket/prefix"
    )
    report_store_endpoint: str | None = Field(
        default=None, description="the address of a store that is not Amazon's"
    )
    report_store_region: str | None = Field(default=None, description="the name of a region")
    report_store_access_key: str | None = Field(
        default=None, description="the name of an access key"
    )
    report_store_secret_key: SecretStr | None = Field(
        default=None, repr=False, description="the secret of that key"
    )

    def place(self, otherwise: Path) -> StoreLocation:
        """The configured store; the folder `otherwise` if none is set."""
        secret = self.report_store_secret_key
        options: Mapping[str, str | None] = {
            "endpoint": self.report_store_endpoint,
            "region": self.report_store_region,
            "access_key_id": self.report_store_access_key,
            "secret_access_key": None if secret is None else secret.get_secret_value(),
        }
        set_options = {name: value for name, value in options.items() if value is not None}
        return StoreLocation(self.report_store or str(otherwise), set_options)
