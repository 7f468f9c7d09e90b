"""Databases, schemas, and metadata that follows them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gypsum_client as gyp
import pytest
from gypsum_client.fetch_metadata_database import LAST_CHECK
from support.fake import Fake, Reply, serving

SQLITE = b"SQLite format 3\0"
ONE, TWO, THREE = SQLITE + b"one", SQLITE + b"two", SQLITE + b"three"
PAGE = b"<html>Please log in</html>"


class Index:
    """A site with a database, the time of its last change, and a schema."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.change(ONE, 1_700_000_000_000)

    def change(self, content: bytes, time: int) -> None:
        self.files.update({"/bioconductor.sqlite3": content, "/modified": str(time).encode()})

    def __call__(self, method: str, path: str) -> Reply:
        return Reply(self.files[path]) if path in self.files else Reply(b"<html>", 404)


@pytest.fixture
def index() -> Index:
    return Index()


@pytest.fixture
def site(index: Index, monkeypatch: pytest.MonkeyPatch) -> Any:
    with serving(index) as fake:
        monkeypatch.setenv("GYPSUM_METADATA_DB_URL", fake.url)
        monkeypatch.setenv("GYPSUM_METADATA_SCHEMA_URL", fake.url + "/")
        yield fake


def database(cache: Path | None, **options: Any) -> Path:
    return Path(gyp.fetch_metadata_database(cache_dir=cache, **options))


def test_a_database_is_kept_until_it_changes(site: Fake, index: Index, cache: Path) -> None:
    path = database(cache)
    assert path == cache / "databases" / "bioconductor.sqlite3"
    assert path.read_bytes() == ONE
    assert (cache / "databases" / "bioconductor.sqlite3.modified").read_text() == "1700000000000"
    assert isinstance(LAST_CHECK["req_time"], float)
    assert isinstance(LAST_CHECK["mod_time"], float)
    index.change(TWO, 1_700_000_000_001)
    asked = len(site.asked)
    assert database(cache).read_bytes() == ONE
    assert len(site.asked) == asked
    LAST_CHECK["req_time"] -= 3600 * 1000 + 1
    assert database(cache).read_bytes() == TWO
    index.change(THREE, 1_700_000_000_001)
    LAST_CHECK["req_time"] = None
    assert database(cache).read_bytes() == TWO
    assert database(cache, overwrite=True).read_bytes() == THREE


def test_without_a_cache_it_is_a_fresh_file(site: Fake) -> None:
    first, second = database(None), database(None)
    try:
        assert first != second
        assert first.read_bytes() == second.read_bytes() == ONE
    finally:
        first.unlink()
        second.unlink()


def test_a_look_up_that_fails_is_a_warning(site: Fake, index: Index, cache: Path) -> None:  # D24
    database(cache)
    del index.files["/modified"]
    LAST_CHECK["req_time"] = None
    with pytest.warns(UserWarning, match=r"^Failed to check the last modified timestamp: "):
        assert database(cache).read_bytes() == ONE


def test_a_database_without_its_time_is_fetched_again(
    site: Fake, index: Index, cache: Path
) -> None:  # D24
    database(cache)
    (cache / "databases" / "bioconductor.sqlite3.modified").unlink()
    index.change(TWO, 1_700_000_000_000)
    assert database(cache).read_bytes() == TWO


def test_error_pages_are_not_kept(site: Fake, index: Index, cache: Path) -> None:  # D24, D25
    index.files.clear()
    with pytest.raises(gyp.GypsumError, match="404"):
        database(cache)
    with pytest.raises(gyp.GypsumError, match="404"):
        gyp.fetch_metadata_schema(cache_dir=cache)
    index.files["/bioconductor/v1.json"] = b"<html>"
    with pytest.raises(gyp.GypsumContentError):
        gyp.fetch_metadata_schema(cache_dir=cache)
    kept = [path.name for path in cache.rglob("*") if path.is_file()]
    assert sorted(kept) == ["bioconductor.sqlite3.LOCK", "v1.json.LOCK"]


@pytest.mark.parametrize(
    "page", [PAGE, b"", b'{"error": "log in"}', b"\x1f\x8b\x08", 200_000 * b"x"]
)
def test_only_databases_are_kept(site: Fake, index: Index, cache: Path, page: bytes) -> None:
    index.change(page, 1)
    for where in (cache, None):
        with pytest.raises(gyp.GypsumContentError, match="no SQLite database") as caught:
            database(where)
        assert f"{site.url}/bioconductor.sqlite3" in str(caught.value)
        assert "it begins with" in str(caught.value)
    assert [path.name for path in (cache / "databases").iterdir()] == ["bioconductor.sqlite3.LOCK"]
    # What another client has kept, with the time that is still right.
    kept = cache / "databases" / "bioconductor.sqlite3"
    kept.write_bytes(page)
    kept.with_name("bioconductor.sqlite3.modified").write_text("1")
    index.change(ONE, 1)
    assert (database(cache).read_bytes() == ONE) == (page[:1] != b"x")


