"""Uploads to both kinds of registry."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import selenite
from support.registries import CSV, TOKEN, Registries, make_files, serving

FILES = {"a.txt": "other words\n", "t/moved.csv": CSV, "fresh.txt": "fresh\n"}


@pytest.fixture
def fresh(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Registries]:
    """Services that may be changed."""
    monkeypatch.setenv("GYPSUM_TOKEN", TOKEN)
    with serving(tmp_path / "sources") as found:
        yield found


@pytest.mark.parametrize("service", ["gobbler", "gypsum"])
def test_a_plan_is_what_happens(service: str, fresh: Registries, tmp_path: Path) -> None:
    where: dict[str, Any] = fresh.where(f"{service}-http", tmp_path / "cache")
    source = make_files(tmp_path / "source", FILES)
    address = f"{service}:demo/rna/v4"
    plan = selenite.upload(source, address, dry_run=True, **where)
    assert list(plan) == [
        ("a.txt", 12, "demo/rna/v2/a.txt"),
        ("fresh.txt", 6, None),
        ("t/moved.csv", len(CSV), "demo/rna/v2/t/x.csv"),
    ]
    assert [file.path for file in plan.uploaded] == ["fresh.txt"]
    told = "uploads 1 file (6 B), links 2 files (703 B)"
    assert repr(plan) == f"UploadPlan('{service}://demo/rna/v4', {told})"
    assert "v4" not in selenite.Registry(service, **where)["demo"]["rna"]  # type: ignore[arg-type]

    version = selenite.upload(source, address, probation=True, **where)
    assert version.address == f"{service}://demo/rna/v4"
    assert version.on_probation
    assert list(version.manifest) == sorted(FILES)
    for file in plan:
        assert version.manifest[file.path].link == file.link
        assert version.read_bytes(file.path) == FILES[file.path].encode()

    with pytest.raises(FileExistsError) as caught:
        selenite.upload(source, f"{service}:demo/rna/v2", **where)
    assert isinstance(caught.value, selenite.AlreadyExistsError)
    assert str(caught.value) == f"version `v2` exists in {service}:demo/rna"
    assert caught.value.hint == "versions never change; next free name: `v5`"


def test_what_is_wrong_is_said_before_anybody_is_asked(tmp_path: Path) -> None:
    source = make_files(tmp_path / "source", FILES)
    nobody = "http://127.0.0.1:9"
    for address in ("gobbler:p/a", "gypsum:p/a/@latest", "p/a/v", "gobbler:p/a/v/f"):
        with pytest.raises(selenite.InvalidArgumentError, match="expected"):
            selenite.upload(source, address, endpoint=nobody)
    with pytest.raises(FileNotFoundError):
        selenite.upload(tmp_path / "none", "gobbler:p/a/v", endpoint=nobody)
    with pytest.raises(NotADirectoryError):
        selenite.upload(source / "a.txt", "gobbler:p/a/v", endpoint=nobody)


def test_refusals_have_names(
    fresh: Registries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_files(tmp_path / "source", FILES)
    where = fresh.where("gypsum-http", tmp_path / "cache")
    monkeypatch.setenv("GYPSUM_TOKEN", "wrong")
    with pytest.raises(selenite.PermissionDeniedError) as caught:
        selenite.upload(source, "gypsum:demo/rna/v4", **where)
    assert caught.value.status in (401, 403)
    assert caught.value.address == "gypsum:demo/rna/v4"
    monkeypatch.delenv("GYPSUM_TOKEN")
    with pytest.raises(selenite.PermissionDeniedError, match="no token for gypsum") as caught:
        selenite.upload(source, "gypsum:demo/rna/v4", **where)
    assert "GYPSUM_TOKEN" in str(caught.value.hint)


def test_a_failed_upload_leaves_nothing(
    fresh: Registries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from selenite import _core

    def broken(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    source = make_files(tmp_path / "source", FILES)
    where = fresh.where("gypsum-http", tmp_path / "cache")
    monkeypatch.setattr(_core, "gypsum_upload", broken)
    with pytest.raises(KeyboardInterrupt):
        selenite.upload(source, "gypsum:demo/rna/v4", **where)
    monkeypatch.undo()
    monkeypatch.setenv("GYPSUM_TOKEN", TOKEN)
    assert selenite.upload(source, "gypsum:demo/rna/v4", **where).manifest.files == 3


def test_a_bucket_can_be_read_by_others(fresh: Registries) -> None:
    options = selenite.object_store_options("gypsum:demo", endpoint=fresh.gypsum.url)
    assert options == {
        "aws_endpoint_url": "https://s3.example",
        "aws_bucket": "bucket",
        "aws_access_key_id": "key",
        "aws_secret_access_key": "secret",
        "aws_region": "auto",
    }
    with pytest.raises(selenite.InvalidArgumentError, match="gypsum"):
        selenite.object_store_options("gobbler:demo")
