"""Uploads that were interrupted, and go on where they were."""

from __future__ import annotations

import errno
import os
import signal
import stat
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gypsum_client as gyp
import pygobbler as pyg
import pytest
import selenite
from selenite import _core, _placing, _unfinished
from selenite._place import Place, place
from support.registries import TOKEN, Registries, make_files, serving

FILES = {"a.txt": "a" * 1000, "b/c.txt": "b" * 2000, "new\nline": "c" * 3000}
BOTH = pytest.mark.parametrize("service", ["gobbler", "gypsum"])


@pytest.fixture(scope="module")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registries]:
    with serving(tmp_path_factory.mktemp("sources")) as found:
        yield found


@pytest.fixture(autouse=True)
def token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GYPSUM_TOKEN", TOKEN)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return make_files(tmp_path / "source", FILES)


def killed(function: str, act: Callable[..., object], call: Callable[[], Any]) -> None:
    """Do a call in a process that dies when it comes to a function of the core."""

    def last(*arguments: Any, **more: Any) -> None:
        act(*arguments, **more)
        os.kill(os.getpid(), signal.SIGKILL)

    child = os.fork()
    if child == 0:
        setattr(_core, function, last)
        try:
            call()
        finally:
            os._exit(1)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL


def notes() -> list[str]:
    folder = _unfinished.folder()
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def sent(caplog: pytest.LogCaptureFixture, source: Path) -> list[str]:
    """The files that were sent since the last call."""
    lines = [record.getMessage() for record in caplog.records]
    caplog.clear()
    texts = {f'sent "{source / path}"'.replace("\n", "\\n"): path for path in FILES}
    return sorted(texts[line] for line in lines if line in texts)


def test_a_session_of_gypsum_goes_on(
    registries: Registries, source: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "selenite.transfer")
    where = registries.where("gypsum-http", tmp_path / "cache")
    address = f"gypsum:demo/resumed/{tmp_path.name}"
    upload = _core.gypsum_upload

    def some(site: Any, places: Any, *rest: Any, **more: Any) -> None:
        upload(site, places[:2], *rest, **more)

    killed("gypsum_upload", some, lambda: selenite.upload(source, address, **where))
    assert [Path(name).suffix for name in notes()] == [".json", ".lock", ".sent"]
    (note,) = _unfinished.folder().glob("*.json")
    assert note.stat().st_mode & 0o777 == 0o600
    version = selenite.upload(source, address, resume=True, **where)
    assert sent(caplog, source) == ["new\nline"], "the others were sent before"
    assert {path: version.read_bytes(path).decode() for path in version.manifest} == FILES
    assert notes() == []
    again = selenite.upload(source, address, resume=True, **where)
    assert (again, sent(caplog, source)) == (version, []), "it is there already"
    (source / "a.txt").write_text("other")
    with pytest.raises(selenite.AlreadyExistsError):
        selenite.upload(source, address, resume=True, **where)


def test_a_copy_for_a_gobbler_goes_on(registries: Registries, source: Path, tmp_path: Path) -> None:
    server = registries.gobbler
    where = registries.where("gobbler-http", tmp_path / "cache")
    seen = tmp_path / "seen"

    def some(*_: Any, copy: str, **__: Any) -> None:
        make_files(Path(copy), {"a.txt": FILES["a.txt"], "b/c.txt": "b", "old/x": ""})
        seen.write_text(str(Path(copy, "a.txt").stat().st_ino))

    address = f"gobbler:demo/resumed/{tmp_path.name}"
    killed("gobbler_upload", some, lambda: selenite.upload(source, address, **where))
    assert list(Path(server.staging).glob("upload-*"))
    version = selenite.upload(source, address, resume=True, **where)
    assert {path: version.read_bytes(path).decode() for path in version.manifest} == FILES
    placed = Path(server.registry, "demo/resumed", tmp_path.name, "a.txt")
    assert placed.stat().st_ino == int(seen.read_text()), "it was copied once"
    assert list(Path(server.staging).glob("upload-*")) == []
    assert notes() == []


