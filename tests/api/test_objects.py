"""Registries, versions and manifests as objects, whichever way they are read."""

from __future__ import annotations

import hashlib
import inspect
import json
import os
import pickle
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pygobbler as pyg
import pytest
import selenite
from selenite.fs import GobblerFileSystem
from support.registries import CSV, FIRST, ODD, SECOND, TOKEN, Registries, add

Where = dict[str, Any]
NOBODY = "http://127.0.0.1:9"


def opened(service: str, where: Where, rest: str = "v1") -> selenite.Version:
    return selenite.open(f"{service}:demo/rna/{rest}", **where)


def test_a_version_is_its_files(service: str, where: Where) -> None:
    version = opened(service, where)
    assert (version.project, version.asset, version.name) == ("demo", "rna", "v1")
    assert version.address == f"{service}://demo/rna/v1"
    manifest = version.manifest
    assert list(manifest) == sorted(FIRST, key=str.encode)
    md5sum = hashlib.md5(b"first words\n").hexdigest()
    assert manifest["a.txt"] == ("a.txt", 12, md5sum, None)
    assert len(manifest) == manifest.files == 4
    assert manifest.total_bytes == sum(len(text.encode()) for text in FIRST.values())
    assert "none" not in manifest
    with pytest.raises(KeyError):
        manifest["none"]
    assert manifest.tree()["t"]["x.csv"].size == len(CSV)
    assert [(child.name, child.is_directory) for child in manifest.children()] == [
        ("a.txt", False),
        ("b", True),
        (ODD, False),
        ("t", True),
    ]
    assert [child.name for child in manifest.children("t/")] == ["x.csv"]
    with pytest.raises(NotADirectoryError):
        manifest.children("a.txt")
    assert list(manifest.filter("*.txt", exclude=["odd*"])) == ["a.txt", "b/c.txt"]
    assert list(manifest.filter(["t/", "a.*"])) == ["a.txt", "t/x.csv"]
    assert manifest.sums("t") == (1, len(CSV))
    assert manifest == version.manifest
    assert not version.on_probation
    assert version.uploaded_by
    assert version.uploaded is not None
    assert abs((datetime.now(UTC) - version.uploaded).total_seconds()) < 3600


@pytest.mark.parametrize("service", ["gobbler", "gypsum"])
def test_what_is_cached_of_a_version_on_probation_may_be_of_another_upload(
    service: str, registries: Registries, tmp_path: Path
) -> None:
    where = registries.where(f"{service}-http", tmp_path / "cache")
    staging, url = registries.gobbler.staging, registries.gobbler.url
    for text in ("old", "new"):
        add(registries, tmp_path / text, f"anew-{service}", "v3", {"f": text, "g": "same"})
        version = selenite.open(f"{service}:demo/anew-{service}/v3", **where)
        assert [version.path(path).read_text() for path in ("f", "g")] == [text, "same"]
        pyg.reject_probation("demo", f"anew-{service}", "v3", staging=staging, url=url)
        names = f"demo/anew-{service}/v3"
        registries.gypsum.request("POST", f"/probation/reject/{names}", TOKEN)


def test_content_is_read_in_every_way(service: str, where: Where, tmp_path: Path) -> None:
    version = opened(service, where, "v2")
    for path, text in SECOND.items():
        assert version.read_bytes(path) == text.encode()
        assert version.read_bytes(path, 1, 4) == text.encode()[1:4]
        assert version.read_bytes(path, -3) == text.encode()[-3:]
        with version.open(path) as file:
            file.seek(2)
            assert file.read() == text.encode()[2:]
    assert version.path("t/new.txt").read_text() == "new"
    out = version.get(tmp_path / "out", include="t/*")
    assert sorted(path.name for path in out.rglob("*") if path.is_file()) == ["new.txt", "x.csv"]
    assert not any(path.is_symlink() for path in out.rglob("*"))
    everything = version.get(tmp_path / "all")
    assert {path: (everything / path).read_text() for path in SECOND} == SECOND
    assert version.verify(everything, find_extra=True)
    assert sorted(os.listdir(everything)) == ["a.txt", "b", "t"], "nothing unfinished stays"


def test_a_file_that_is_there_is_kept_or_stays(service: str, where: Where, tmp_path: Path) -> None:
    version = opened(service, where)
    out = version.get(tmp_path / "out")
    stamp = (out / "a.txt").stat().st_ino
    version.get(out)
    assert (out / "a.txt").stat().st_ino == stamp
    (out / "a.txt").write_text("somebody's")
    with pytest.raises(FileExistsError, match=r"a\.txt"):
        version.get(out)
    assert (out / "a.txt").read_text() == "somebody's"
    version.get(out, overwrite=True)
    assert (out / "a.txt").read_text() == FIRST["a.txt"]


