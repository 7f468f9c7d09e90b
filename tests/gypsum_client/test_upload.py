"""Uploads: what is sent, what comes of it, and what is refused."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gypsum_client as gyp
import pytest
from support.bucket import BASIC, Gypsum, entry, upload
from support.fake import Fake, Reply, as_json, serving
from support.tree import Link, Tree, everything, make

Source = Callable[[Tree], Path]
Put = Callable[..., None]


def started(gypsum: Gypsum, version: str, *files: Any, **options: Any) -> dict[str, Any]:
    """Start an upload of `test-R/basic`; its directory is the fixture's own."""
    settings = {"directory": gypsum.registry.parent, **gypsum.writer, **options}
    return gyp.start_upload("test-R", "basic", version, *files, **settings)


def test_a_directory_becomes_a_version(gypsum: Gypsum) -> None:
    manifest = gypsum.read("test-R", "basic", "v1", "..manifest")
    contents = {path: str(text).encode() for path, text in BASIC.items()}
    assert manifest == {path: entry(content) for path, content in contents.items()}
    for path, content in contents.items():
        assert gypsum.path("test-R", "basic", "v1", path).read_bytes() == content
    assert not gypsum.is_locked("test-R")


def test_equal_files_become_links_only_if_asked(empty: Gypsum, anybody: Put) -> None:  # D1, D2
    for version, deduplicate in (("1", True), ("2", True), ("3", False)):
        anybody(version, {"f": "text"}, deduplicate=deduplicate)
        manifest = empty.read("p", "a", version, "..manifest")
        assert ("link" in manifest["f"]) is (version == "2")


def test_a_single_file_or_dictionaries_may_say_what_to_upload(
    gypsum: Gypsum, source: Source
) -> None:
    folder = source({"f": "text", "d/g": "more"})
    session = started(gypsum, "w", Path("f"), directory=folder)
    assert len(session["file_urls"]) == 1
    gyp.abort_upload(session, url=gypsum.url)
    described = [
        {"path": "f", **entry(b"text")},
        {"path": "blah.txt", **gypsum.read("test-R", "basic", "v1", "..manifest")["blah.txt"]},
        {
            "path": "again.txt",
            **gypsum.read("test-R", "basic", "v1", "..manifest")["blah.txt"],
            "dedup": False,
        },
    ]
    session = started(gypsum, "w", described)
    assert [one["path"] for one in session["file_urls"]] == ["again.txt", "f"]
    gyp.abort_upload(session, url=gypsum.url)
    session = started(gypsum, "w", ["f", Path("d//g")], directory=folder)
    gyp.upload_files(session, folder, url=gypsum.url)
    gyp.complete_upload(session, url=gypsum.url)
    assert gyp.list_files("test-R", "basic", "w", include_dot=False, url=gypsum.url) == ["d/g", "f"]
    with pytest.raises(ValueError, match="must be strings or dicts, but not a mix"):
        started(gypsum, "x", ["f", described[0]], directory=folder)