def test_what_a_gobbler_refused_is_kept_if_that_is_wanted(
    registries: Registries, source: Path, tmp_path: Path
) -> None:
    server = registries.gobbler
    where = registries.where("gobbler-http", tmp_path / "cache")
    for keeps in (False, True):
        with pytest.raises(selenite.NotFoundError) as caught:
            selenite.upload(source, "gobbler:later/a/v", keep_on_failure=keeps, **where)
        assert "create_project" in str(caught.value.hint)
        copies = list(Path(server.staging).glob("upload-*"))
        assert (len(copies), bool(notes())) == (keeps, keeps)
    pyg.create_project("later", staging=server.staging, url=server.url)
    version = selenite.upload(source, "gobbler:later/a/v", resume=True, **where)
    assert sorted(version.manifest) == sorted(FILES)
    assert not copies[0].exists()


def test_a_session_that_is_not_gone_on_with_is_given_up(
    registries: Registries, source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    where = registries.where("gypsum-http", tmp_path / "cache")
    address = f"gypsum:demo/given-up/{tmp_path.name}"

    def broken(*_: object, **__: object) -> None:
        raise selenite.TransportError("gone", "http://host/f")

    with monkeypatch.context() as patch:
        patch.setattr(_core, "gypsum_upload", broken)
        with pytest.raises(selenite.TransportError) as caught:
            selenite.upload(source, address, keep_on_failure=True, **where)
    assert caught.value.hint is not None
    (source / "a.txt").write_text("other")
    with pytest.raises(selenite.InvalidArgumentError) as changed:
        selenite.upload(source, address, resume=True, **where)
    assert str(changed.value).endswith(
        "is not any more what was being uploaded: `a.txt` is different"
    )
    version = selenite.upload(source, address, **where)
    assert version.read_bytes("a.txt") == b"other"
    assert notes() == []


@pytest.mark.parametrize("resume", [False, True])
@pytest.mark.parametrize("package", ["selenite", "gypsum_client"])
def test_a_session_is_known_before_anybody_was_told_of_it(
    registries: Registries, source: Path, tmp_path: Path, package: str, resume: bool
) -> None:
    where = registries.where("gypsum-http", tmp_path / "cache")
    names = ("demo", "untold", tmp_path.name)
    address = f"gypsum:{'/'.join(names)}"

    def upload() -> Any:
        url = where["endpoint"]
        return gyp.upload_directory(source, *names, where["cache"], url=url, token=TOKEN)

    first = (
        upload if package == "gypsum_client" else lambda: selenite.upload(source, address, **where)
    )
    killed("gypsum_start", _core.gypsum_start, first)
    assert gyp.fetch_summary(*names, url=where["endpoint"], cache_dir=tmp_path / "other")
    if resume:
        selenite.upload(source, address, resume=True, **where)
    else:
        first()
    version = selenite.open(address, **where)
    assert {path: version.read_bytes(path).decode() for path in version.manifest} == FILES
    assert notes() == []


def test_an_upload_that_nobody_goes_on_with_is_not_taken_for_the_version(
    registries: Registries, source: Path, tmp_path: Path
) -> None:
    where = registries.where("gypsum-http", tmp_path / "cache")
    address = f"gypsum:demo/unknown/{tmp_path.name}"
    start = _core.gypsum_start

    def stubborn(*given: Any, session: str, **more: Any) -> None:
        start(*given, **more)

    # Of a service that lets nobody choose.
    killed("gypsum_start", stubborn, lambda: selenite.upload(source, address, **where))
    for resume in (False, True):
        with pytest.raises(selenite.AlreadyExistsError, match="is being uploaded") as caught:
            selenite.upload(source, address, resume=resume, **where)
        assert "unlock_project" in str(caught.value.hint)
    gyp.unlock_project("demo", url=where["endpoint"], token=TOKEN)


@BOTH
def test_one_process_at_a_time(
    registries: Registries, source: Path, tmp_path: Path, service: str
) -> None:
    where = registries.where(f"{service}-http", tmp_path / "cache")
    names = ("demo", "busy", tmp_path.name)
    busy = _unfinished.Unfinished(place(service, **where), names)  # type: ignore[arg-type]
    with busy, pytest.raises(selenite.AlreadyExistsError, match="by another process"):
        selenite.upload(source, f"{service}:{'/'.join(names)}", **where)
    assert selenite.upload(source, f"{service}:{'/'.join(names)}", resume=True, **where).manifest


@BOTH
def test_without_a_folder_for_notes_uploads_go_on(
    registries: Registries,
    source: Path,
    tmp_path: Path,
    service: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "file"))
    where = registries.where(f"{service}-http", tmp_path / "cache")
    version = selenite.upload(source, f"{service}:demo/noted/{tmp_path.name}", **where)
    assert version.manifest.files == 3