def test_a_whole_version_is_where_it_is_said_to_be(service: str, where: Where) -> None:
    version = opened(service, where)
    folder = version.path()
    assert {path: (folder / path).read_text() for path in FIRST} == FIRST
    assert version.verify()
    assert version.path() == folder


def test_links_that_are_only_noted_are_no_whole_version(registries: Registries) -> None:
    version = selenite.open("gypsum:demo/rna/v2", registry=registries.gypsum.registry)
    assert version.manifest["b/c.txt"].link == "demo/rna/v1/b/c.txt"
    assert version.verify()
    with pytest.raises(selenite.InvalidArgumentError, match="only noted"):
        version.path()


def test_what_differs_on_the_disk_is_found(service: str, where: Where, tmp_path: Path) -> None:
    version = opened(service, where)
    out = version.get(tmp_path / "out")
    (out / "a.txt").write_text("FIRST words\n")
    (out / ODD).unlink()
    (out / "more").touch()
    check = version.verify(out, find_extra=True)
    assert not check
    assert check.counts() == {"ok": 2, "missing": 1, "differs": 1, "extra": 1}
    found = {finding.path: finding for finding in check}
    assert {path: one.state for path, one in found.items()} == {
        "a.txt": "differs",
        "b/c.txt": "ok",
        ODD: "missing",
        "t/x.csv": "ok",
        "more": "extra",
    }
    assert (found["a.txt"].size, found["a.txt"].actual_size) == (12, 12)
    assert found["a.txt"].actual_md5sum != found["a.txt"].md5sum
    assert [finding.path for finding in check.faults()] == ["a.txt", ODD, "more"]
    assert version.verify(out, size_only=True).counts()["differs"] == 0
    assert repr(check) == "Check(2 ok, 1 missing, 1 differs, 1 extra)"


def test_versions_are_compared(service: str, where: Where) -> None:
    old, new = (opened(service, where, name).manifest for name in ("v1", "v2"))
    difference = old.diff(new)
    assert list(difference) == [
        ("a.txt", "changed", 12, 12),
        (ODD, "removed", 3, None),
        ("t/new.txt", "added", None, 3),
    ]
    assert difference[-1] == difference[2:][0]
    assert difference.counts() == {"added": 1, "removed": 1, "changed": 1, "equal": 2}
    assert new["b/c.txt"].link == "demo/rna/v1/b/c.txt"
    assert (new.links, new.linked_bytes) == (2, 5 + len(CSV))


def test_a_registry_is_a_mapping_down_to_versions(service: str, where: Where) -> None:
    registry = selenite.Registry(service, **where)  # type: ignore[arg-type]
    assert list(registry) == ["demo"]
    assert "demo" in registry
    assert registry.get("none") is None
    asset = registry["demo"]["rna"]
    assert (len(asset), list(asset)) == (3, ["v1", "v2", "v3"])
    assert asset["v1"] == opened(service, where)
    assert asset["v3"].on_probation
    assert asset.latest.name == "v2"
    assert asset.latest.address == f"{service}://demo/rna/v2"
    assert registry["demo"].usage > 0
    assert "owners" in registry["demo"].permissions
    assert "baseline" in registry["demo"].quota or service == "gobbler"
    assert selenite.open(f"{service}:demo/rna", **where).manifest == asset["v2"].manifest


def test_nobody_is_asked_before_something_is_wanted() -> None:
    version = selenite.open("gobbler:demo/rna/@latest", endpoint=NOBODY)
    assert repr(version) == "Version('gobbler://demo/rna/@latest', ? files, ?)"
    again = pickle.loads(pickle.dumps(version))
    assert again == version
    assert hash(again) == hash(version)
    assert version != selenite.open("gobbler:demo/rna/@latest", endpoint=NOBODY + "1")
    assert selenite.Registry("gobbler", endpoint=NOBODY)["p"]["a"]["v"].name == "v"
    with pytest.raises(selenite.TransportError) as caught:
        version.manifest  # noqa: B018
    assert caught.value.address == "gobbler:demo/rna"
    assert caught.value.hint is not None


def test_a_version_can_be_sent_to_others(service: str, where: Where) -> None:
    version = opened(service, where)
    assert version.manifest.files == 4
    again = pickle.loads(pickle.dumps(version))
    assert repr(again).endswith("? files, ?)")
    assert again.manifest == version.manifest
    assert repr(again).endswith("v1', 4 files, 711 B)"), repr(again)
    with pytest.raises(TypeError, match="version"):
        pickle.dumps(version.manifest)