@pytest.mark.parametrize("time", [PAGE, b"", b"nan", b"1e999", b"soon"])
def test_a_time_is_a_number(site: Fake, index: Index, cache: Path, time: bytes) -> None:
    index.files["/modified"] = time
    with pytest.raises(gyp.GypsumContentError, match="/modified` is no number: it begins with"):
        database(cache)
    index.change(ONE, 1)
    database(cache)
    LAST_CHECK["req_time"] = None
    index.files["/modified"] = time
    with pytest.warns(UserWarning, match="is no number"):
        assert database(cache).read_bytes() == ONE


@pytest.mark.parametrize("page", [PAGE, b"", b'"log in"', b"[]", b"\x1f\x8b\x08", b'{"type": "ob'])
def test_only_schemas_are_kept(site: Fake, index: Index, cache: Path, page: bytes) -> None:
    index.files["/bioconductor/v1.json"] = page
    for where in (cache, None):
        with pytest.raises(gyp.GypsumContentError, match=r"which is empty|which begins") as caught:
            gyp.fetch_metadata_schema(cache_dir=where)
        assert f"{site.url}/bioconductor/v1.json" in str(caught.value)
    kept = cache / "schemas" / "bioconductor" / "v1.json"
    assert not kept.exists()
    kept.write_bytes(page)
    index.files["/bioconductor/v1.json"] = b"{}"
    gyp.fetch_metadata_schema(cache_dir=cache)
    assert (kept.read_bytes() == b"{}") == (page[:1] not in (b'"', b"["))


@pytest.mark.parametrize("fetch", [gyp.fetch_metadata_database, gyp.fetch_metadata_schema])
def test_names_do_not_lead_out_of_the_cache(
    site: Fake, index: Index, cache: Path, fetch: Callable[..., str]
) -> None:
    index.files["/../../x"] = index.files["/x"] = b"{}"
    for name in ("../../x", "/x", "a/../../../x", ""):
        with pytest.raises(ValueError, match="unsafe name"):
            fetch(name, cache)
    assert not site.asked
    assert not cache.exists()


@pytest.mark.parametrize("fetch", [gyp.fetch_metadata_database, gyp.fetch_metadata_schema])
def test_fresh_files_of_failures_are_removed(
    site: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fetch: Callable[..., str]
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with pytest.raises(gyp.GypsumError, match="404"):
        fetch("none", None)
    assert not list(tmp_path.iterdir())


def test_a_schema_is_kept_for_ever(site: Fake, index: Index, cache: Path) -> None:
    index.files["/bioconductor/v1.json"] = b"{}"
    path = gyp.fetch_metadata_schema(cache_dir=cache)
    assert path == str(cache / "schemas" / "bioconductor" / "v1.json")
    index.files["/bioconductor/v1.json"] = b'{"type": "object"}'
    gyp.fetch_metadata_schema(cache_dir=cache)
    assert Path(path).read_bytes() == b"{}"
    gyp.fetch_metadata_schema(cache_dir=cache, overwrite=True)
    assert Path(path).read_bytes() == b'{"type": "object"}'
    fresh = gyp.fetch_metadata_schema(cache_dir=None)
    assert Path(fresh).read_bytes() == b'{"type": "object"}'
    Path(fresh).unlink()


@pytest.fixture
def schema(tmp_path: Path) -> Path:
    path = tmp_path / "schema.json"
    rules = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {"title": {"type": "string"}},
        "required": ["title"],
    }
    path.write_text(json.dumps(rules))
    return path


def test_good_metadata_is_valid(schema: Path) -> None:
    assert gyp.validate_metadata({"title": "t"}, schema) is True
    assert gyp.validate_metadata('{"title": "t"}', schema=str(schema)) is True
    assert gyp.validate_metadata({"title": "t"}, schema, stringify=True) is True


@pytest.mark.parametrize(
    ("metadata", "stringify"),
    [
        ({}, None),
        ({"title": 1}, None),
        ("{}", None),
        ("{", None),
        ('{"title": "t"}', True),
        ({"title": "t"}, False),
        ({"title": object()}, None),
    ],
)
def test_bad_metadata_is_a_value_error(schema: Path, metadata: Any, stringify: Any) -> None:
    with pytest.raises(ValueError, match=r"^Metadata validation failed: .+"):
        gyp.validate_metadata(metadata, schema, stringify)


def test_the_dialect_is_the_schemas(tmp_path: Path) -> None:
    path = tmp_path / "schema.json"
    for draft, is_valid in (("draft-04", True), ("draft-07", False)):
        rules = {"$schema": f"http://json-schema.org/{draft}/schema#", "const": 1}
        path.write_text(json.dumps(rules))
        if is_valid:
            assert gyp.validate_metadata("2", path)
        else:
            with pytest.raises(ValueError, match="failed"):
                gyp.validate_metadata("2", path)