@pytest.mark.parametrize("system", ["linux", "darwin"])
def test_without_a_home_nothing_is_noted(system: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def homeless(_: Path) -> Path:
        raise RuntimeError("no home")

    monkeypatch.setattr(Path, "expanduser", homeless)
    monkeypatch.setattr(sys, "platform", system)
    where = Place("gypsum", "http://127.0.0.1:9")
    with _unfinished.Unfinished(where, ("p", "a", "v")) as unfinished:
        assert unfinished.journal is None


def test_a_note_stays_where_folders_cannot_be_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    fsync = os.fsync

    def of_files(held: int) -> None:
        if stat.S_ISDIR(os.fstat(held).st_mode):
            raise OSError(errno.EINVAL, "as SMB says")
        fsync(held)

    monkeypatch.setattr(os, "fsync", of_files)
    with _unfinished.Unfinished(Place("gypsum", "http://127.0.0.1:9"), ("p", "a", "v")) as first:
        first.note({"content": 1})
    with _unfinished.Unfinished(Place("gypsum", "http://127.0.0.1:9"), ("p", "a", "v")) as second:
        assert second.known == {"content": 1}
        second.forget()


@BOTH
@pytest.mark.parametrize("fails", [False, True])
def test_what_could_not_be_noted_is_not_left_to_nobody(
    registries: Registries,
    source: Path,
    tmp_path: Path,
    service: str,
    fails: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "no space")

    where = registries.where(f"{service}-http", tmp_path / "cache")
    address = f"{service}:demo/unnoted/{tmp_path.name}"
    monkeypatch.setattr(_placing, "placed", refused)
    if fails:
        with monkeypatch.context() as patch:
            patch.setattr(_core, f"{service}_upload", refused)
            with pytest.raises(OSError, match="no space"):
                selenite.upload(source, address, resume=True, **where)
    # A project that is locked would refuse it.
    assert selenite.upload(source, address, resume=True, **where).manifest.files == 3
    assert notes() == []


@BOTH
def test_a_note_that_cannot_be_removed_is_no_failure(
    registries: Registries,
    source: Path,
    tmp_path: Path,
    service: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "selenite.transfer")
    unlink = Path.unlink

    def refused(path: Path, missing_ok: bool = False) -> None:
        if path.suffix == ".json":
            raise OSError(errno.EIO, "broken")
        unlink(path, missing_ok=missing_ok)

    where = registries.where(f"{service}-http", tmp_path / "cache")
    address = f"{service}:demo/stays/{tmp_path.name}"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "unlink", refused)
        assert selenite.upload(source, address, **where).manifest.files == 3
    assert any("a note of an upload stays" in message for message in caplog.messages)
    assert len(notes()) == 1
    selenite.upload(source, address, resume=True, **where)
    assert notes() == []


@BOTH
def test_a_plan_is_refused_as_the_upload_would_be(
    registries: Registries,
    source: Path,
    tmp_path: Path,
    service: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    where: dict[str, Any] = registries.where(f"{service}-http", tmp_path / "cache")
    told = []
    for is_dry in (True, False):
        with pytest.raises(selenite.NotFoundError) as caught:
            selenite.upload(source, f"{service}:nowhere/a/v", dry_run=is_dry, **where)
        told.append((str(caught.value), caught.value.hint, caught.value.status))
    assert told[0] == told[1]
    monkeypatch.delenv("GYPSUM_TOKEN")
    if service == "gypsum":
        with pytest.raises(selenite.PermissionDeniedError, match="no token"):
            selenite.upload(source, "gypsum:demo/a/v", dry_run=True, **where)