@pytest.mark.parametrize(
    ("rest", "message", "hint"),
    [
        ("demi/rna/v1", "no project `demi` in {at}", "did you mean `demo`?"),
        ("demo/dna/v1", "no asset `dna` in {service}:demo", "did you mean `rna`?"),
        ("demo/rna/v9", "no version `v9` in {service}:demo/rna", "latest is `v2`"),
        ("demo/rna/2024", "no version `2024` in {service}:demo/rna", "latest is `v2`"),
    ],
)
def test_what_is_missing_is_named(
    service: str, where: Where, registries: Registries, rest: str, message: str, hint: str
) -> None:
    version = selenite.open(f"{service}:{rest}", **where)
    with pytest.raises(FileNotFoundError) as caught:
        version.manifest  # noqa: B018
    error = caught.value
    assert isinstance(error, selenite.NotFoundError)
    title = "the Gobbler" if service == "gobbler" else "gypsum"
    at = f"{title} at {where.get('registry', where.get('endpoint'))}"
    assert str(error) == message.format(service=service, at=at)
    assert error.hint == hint
    assert error.status == 404
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.hint) == (str(error), error.hint)


def test_a_missing_file_is_named(service: str, where: Where) -> None:
    version = opened(service, where)
    for ask in (version.path, version.open, version.read_bytes):
        with pytest.raises(selenite.NotFoundError) as caught:
            ask("a.tx")
        assert str(caught.value) == f"no file `a.tx` in {service}:demo/rna/v1"
        assert caught.value.hint == "did you mean `a.txt`?"
    assert caught.value.address == f"{service}:demo/rna/v1/a.tx"


def test_another_service_is_told_from_the_one_that_is_meant(registries: Registries) -> None:
    gobbler, gypsum = registries.gobbler.url, registries.gypsum.url
    with pytest.raises(selenite.InvalidArgumentError) as caught:
        list(selenite.Registry("gobbler", endpoint=gypsum))
    assert str(caught.value) == f"{gypsum} answers as gypsum, not as a Gobbler"
    with pytest.raises(selenite.InvalidArgumentError) as caught:
        list(selenite.Registry("gypsum", endpoint=gobbler))
    assert str(caught.value) == f"{gobbler} answers as a Gobbler, not as gypsum"


@pytest.mark.parametrize("service", ["gobbler", "gypsum"])
def test_what_is_cached_is_there_without_a_network(
    service: str, registries: Registries, tmp_path: Path
) -> None:
    where = registries.where(f"{service}-http", tmp_path / "cache")
    opened(service, where).path()
    with selenite.configure(offline=True):
        version = opened(service, where)
        assert version.verify()
        assert version.read_bytes("a.txt") == FIRST["a.txt"].encode()
        assert version.path() == version.path("a.txt").parent
        with pytest.raises(selenite.OfflineError) as caught:
            opened(service, where, "v2").manifest  # noqa: B018
        assert caught.value.address == f"{service}:demo/rna/v2"
    assert opened(service, where, "v2").manifest.files == 4


def test_damage_in_a_cache_is_mended_where_it_is_copied_from(
    registries: Registries, tmp_path: Path
) -> None:
    for service in ("gobbler", "gypsum"):
        where = registries.where(f"{service}-http", tmp_path / f"cache-{service}")
        version = opened(service, where)
        version.path("a.txt").write_text("FIRST words\n")
        out = version.get(tmp_path / f"out-{service}")
        assert (out / "a.txt").read_text() == FIRST["a.txt"]
        assert not opened(service, where).verify()


@pytest.mark.parametrize("service", ["gobbler", "gypsum"])
def test_an_empty_file_is_kept_where_it_should_be_empty(
    service: str, registries: Registries, tmp_path: Path
) -> None:
    asset = f"hollow-{service}"
    add(registries, tmp_path / "source", asset, "v1", {"f": "x", "hollow": ""})
    where = registries.where(f"{service}-http", tmp_path / "cache")
    version = selenite.open(f"{service}:demo/{asset}/v1", **where)
    out = tmp_path / "out"
    assert version._get(out, None, None, False)[1] == (0, 0, 2)
    assert version._get(out, None, None, False)[1] == (2, 0, 0)
    (out / "f").write_text("")
    assert version._get(out, None, None, False)[1] == (1, 0, 1), "as a power failure leaves it"


def test_a_damaged_registry_is_not_copied(registries: Registries, tmp_path: Path) -> None:
    registry = tmp_path / "registry"
    shutil.copytree(registries.gobbler.registry, registry, symlinks=True)
    (registry / "demo/rna/v1/a.txt").write_text("FIRST words\n")
    version = selenite.open("gobbler:demo/rna/v1", registry=registry)
    with pytest.raises(selenite.DigestError, match=r"a\.txt"):
        version.get(tmp_path / "out")
    assert not (tmp_path / "out/a.txt").exists()


