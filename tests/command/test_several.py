"""Several addresses, parts of versions, and uploads that go on."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from selenite import _core
from support.command import COUNTS, Run, Services, md5
from support.fake import Reply, as_json, serving
from support.tree import make

BOTH = pytest.mark.parametrize("scheme", ["gobbler", "gypsum"])
TIME = "2026-01-01T00:00:00Z"


def test_addresses_share_one_pool_of_transfers(selenite: Run) -> None:
    lock, active, most = threading.Lock(), 0, 0
    begun, listed, all_listed = list[str](), set[str](), threading.Event()
    names = [f"f{number}" for number in range(6)]
    manifest = {name: {"size": 1, "md5sum": md5("x")} for name in names}
    documents: dict[str, Any] = {
        "..manifest": manifest,
        "..summary": {"upload_user_id": "x", "upload_start": TIME, "upload_finish": TIME},
    }

    def script(_: str, path: str) -> Reply:
        nonlocal active, most
        path, _, query = path.partition("?")
        if path == "/info":
            return as_json({"staging": "/s", "registry": "/r"})
        if path == "/list":
            listed.add(query)
            if len(listed) == len(versions):
                all_listed.set()
            return as_json([*names, *documents])
        if (found := documents.get(path.rsplit("/", 1)[-1])) is not None:
            return as_json(found)
        with lock:
            begun.append(path.split("/")[-2])
            active += 1
            most = max(most, active)
        if not all_listed.wait(5):
            all_listed.set()  # once is enough to tell
        time.sleep(0.02)
        with lock:
            active -= 1
        return Reply(b"x")

    versions = [f"v{number}" for number in range(3)]
    with serving(script) as fake:
        addresses = [f"gobbler:p/a/{version}" for version in versions]
        done = selenite("get", *addresses, "-j", 2, "--url", fake.url, "--json")
    assert (done.status, done.err) == (0, "")
    assert [one["address"].rpartition("/")[2] for one in done.json["items"]] == versions
    assert {(one["cached"], one["verified"]) for one in done.json["items"]} == {(0, 6)}
    assert most == 2
    assert begun[:6] != begun[:1] * 6, "not one version after the other"


@BOTH
def test_what_is_wrong_with_one_address_is_no_fault_of_others(selenite: Run, scheme: str) -> None:
    v1, v2 = f"{scheme}:demo/rna/v1", f"{scheme}:demo/rna/v2"
    done = selenite("get", v1, f"{scheme}:demo/rna/v9", v2, "--json")
    assert done.status == 3
    assert [one["address"] for one in done.json["items"]] == [
        f"{scheme}://demo/rna/{version}" for version in ("v1", "v2")
    ]
    assert json.loads(done.err)["error"]["message"] == f"no version `v9` in {scheme}:demo/rna"
    done = selenite("get", f"{scheme}:demo/rna/v9", "./-", "--json")
    assert (done.status, done.out) == (3, "")
    # Both have the same files: who comes first stays, as if the other had not begun.
    done = selenite("get", v1, v2, "there")
    assert (done.status, done.out) == (5, "there\n")
    assert Path("there/notes.txt").read_text() == "ten bytes\n"
    done = selenite("get", v1, v2, "there", "--overwrite")
    assert (done.status, done.out) == (0, "there\nthere\n")
    assert Path("there/notes.txt").read_text() == "11 bytes..\n"


def test_interrupts_end_all_of_them(selenite: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from selenite import _registry
    from selenite._progress import tracking

    ended = list[str]()

    def wait(self: Any, *arguments: object) -> None:
        if self.name == "v1":
            raise KeyboardInterrupt
        with tracking("fetch", self.address) as tell:
            assert tell is not None
            for _ in range(1000):
                time.sleep(0.01)
                try:
                    tell(0, 0, 0, 0, 0)
                except KeyboardInterrupt:
                    ended.append(self.name)
                    raise

    monkeypatch.setattr(_registry.Version, "_fetched", wait)
    done = selenite("get", "gobbler:demo/rna/v1", "gobbler:demo/rna/v2")
    assert (done.status, done.err, ended) == (130, "", ["v2"])


@BOTH
def test_what_was_cached_and_verified(
    selenite: Run, scheme: str, monkeypatch: pytest.MonkeyPatch, services: Services
) -> None:
    def counts(*words: str) -> tuple[int, int, int]:
        (one,) = selenite("get", *words, "--json").json["items"]
        return one["files"], one["cached"], one["verified"]

    address = f"{scheme}:demo/rna/v1"
    assert counts(f"{address}/notes.txt") == (1, 0, 1)
    assert counts(f"{address}/notes.txt") == (1, 1, 0)
    assert counts(address) == (2, 1, 1)
    assert counts(address) == (2, 2, 0)
    assert counts(f"{address}/tables") == (1, 1, 0)
    assert counts(address, "there") == (2, 2, 2)
    assert counts(address, "there") == (2, 2, 2)
    assert counts(address, "linked", "--link", "hard") == (2, 2, 0)
    assert counts(address, "--overwrite") == (2, 0, 2)
    assert counts(address, "--overwrite", "--no-verify") == (2, 0, 0)
    assert counts(address, "--include", "*.csv", "--overwrite") == (1, 0, 1)
    monkeypatch.setenv("SELENITE_VERIFY", "always")
    assert counts(address) == (2, 2, 2)
    notes = Path(selenite("get", f"{address}/notes.txt").out.strip())
    notes.unlink()
    notes.write_text("bad bytes\n")
    assert counts(address, "--include", "*t*") == (2, 1, 2)
    assert notes.read_text() == "ten bytes\n"
    if scheme == "gobbler":
        here = ("--registry", services.gobbler.registry)
        assert counts(address, *here) == (2, 2, 0)


@BOTH
@pytest.mark.parametrize("words", [(), ("there", "--link", "hard")])
def test_files_are_fetched_together(
    selenite: Run, scheme: str, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, fetch = list[Any](), _core.registry_fetch

    def counted(place: Any, version: str, files: Any, *rest: Any, **named: Any) -> Any:
        calls.append(files)
        return fetch(place, version, files, *rest, **named)

    monkeypatch.setattr(_core, "registry_fetch", counted)
    done = selenite("get", f"{scheme}:demo/rna/v1", *words, "--include", "*t*")
    assert done.status == 0
    # Each call reads the manifest: one for each file would take the square of their number.
    assert calls == [[("notes.txt", None), ("tables/counts.csv", None)]]


@BOTH
def test_verifying_a_part(selenite: Run, scheme: str) -> None:
    address = f"{scheme}:demo/rna/v1"
    place = Path(selenite("get", address).out.strip())
    (place / "notes.txt").unlink()
    (place / "notes.txt").write_text("bad bytes\n")
    (place / "tables" / "extra").write_text("")
    assert selenite("verify", address).status == 6
    done = selenite("verify", f"{address}/tables")
    assert (done.status, done.out) == (0, "1 file: 1 ok\n")
    done = selenite("verify", f"{address}/tables/counts.csv", "--fail-on-extra")
    assert (done.status, done.out) == (0, "1 file: 1 ok\n")
    done = selenite("verify", f"{address}/tables", "--fail-on-extra")
    assert (done.status, done.out) == (6, "extra    tables/extra\n1 file: 1 ok, 1 extra\n")
    done = selenite("verify", f"{address}/notes.txt", "--json")
    assert (done.status, [one["state"] for one in done.json["items"]]) == (6, ["differs"])
    done = selenite("verify", f"{address}/table")
    assert (done.status, done.out) == (3, "")
    assert done.err.splitlines()[0] == f"error: no file `table` in {scheme}:demo/rna/v1"
    mine = make(Path("mine"), {"tables/counts.csv": COUNTS})
    assert selenite("verify", mine, "--against", f"{address}/tables").status == 0
    assert selenite("verify", mine, "--against", address).status == 6


def test_a_dry_run_fails_as_the_upload_would(
    selenite: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = make(tmp_path / "mine", {"a": "x"})
    for scheme in ("gobbler", "gypsum"):
        words = ("put", mine, f"{scheme}:another/rna/v1")
        assert selenite(*words, "-n") == selenite(*words)
    monkeypatch.delenv("GYPSUM_TOKEN")
    words = ("put", mine, "gypsum:demo/rna/v3")
    assert selenite(*words, "-n").status == 4
    assert selenite(*words, "-n") == selenite(*words)


@BOTH
def test_put_goes_on(
    selenite: Run, scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine = make(tmp_path / "mine", {"a": "x", "b": "y"})
    words = ("put", mine, f"{scheme}:written/resumed/{tmp_path.name}")

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(_core, f"{scheme}_upload", interrupt)
        done = selenite(*words, "--keep-on-failure")
    assert (done.status, done.err) == (130, "hint: `--resume` goes on with it\n")
    done = selenite(*words, "--resume")
    assert (done.status, done.err) == (0, "")
    assert selenite(*words, "--resume").out == done.out, "it is there"
    done = selenite("put", "-", f"{scheme}:written/resumed/other/a", "--resume")
    assert done.status == 2