def test_files_are_those_of_the_working_directory(
    gypsum: Gypsum, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(source({"f": "text"}))
    session = gyp.start_upload("test-R", "here", "v", "f", **gypsum.writer)
    gyp.upload_files(session, url=gypsum.url)
    gyp.complete_upload(session, url=gypsum.url)
    assert gypsum.path("test-R", "here", "v", "f").read_text() == "text"


def test_links_are_sent_as_links(gypsum: Gypsum) -> None:
    target = {"to.project": "test-R", "to.asset": "basic", "to.version": "v3"}
    links = [{"from.path": "new.txt", "to.path": "foo/bar.txt", **target}]
    session = started(gypsum, "linked", [], links=links)
    assert session["file_urls"] == []
    gyp.upload_files(session, url=gypsum.url)
    gyp.complete_upload(session, url=gypsum.url)
    link = gypsum.read("test-R", "basic", "linked", "..manifest")["new.txt"]["link"]
    assert (link["version"], link["path"], link["ancestor"]["version"]) == (
        "v3",
        "foo/bar.txt",
        "v1",
    )


def test_what_is_sent_is_what_the_protocol_says(source: Source) -> None:
    bodies: list[Any] = []

    def script(method: str, path: str) -> Reply:
        if method == "HEAD":
            return Reply(b"", 404)
        return as_json(
            {"file_urls": [], "complete_url": "/c", "abort_url": "/a", "session_token": "s"}
        )

    with serving(script, bodies=bodies) as fake:
        gyp.start_upload(
            "p q",
            "a/b",
            "é",
            ["x//y"],
            probation=True,
            url=fake.url + "/",
            token="t",
            directory=source({"x/y": "text"}),
            links=[
                {
                    "from.path": "l",
                    "to.project": "P",
                    "to.asset": "A",
                    "to.version": "V",
                    "to.path": "t",
                }
            ],
        )
    assert fake.asked == [
        "HEAD /file/p%20q%2Fa%2Fb%2F%C3%A9%2F..summary",
        "POST /upload/start/p%20q/a%2Fb/%C3%A9",
    ]
    file = {"type": "dedup", "path": "x/y", **entry(b"text")}
    link = {"project": "P", "asset": "A", "version": "V", "path": "t"}
    sent = {"files": [file, {"type": "link", "path": "l", "link": link}], "on_probation": True}
    assert json.loads(bodies[-1]) == sent


def test_a_version_that_exists_is_not_touched(gypsum: Gypsum, source: Source) -> None:  # D35
    before = everything(gypsum.path("test-R"))
    reason = '{"status":"error","reason":"project-asset-version already exists"}'
    with pytest.raises(gyp.GypsumError) as caught:
        upload(gypsum, source({"f": "new"}), "test-R", "basic", "v1")
    assert str(caught.value) == f"Failed to start an upload, 400 and reason: {reason}"
    assert caught.value.status_code == 400
    assert everything(gypsum.path("test-R")) == before
    with serving(lambda *_: as_json({})) as fake, pytest.raises(gyp.GypsumError, match="exists"):
        gyp.start_upload("p", "a", "v", [], url=fake.url, token="t")
    assert [line.split()[0] for line in fake.asked] == ["HEAD"]


def test_an_error_with_the_status_of_a_success_is_an_error() -> None:
    def script(method: str, path: str) -> Reply:
        return as_json({"status": "error", "reason": "why"}, 404 if method == "HEAD" else 200)

    with serving(script) as fake, pytest.raises(gyp.GypsumError) as caught:
        gyp.start_upload("p", "a", "v", [], url=fake.url, token="t")
    assert str(caught.value) == "Failed to upload, 200 and reason: why"


def test_empty_and_odd_files_arrive(empty: Gypsum, anybody: Put) -> None:  # D7, D8
    tree: Tree = {"empty": "", "a b/é+%41&?#": "odd", ".dot": "dot", "'\"": "quotes"}
    anybody("v", tree)
    for path, text in tree.items():
        assert empty.path("p", "a", "v", path).read_text() == text


def digest(text: str) -> str:
    return base64.b64encode(hashlib.md5(text.encode()).digest()).decode()


@contextlib.contextmanager
def presigning(put: Reply, text: str, **noted: Any) -> Iterator[Fake]:
    """A service that sends files to a place of its own, with `put` as the answer there."""

    def script(method: str, path: str) -> Reply:
        place = {"url": f"{fake.url}/bucket?X-Amz-Signature=hush", "md5sum_base64": digest(text)}
        return as_json(place) if path.startswith("/presign") else put

    with serving(script, **noted) as fake:
        yield fake


def session(*paths: str, method: str = "presigned") -> dict[str, Any]:
    places = [{"path": path, "url": f"/presign/{path}", "method": method} for path in paths]
    return {"file_urls": places, "session_token": "hush-token"}


@pytest.mark.parametrize("gives_many", [True, False])
def test_places_are_asked_for_many_at_once_where_the_service_says_so(
    source: Source, gives_many: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELENITE_JOBS", "4")
    names = [f"f{number:03}" for number in range(600)]

    def script(method: str, path: str) -> Reply:
        place = {"url": f"{fake.url}/bucket", "md5sum_base64": digest("text")}
        if path == "/many":
            return as_json([place] * 256) if gives_many else Reply(status=404)
        if path.startswith("/presign"):
            return Reply(json.dumps(place).encode(), headers={"Selenite-Presigned-Files": "/many"})
        return Reply()

    with serving(script) as fake:
        gyp.upload_files(session(*names), source(dict.fromkeys(names, "text")), url=fake.url)
    asked = [line.split()[1].split("/")[1] for line in fake.asked]
    assert asked.count("bucket") == 600
    many = asked.count("many")
    # Alone are asked for those that come before it is known, and one that another has overtaken.
    alone = range(1, 9) if gives_many else [600]
    assert asked.count("presign") in alone
    assert many == (3 if gives_many else 1)


@pytest.mark.parametrize("text", ["text", ""])
def test_puts_carry_length_and_digest_and_no_token(source: Source, text: str) -> None:
    heads: list[dict[str, str]] = []
    with presigning(Reply(), text, heads=heads) as fake:
        gyp.upload_files(session("f"), source({"f": text}), url=fake.url)
    asked, sent = heads
    assert asked["authorization"] == "Bearer hush-token"
    assert sent["content-length"] == str(len(text))
    assert sent["content-md5"] == digest(text)
    assert "authorization" not in sent
    assert "transfer-encoding" not in sent
    assert [line.split()[0] for line in fake.asked] == ["POST", "PUT"]


def test_failures_of_either_step_are_told_apart(source: Source) -> None:
    folder = source({"f": "text"})
    with (
        presigning(Reply(b"full", 507), "text") as fake,
        pytest.raises(gyp.GypsumError) as caught,
    ):
        gyp.upload_files(session("f"), folder, url=fake.url)
    expected = "Failed to upload assets in the project, 507 and reason: full"
    assert str(caught.value) == expected
    sent = f"PUT {fake.url}/bucket?X-Amz-Signature=*** answered 507"
    assert caught.value.__notes__ == ["This happened to 'f'.", sent]
    with serving(lambda *_: Reply(b"no", 403)) as fake, pytest.raises(gyp.GypsumError) as caught:
        gyp.upload_files(session("f"), folder, url=fake.url)
    assert str(caught.value) == "Failed to fetch pre-signed url, 403 and reason: no"
    assert "hush" not in str(caught.value)


def test_unknown_methods_and_foreign_paths_are_refused(source: Source) -> None:
    folder = source({"d/f": "text"})
    (folder / "secret").write_text("secret")
    with serving(lambda *_: as_json({})) as fake:
        with pytest.raises(ValueError, match="unknown upload method 'ftp' for file 'f'"):
            gyp.upload_files(session("f", method="ftp"), folder / "d", url=fake.url)
        for path in ("../secret", "/etc/hostname", "f/../../secret"):
            with pytest.raises(ValueError, match="unsafe path"):
                gyp.upload_files(session(path), folder / "d", url=fake.url)
    assert fake.asked == []


def test_a_file_that_changed_since_the_start_is_refused(gypsum: Gypsum, source: Source) -> None:
    folder = source({"f": "text", "g": "other"})
    for change in ("TEXT", "longer text", ""):
        init = started(gypsum, "w", ["f", "g"], directory=folder)
        (folder / "f").write_text(change)
        with pytest.raises(ValueError, match="has changed since the upload was started"):
            gyp.upload_files(init, folder, url=gypsum.url)
        gyp.abort_upload(init, url=gypsum.url)
        (folder / "f").write_text("text")
    assert gyp.list_versions("test-R", "basic", url=gypsum.url) == ["v1", "v2", "v3"]


def test_a_failed_upload_is_aborted_where_it_was_started(
    gypsum: Gypsum, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:  # D3
    folder = source({"f": "text"})
    from gypsum_client import upload_file_actions as actions

    def fail(*_: object, **__: object) -> None:
        gyp.rest_url("http://127.0.0.1:9")
        raise RuntimeError("mine")

    monkeypatch.setattr(actions, "upload_files", fail)
    gyp.rest_url(gypsum.url)
    with pytest.raises(RuntimeError, match="mine"):
        gyp.upload_directory(folder, "test-R", "basic", "w", token=gypsum.token)
    assert not gypsum.is_locked("test-R")
    assert not gypsum.path("test-R", "basic", "w").exists()
    with pytest.raises(RuntimeError, match="mine"):
        gyp.upload_directory(folder, "test-R", "basic", "w", abort_failed=False, **gypsum.writer)
    assert gypsum.is_locked("test-R")
    monkeypatch.undo()
    upload(gypsum, folder, "test-R", "basic", "w")
    assert not gypsum.is_locked("test-R")


def test_one_upload_of_a_version_at_a_time(gypsum: Gypsum, source: Source) -> None:
    from selenite._place import Place
    from selenite._unfinished import Unfinished

    told = "^Failed to start an upload: gypsum:test-R/basic/w is being uploaded by another process$"
    with (
        Unfinished(Place("gypsum", gypsum.url), ("test-R", "basic", "w")),
        pytest.raises(gyp.GypsumError, match=told),
    ):
        upload(gypsum, source({"f": "text"}), "test-R", "basic", "w")


def test_an_upload_needs_no_home(
    gypsum: Gypsum, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless(_: Path) -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", homeless)
    upload(gypsum, source({"f": "text"}), "test-R", "basic", "homeless")


def test_an_abort_that_fails_does_not_hide_the_failure(
    gypsum: Gypsum, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gypsum_client import upload_file_actions as actions

    def fail(init: dict[str, Any], *_: object, **__: object) -> None:
        init["session_token"] = "wrong"
        raise RuntimeError("mine")

    monkeypatch.setattr(actions, "upload_files", fail)
    with pytest.raises(RuntimeError, match="mine") as caught:
        upload(gypsum, source({"f": "text"}), "test-R", "basic", "w")
    assert "stays locked" in caught.value.__notes__[0]


def test_urls_of_a_session_are_quoted_where_need_be() -> None:
    init = {"complete_url": "/c/a b/é/%41?", "abort_url": "/a/x#", "session_token": "s"}
    with serving(lambda *_: Reply()) as fake:
        gyp.complete_upload(init, url=fake.url)
        gyp.abort_upload(init, url=fake.url)
    assert fake.asked == ["POST /c/a%20b/%C3%A9/%41%3F", "POST /a/x%23"]


def test_clones_are_uploaded_as_links(gypsum: Gypsum, cache: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    gyp.clone_version("test-R", "basic", "v3", clone, cache_dir=cache, url=gypsum.url)
    make(clone, {"new.txt": "new"})
    (clone / "blah.txt").unlink()
    writer = {**gypsum.writer, "cache_dir": cache}
    assert gyp.upload_directory(clone, "test-R", "basic", "v4", **writer) is True
    manifest = gypsum.read("test-R", "basic", "v4", "..manifest")
    assert set(manifest) == {"foo/bar.txt", "new.txt"}
    assert manifest["foo/bar.txt"]["link"]["version"] == "v3"
    assert gyp.fetch_usage("test-R", url=gypsum.url) == 76


def test_links_that_lead_elsewhere_cannot_be_uploaded(gypsum: Gypsum, source: Source) -> None:
    folder = source({"f": "text", "l": Link("f")})
    with pytest.raises(ValueError, match="Failed to convert symlink"):
        upload(gypsum, folder, "test-R", "basic", "w")
    assert not gypsum.is_locked("test-R")


def test_missing_files_are_missing(gypsum: Gypsum, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        started(gypsum, "w", ["none"])
    with pytest.raises(FileNotFoundError):
        upload(gypsum, tmp_path / "none", "test-R", "basic", "w")
    assert not gypsum.is_locked("test-R")


def test_descriptions_that_lack_something_are_refused(gypsum: Gypsum) -> None:
    for missing in ("path", "size", "md5sum"):
        file = {"path": "f", "size": 0, "md5sum": digest("")}
        del file[missing]
        with pytest.raises(ValueError, match=f"files.*{missing}"):
            started(gypsum, "w", [file])
    with pytest.raises(ValueError, match=r"links.*to\.project"):
        started(gypsum, "w", [], [{"from.path": "f"}])
    assert not gypsum.is_locked("test-R")


def test_signatures_are_not_shown_if_the_place_is_no_url(source: Source) -> None:
    place = as_json({"url": "file:///f?signature=hush", "md5sum_base64": digest("")})
    with (
        serving(lambda *_: place) as fake,
        pytest.raises(ValueError, match="invalid url") as caught,
    ):
        gyp.upload_files(session("f"), source({"f": ""}), url=fake.url)
    assert "hush" not in f"{caught.value!r} {caught.value.__context__!r} {vars(caught.value)}"