def test_what_does_not_fit_is_not_begun(
    registries: Registries, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = selenite.open("gobbler:demo/rna/v1", registry=registries.gobbler.registry)
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
    with pytest.raises(OSError, match="needs 711 B, 100 B free"):
        version.get(tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("address", "why"),
    [
        ("demo/rna", "begins neither"),
        ("girder:x", "begins neither"),
        ("gobbler:demo", "names no asset"),
        ("gypsum:demo/rna/v1/a.txt", "names a file"),
    ],
)
def test_only_versions_are_opened(address: str, why: str) -> None:
    with pytest.raises(selenite.InvalidArgumentError, match=why):
        selenite.open(address)


def test_arguments_of_another_kind_are_named() -> None:
    wrong: Any = 5
    wrong_text: Any = "8"
    calls: dict[str, Callable[[], object]] = {
        "address": lambda: selenite.open(wrong),
        "directory": lambda: selenite.upload(wrong, "gobbler:demo/rna/v1"),
        "jobs": lambda: selenite.configure(jobs=wrong_text),
        "offline": lambda: selenite.configure(offline=wrong),
        "endpoint": lambda: GobblerFileSystem(url="http://localhost:8080"),
        "token": lambda: GobblerFileSystem(token="secret"),
    }
    for name, call in calls.items():
        with pytest.raises(TypeError, match=f"`{name}`"):
            call()


def test_nothing_is_shown_of_what_cannot_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELENITE_RETRIES", "0")
    version = selenite.open("gobbler:demo/rna/v1", endpoint=NOBODY)
    assert version._repr_html_() is None
    assert selenite.Registry("gobbler", endpoint=NOBODY)._repr_html_() is None
    assert repr(version) == "Version('gobbler://demo/rna/v1', ? files, ?)"


def test_settings_come_in_order(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def endpoint(**given: Any) -> str | None:
        return selenite.open("gobbler:p/a/v", **given).endpoint

    monkeypatch.setenv("GOBBLER_URL", "http://environment/")
    assert endpoint() == "http://environment"
    with selenite.configure(endpoint="http://configured"):
        assert endpoint() == "http://configured"
        assert endpoint(endpoint="http://given") == "http://given"
        with selenite.configure(endpoint={"gypsum": "http://gypsum"}):
            assert endpoint() == "http://environment"
            assert selenite.open("gypsum:p/a/v").endpoint == "http://gypsum"
        assert endpoint() == "http://configured"
        with selenite.configure(endpoint=None):
            assert endpoint() == "http://environment"
    with pytest.raises(selenite.InvalidArgumentError, match="jobs"):
        selenite.configure(jobs=0)
    assert repr(selenite.configure()) == "configure()"


HOSTILE = ["<img src=x onerror=1>", 'a"b', "line\nbreak", "left\u202eright", "é" * 100]


def test_names_are_only_text_where_they_are_shown(tmp_path: Path) -> None:
    names = [*HOSTILE, *(f"z-{number:03d}" for number in range(60))]
    folder = tmp_path / "p/a/v"
    folder.mkdir(parents=True)
    entries = {name: {"size": 1, "md5sum": "0" * 32} for name in names}
    (folder / "..manifest").write_text(json.dumps(entries))
    version = selenite.open("gobbler:p/a/v", registry=tmp_path)
    shown = version.manifest._repr_html_()
    assert "<img" not in shown
    assert "&lt;img src=x onerror=1&gt;" in shown
    assert "a&quot;b" in shown
    assert "\n" not in shown
    assert "\u202e" not in shown
    assert r"left\u202eright" in shown
    assert shown.count("<tr>") == 1 + 50 + 1
    assert f"and {len(names) - 50} more" in shown
    assert "<script" not in shown
    assert "http" not in shown
    assert "color:inherit" in shown
    again = version._repr_html_()
    assert again is not None
    assert again.partition("<thead>")[2] == shown.partition("<thead>")[2]
    assert repr(version.manifest) == f"Manifest('gobbler://p/a/v', {len(names)} files, 65 B)"
    assert list(version.__rich_repr__())[1:] == [("files", 65), ("size", "65 B")]


def test_tables_of_others_are_made(service: str, where: Where) -> None:
    frame = opened(service, where, "v2").manifest.to_pandas()
    assert list(frame.columns) == ["path", "size", "md5sum", "link"]
    assert list(frame["path"]) == sorted(SECOND)
    assert frame["size"].sum() == sum(len(text) for text in SECOND.values())


def test_every_public_object_says_what_it_does() -> None:
    for name in selenite.__all__:
        thing = getattr(selenite, name)
        if not isinstance(thing, str):
            assert inspect.getdoc(thing), name
