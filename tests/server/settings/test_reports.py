"""The settings of the report store."""

from pathlib import Path

import pytest

from delivery.reports.store import Folder, StoreLocation, open_store
from delivery.reports.store_s3 import BucketStore
from server.settings.settings import Settings, SettingsError

BESIDE = Path("/srv/log/reports")


def place(**environ: str) -> StoreLocation:
    named = {f"SENTLOG_REPORT_STORE{name}": value for name, value in environ.items()}
    return Settings.from_environment(named).place(BESIDE)


def test_where_nothing_is_set_it_is_the_folder_beside() -> None:
    assert place() == StoreLocation(str(BESIDE))
    assert isinstance(open_store(place()), Folder)


def test_a_folder_stays_where_it_is_wherever_the_server_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert place(**{"": "kept"}) == StoreLocation(str(tmp_path / "kept"))


def test_a_bucket_is_taken_with_what_its_client_has_to_know() -> None:
    chosen = place(
        **{
            "": "s3://bucket/a/b",
            "_ENDPOINT": "http://127.0.0.1:9",
            "_REGION": "here",
            "_ACCESS_KEY": "name",
            "_SECRET_KEY": "word",
        }
    )
    assert chosen == StoreLocation(
        "s3://bucket/a/b",
        {
            "endpoint": "http://127.0.0.1:9",
            "region": "here",
            "access_key_id": "name",
            "secret_access_key": "word",
        },
    )
    assert "word" not in repr(chosen)
    assert isinstance(open_store(chosen), BucketStore)


@pytest.mark.parametrize("store", ["s3://", "s3:///prefix", "gs://bucket", "https://bucket"])
def test_what_names_no_bucket_is_refused_at_the_start(store: str) -> None:
    with pytest.raises(SettingsError) as refused:
        place(**{"": store})
    assert refused.value.problems == (
        f"SENTLOG_REPORT_STORE: {store!r} is refused: it names no bucket. It takes a folder, or s3://bucket/prefix.",
    )
