"""Downloads into the cache."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gypsum_client as gyp
import pytest
from support.bucket import BASIC, Gypsum, entry
from support.fake import Reply, Script, as_json, serving
from support.proxy import Fault, between
from support.tree import Tree, make, read

FINAL = (
    b'{"upload_user_id":"u","upload_start":"2020-01-01T00:00:00Z",'
    b'"upload_finish":"2020-01-01T00:00:00Z"}'
)
TEXTS = {name: str(text).encode() for name, text in BASIC.items()}


def bucket(cache: Path, *names: str) -> Path:
    return cache.joinpath("bucket", *names)


def complete(cache: Path, *names: str) -> bool:
    return cache.joinpath("status", *names, "COMPLETE").exists()


def objects(files: dict[str, bytes], listing: list[str] | None = None) -> Script:
    """A service with the one version `p/a/v`, maybe with another listing."""

    def script(method: str, path: str) -> Reply:
        from urllib.parse import unquote

        if path.startswith("/list"):
            keys = sorted(files) if listing is None else listing
            return as_json([f"p/a/v/{key}" for key in keys])
        name = unquote(path).removeprefix("/file/p/a/v/")
        return Reply(files[name]) if name in files else Reply(b"{}", 404)

    return script


def version(files: dict[str, bytes], **manifest: dict[str, Any]) -> dict[str, bytes]:
    """Files with the records of a finished version."""
    entries = {name: entry(content) for name, content in files.items()}
    return {
        "..manifest": json.dumps({**entries, **manifest}).encode(),
        "..summary": FINAL,
        **files,
    }


def test_a_file_is_saved_where_the_layout_says(gypsum: Gypsum, cache: Path) -> None:
    for path in ("foo/bar.txt", "foo//bar.txt"):
        found = gyp.save_file("test-R", "basic", "v1", path, cache, url=gypsum.url)
        assert found == str(bucket(cache, "test-R", "basic", "v1", "foo", "bar.txt"))
        assert Path(found).read_bytes() == TEXTS["foo/bar.txt"]
    kept = [path for path in cache.rglob("*") if path.is_file()]
    assert kept == [bucket(cache, "test-R", "basic", "v1", "foo", "bar.txt")]


def test_a_cached_file_is_used_as_it_is(gypsum: Gypsum, cache: Path) -> None:
    def save(overwrite: bool = False) -> Path:
        names = ("test-R", "basic", "v1")
        return Path(gyp.save_file(*names, "blah.txt", cache, overwrite, gypsum.url))

    save().write_text("mine")
    assert save().read_text() == "mine"
    assert save(overwrite=True).read_bytes() == TEXTS["blah.txt"]


@pytest.mark.parametrize("name", ["v2", "v3"])
def test_a_link_has_the_content_of_its_origin(gypsum: Gypsum, cache: Path, name: str) -> None:
    found = gyp.save_file("test-R", "basic", name, "foo/bar.txt", cache, url=gypsum.url)
    assert Path(found).read_bytes() == TEXTS["foo/bar.txt"]
    origin = bucket(cache, "test-R", "basic", "v1", "foo", "bar.txt")
    assert os.path.samefile(found, origin)
    assert not bucket(cache, "test-R", "basic", "v2", "foo", "bar.txt").exists() or name == "v2"
    assert bucket(cache, "test-R", "basic", name, "foo", "..links").exists()


@pytest.mark.parametrize("path", ["none", "foo/none", "foo", "..none"])
def test_what_is_not_there_is_a_value_error(gypsum: Gypsum, cache: Path, path: str) -> None:
    for name in ("v1", "v3", "nope"):
        with pytest.raises(ValueError, match=f"^'{path}' does not exist in the bucket.$"):
            gyp.save_file("test-R", "basic", name, path, cache, url=gypsum.url)


@pytest.mark.parametrize("name", ["v1", "v2", "v3"])
def test_a_version_is_saved_whole(gypsum: Gypsum, cache: Path, name: str) -> None:
    folder = gyp.save_version("test-R", "basic", name, cache, url=gypsum.url)
    assert folder == str(bucket(cache, "test-R", "basic", name))
    assert read(Path(folder)) == dict(sorted(TEXTS.items()))
    assert complete(cache, "test-R", "basic", name)
    found = {path.name for path in bucket(cache).rglob("*") if path.is_file()}
    assert found <= {"blah.txt", "bar.txt", "..manifest", "..summary", "..links"}  # D15
    assert list((cache / "tmp").iterdir()) == []


def test_a_complete_version_is_not_looked_at_again(gypsum: Gypsum, cache: Path) -> None:
    folder = Path(gyp.save_version("test-R", "basic", "v2", cache, url=gypsum.url))
    (folder / "blah.txt").write_text("mine")
    nowhere = "http://127.0.0.1:9"
    assert gyp.save_version("test-R", "basic", "v2", cache, url=nowhere) == str(folder)
    assert (folder / "blah.txt").read_text() == "mine"
    gyp.save_version("test-R", "basic", "v2", cache, overwrite=True, url=gypsum.url)
    assert read(folder) == dict(sorted(TEXTS.items()))


def test_without_relinking_a_version_with_links_stays_incomplete(
    gypsum: Gypsum, cache: Path
) -> None:  # D17
    folder = Path(gyp.save_version("test-R", "basic", "v2", cache, relink=False, url=gypsum.url))
    assert not (folder / "blah.txt").exists()
    assert not complete(cache, "test-R", "basic", "v2")
    gyp.save_version("test-R", "basic", "v1", cache, relink=False, url=gypsum.url)
    assert complete(cache, "test-R", "basic", "v1")
    gyp.save_version("test-R", "basic", "v2", cache, url=gypsum.url)
    assert read(folder) == dict(sorted(TEXTS.items()))
    assert complete(cache, "test-R", "basic", "v2")


@pytest.mark.parametrize("relink", [True, False])
def test_a_version_that_does_not_exist_is_an_error(
    gypsum: Gypsum, cache: Path, relink: bool
) -> None:  # D17
    with pytest.raises(gyp.GypsumError, match=r"Failed to save 'test-R/basic/nope/\.\.manifest'"):
        gyp.save_version("test-R", "basic", "nope", cache, relink=relink, url=gypsum.url)
    assert not complete(cache, "test-R", "basic", "nope")


def test_versions_that_may_change_are_looked_at_again(
    empty: Gypsum, cache: Path, anybody: Callable[..., None]
) -> None:  # D17
    def save() -> dict[str, Any]:
        return dict(read(Path(gyp.save_version("p", "a", "v", cache, url=empty.url))))

    anybody("v", {"f": "one", "same": "same"}, probation=True)
    assert save() == {"f": b"one", "same": b"same"}
    assert not complete(cache, "p", "a", "v")
    gyp.reject_probation("p", "a", "v", **empty.writer)
    anybody("v", {"f": "two", "same": "same", "new": ""})
    assert save() == {"f": b"two", "new": b"", "same": b"same"}
    assert complete(cache, "p", "a", "v")
    assert "on_probation" not in gyp.fetch_summary("p", "a", "v", cache, url=empty.url)


def test_unfinished_versions_are_not_complete(
    empty: Gypsum, cache: Path, anybody: Callable[..., None]
) -> None:
    anybody("v", {"f": "text"})
    init = gyp.start_upload("p", "a", "w", [], **empty.writer)
    gyp.save_version("p", "a", "w", cache, url=empty.url)
    assert not complete(cache, "p", "a", "w")
    gyp.complete_upload(init, url=empty.url)
    gyp.save_version("p", "a", "w", cache, url=empty.url)
    assert complete(cache, "p", "a", "w")


def started(service: Gypsum, folder: Path, sent: int) -> dict[str, Any]:
    """Start `p/a/v` with the files of a folder, of which some are sent."""
    gyp.create_project("p", "alice", **service.writer)
    files = sorted(path.name for path in folder.iterdir())
    init = gyp.start_upload("p", "a", "v", files, directory=folder, **service.writer)
    some = {**init, "file_urls": init["file_urls"][:sent]}
    gyp.upload_files(some, directory=folder, url=service.url)
    return init


@pytest.mark.parametrize("relink", [True, False])
def test_a_version_that_is_being_uploaded_is_not_saved_in_part(
    empty: Gypsum, cache: Path, tmp_path: Path, relink: bool
) -> None:
    source = make(tmp_path / "source", {"a": "one", "b": "two", "c": "three"})
    init = started(empty, source, 1)
    told = r"`p/a/v` is not whole: its upload is still under way or was left, and 2 of its 3 files"
    with pytest.raises(gyp.GypsumContentError, match=told):
        gyp.save_version("p", "a", "v", cache, relink=relink, url=empty.url)
    with pytest.raises(gyp.GypsumContentError, match=told):
        gyp.clone_version("p", "a", "v", tmp_path / "clone", cache_dir=cache, url=empty.url)
    assert not (tmp_path / "clone").exists()
    gyp.upload_files(init, directory=source, url=empty.url)
    gyp.complete_upload(init, url=empty.url)
    gyp.clone_version("p", "a", "v", tmp_path / "clone", cache_dir=cache, url=empty.url)
    assert read(tmp_path / "clone", follow=True) == read(source)
    assert complete(cache, "p", "a", "v")


def test_a_finished_version_without_one_of_its_files_is_an_error(cache: Path) -> None:
    probational = {"..summary": FINAL[:-1] + b',"on_probation":true}'}
    for more in ({}, probational):
        files = {**version({"f": b"f"}, gone=entry(b"gone")), **more}
        with (
            serving(objects(files)) as fake,
            pytest.raises(ValueError, match=r"^'gone' does not exist in the bucket.$"),
        ):
            gyp.save_version("p", "a", "v", cache, url=fake.url)


def test_a_clone_has_no_dangling_links_though_files_were_removed(
    gypsum: Gypsum, cache: Path, tmp_path: Path
) -> None:
    names = ("test-R", "basic", "v3")
    folder = Path(gyp.save_version(*names, cache, url=gypsum.url))
    (folder / "blah.txt").unlink()
    gyp.clone_version(*names, tmp_path / "clone", cache_dir=cache, url=gypsum.url)
    assert read(tmp_path / "clone", follow=True) == dict(sorted(TEXTS.items()))


@pytest.mark.parametrize("failing", ["/list", "..summary", "..manifest", "f"])
@pytest.mark.parametrize("verify", ["download", "always"])
def test_what_is_complete_stays_so_when_saving_it_again_fails(
    cache: Path, monkeypatch: pytest.MonkeyPatch, verify: str, failing: str
) -> None:
    monkeypatch.setenv("SELENITE_RETRIES", "0")
    inner, harm = objects(version({"e": b"e", "f": b"f", "g": b"g"})), ""

    def script(method: str, path: str) -> Reply:
        return Reply(b"", 500) if harm and harm in path else inner(method, path)

    with serving(script) as fake:
        folder = Path(gyp.save_version("p", "a", "v", cache, url=fake.url))
        before = read(folder)
        harm = failing
        monkeypatch.setenv("SELENITE_VERIFY", verify)
        try:
            gyp.save_version("p", "a", "v", cache, overwrite=verify != "always", url=fake.url)
        except gyp.GypsumError:
            pass
        else:
            assert verify == "always"
            assert failing != "/list"
        monkeypatch.setenv("SELENITE_VERIFY", "download")
        asked = len(fake.asked)
        assert gyp.save_version("p", "a", "v", cache, url=fake.url) == str(folder)
        assert len(fake.asked) == asked
    assert read(folder) == before


def test_a_version_that_was_made_anew_is_never_half_of_each(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELENITE_RETRIES", "0")
    old, new = ({"a": text, "b": text, "same": b"same"} for text in (b"old", b"new!"))
    now, harm = version(old), ""

    def script(method: str, path: str) -> Reply:
        return Reply(b"", 500) if harm and harm in path else objects(now)(method, path)

    def save(**options: Any) -> dict[str, Any]:
        found = gyp.save_version("p", "a", "v", cache, url=fake.url, **options)
        return dict(read(Path(found)))

    with serving(script) as fake:
        assert save() == old
        now, harm = version(new), "%2Fb"
        with pytest.raises(gyp.GypsumError):
            save(overwrite=True)
        assert not complete(cache, "p", "a", "v")
        harm = ""
        assert save() == new
        # Reading the manifest alone tells it, too.
        now = version(old)
        gyp.fetch_manifest("p", "a", "v", cache, overwrite=True, url=fake.url)
        assert not complete(cache, "p", "a", "v")
        assert save() == old
        # So does a summary that was on probation and is not cached any more.
        now = {**version(new), "..summary": FINAL[:-1] + b',"on_probation":true}'}
        assert save(overwrite=True) == new
        assert gyp.fetch_summary("p", "a", "v", cache, url=fake.url)["on_probation"]
        now = version(old)
        assert save() == old
        assert complete(cache, "p", "a", "v")


@pytest.mark.parametrize("page", [b"<html>Please log in</html>", b"", b'{"message": "log in"}'])
@pytest.mark.parametrize("name", ["..manifest", "..summary", "..links"])
def test_a_page_is_no_record(cache: Path, name: str, page: bytes) -> None:
    links = json.dumps({"l": linked("f", version="v")["link"]}).encode()
    good = {**version({"f": b"text"}, l=linked("f", version="v")), "..links": links}

    def save() -> dict[str, Any]:
        gyp.save_file("p", "a", "v", "l", cache, url=fake.url)
        return dict(read(Path(gyp.save_version("p", "a", "v", cache, url=fake.url))))

    now = {**good, name: page}
    with serving(lambda method, path: objects(now)(method, path)) as fake:
        if not (name == "..summary" and page.startswith(b"{")):
            with pytest.raises(gyp.GypsumContentError, match=r"begins with|is empty"):
                save()
            with pytest.raises(gyp.GypsumContentError, match=r"begins with|is empty"):
                gyp.save_file("p", "a", "v", name, cache, url=fake.url)
            assert not bucket(cache, "p", "a", "v", name).exists()
        # Kept by another client.
        make(bucket(cache, "p", "a", "v"), {name: page})
        now = good
        assert save() == {"f": b"text", "l": b"text"}
        assert complete(cache, "p", "a", "v")
        assert bucket(cache, "p", "a", "v", name).read_bytes() == good[name]


def test_links_to_links_are_settled_together(cache: Path) -> None:
    """Twenty origins are links themselves, in chains of up to four."""
    from urllib.parse import unquote

    stored: dict[str, bytes] = {}
    manifest = {}
    for number in range(40):
        name = f"{number % 2}/{number:02}"
        depth = number % 5 if number < 25 else 0
        manifest[name] = {**entry(name.encode()), "link": linked(name, version="v0")["link"]}
        for step in range(depth):
            links = stored.setdefault(f"p/a/v{step}/{number % 2}/..links", b"{}")
            target = linked(name, version=f"v{step + 1}")["link"]
            more = {**json.loads(links), name[2:]: target}
            stored[f"p/a/v{step}/{number % 2}/..links"] = json.dumps(more).encode()
        stored[f"p/a/v{depth}/{name}"] = name.encode()
    records = {"..manifest": json.dumps(manifest).encode(), "..summary": FINAL}
    stored.update({f"p/a/v/{name}": record for name, record in records.items()})

    def script(method: str, path: str) -> Reply:
        if path.startswith("/list"):
            return as_json([f"p/a/v/{name}" for name in records])
        body = stored.get(unquote(path).removeprefix("/file/"))
        return Reply(b"{}", 404) if body is None else Reply(body)

    with serving(script) as fake:
        folder = Path(gyp.save_version("p", "a", "v", cache, url=fake.url))
        assert read(folder) == {name: name.encode() for name in sorted(manifest)}
        assert read(bucket(cache, "p", "a", "v0")) == read(folder)
        # Each record of links is read once, each file where it may be.
        assert len(fake.asked) == len(set(fake.asked))
        # Of what is nowhere, the first link is named.
        del stored["p/a/v1/1/11"], stored["p/a/v1/0/06"]
        with pytest.raises(
            ValueError, match=r"^Failed to resolve link for '0/06': '0/06' does not"
        ):
            gyp.save_version("p", "a", "v", cache, overwrite=True, url=fake.url)


def test_links_are_resolved(gypsum: Gypsum, cache: Path) -> None:
    names = ("test-R", "basic", "v3")
    assert gyp.resolve_links(*names, cache, url=gypsum.url) is True
    folder = bucket(cache, *names)
    assert read(folder) == dict(sorted(TEXTS.items()))
    (folder / "blah.txt").unlink()
    (folder / "blah.txt").write_text("mine")
    gyp.resolve_links(*names, cache, url=gypsum.url)
    assert (folder / "blah.txt").read_text() == "mine"  # D18
    gyp.resolve_links(*names, cache, overwrite=True, url=gypsum.url)
    assert read(folder) == dict(sorted(TEXTS.items()))


def linked(path: str, **changes: str) -> dict[str, Any]:
    link = {"project": "p", "asset": "a", "version": "w", "path": path, **changes}
    return {**entry(b"text"), "link": link}


def test_links_that_lead_nowhere_are_value_errors(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELENITE_RETRIES", "0")
    with serving(objects(version({}, f=linked("gone")))) as fake:
        for call in (gyp.resolve_links, gyp.save_version):
            with pytest.raises(ValueError, match=r"Failed to resolve link for 'f': .*gone.* exist"):
                call("p", "a", "v", cache, url=fake.url)
    assert not complete(cache, "p", "a", "v")
    with (
        serving(lambda *_: Reply(b"broken", 500)) as fake,
        pytest.raises(
            ValueError, match="Failed to resolve link for 'f': Failed to save 'p/a/w/gone'"
        ),
    ):
        gyp.resolve_links("p", "a", "v", cache, url=fake.url)


def test_each_origin_is_downloaded_once(
    empty: Gypsum, cache: Path, anybody: Callable[..., None]
) -> None:
    anybody("1", {"f": "text"})
    anybody("2", {name: "text" for name in "abcdef"})
    folder = Path(gyp.save_version("p", "a", "2", cache, url=empty.url))
    assert len({(folder / name).stat().st_ino for name in "abcdef"}) == 1


def test_a_cycle_of_links_ends(cache: Path) -> None:
    link = {"project": "p", "asset": "a", "version": "v", "path": "f"}
    files = {"..links": json.dumps({"f": link}).encode()}
    with serving(objects(files)) as fake, pytest.raises(ValueError, match="does not exist"):
        gyp.save_file("p", "a", "v", "f", cache, url=fake.url)


BAD = ["../../../x", "/etc/x", "d/../../x", "./x", "d//x", "..", "d/..", "x\0y"]


@pytest.mark.parametrize("key", BAD)
def test_listings_and_manifests_cannot_lead_out_of_the_cache(
    tmp_path: Path, key: str
) -> None:  # D33
    cache = tmp_path / "deep" / "er" / "cache"
    places: list[tuple[dict[str, bytes], list[str] | None]] = [
        (version({"good": b"good"}), ["..manifest", "..summary", "good", key]),
        (version({"good": b"good"}, **{key: linked("good", version="v")}), None),
        (version({"good": b"good"}, f=linked(key)), None),
        (version({"good": b"good"}, f=linked("good", project="..", asset="..")), None),
    ]
    for files, listing in places:
        with serving(objects(files, listing)) as fake:
            with pytest.raises(ValueError, match=r".+"):
                gyp.save_version("p", "a", "v", cache, url=fake.url)
            with pytest.raises(ValueError, match=r".+"):
                gyp.save_file("p", "a", "v", key, cache, url=fake.url)
        assert not complete(cache, "p", "a", "v")
    outside = [path for path in tmp_path.rglob("*") if cache not in path.parents]
    assert all(path in (cache, *cache.parents) for path in outside)


def test_wrong_bytes_are_not_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SELENITE_RETRIES", "1")
    files = version({"good": b"good", "bad": b"bad"})
    for wrong in (b"BAD", b"bad and more", b""):
        with serving(objects({**files, "bad": wrong})) as fake:
            with pytest.raises(gyp.GypsumContentError, match="Failed to save 'p/a/v/bad'"):
                gyp.save_version("p", "a", "v", cache, url=fake.url)
            # The manifest is cached by now.
            with pytest.raises(gyp.GypsumContentError, match="Failed to save 'p/a/v/bad'"):
                gyp.save_file("p", "a", "v", "bad", cache, url=fake.url)
    assert not bucket(cache, "p", "a", "v", "bad").exists()
    assert not complete(cache, "p", "a", "v")


LOL = "md5=:nN+0OceHbnA+MHhkyRZ6FQ==:"
OTHER = "md5=:1B2M2Y8AsgTpgAmY7PhCfg==:"


@pytest.mark.parametrize(
    ("headers", "is_good"),
    [
        ({"Repr-Digest": LOL}, True),
        ({"Repr-Digest": f"sha-256=:AAAA:, {OTHER}"}, False),
        ({"Repr-Digest": "md5=:odd:"}, True),
        # Tags of encrypted objects look like digests.
        ({"ETag": f'"{"0" * 32}"', "x-amz-server-side-encryption": "aws:kms"}, True),
        ({"ETag": f'"{"0" * 32}"', "Repr-Digest": LOL}, True),
    ],
)
def test_a_lone_file_is_compared_with_what_the_server_states(
    cache: Path, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], is_good: bool
) -> None:
    monkeypatch.setenv("SELENITE_RETRIES", "0")
    with serving(lambda *_: Reply(b"lol", headers=headers)) as fake:
        if is_good:
            found = gyp.save_file("p", "a", "v", "f", cache, url=fake.url)
            assert Path(found).read_bytes() == b"lol"
        else:
            with pytest.raises(gyp.GypsumContentError, match="MD5"):
                gyp.save_file("p", "a", "v", "f", cache, url=fake.url)


@pytest.mark.parametrize("verify", ["download", "always"])
def test_a_tag_refuses_no_version(
    cache: Path, monkeypatch: pytest.MonkeyPatch, verify: str
) -> None:
    monkeypatch.setenv("SELENITE_VERIFY", verify)
    inner = objects(version({"f": b"text"}))

    def script(method: str, path: str) -> Reply:
        reply = inner(method, path)
        return Reply(reply.body, reply.status, headers={"ETag": f'"{"0" * 32}"'})

    with serving(script) as fake:
        folder = gyp.save_version("p", "a", "v", cache, url=fake.url)
    assert read(Path(folder)) == {"f": b"text"}
    assert complete(cache, "p", "a", "v")


def test_our_service_states_digests(
    gypsum: Gypsum, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SELENITE_RETRIES", "0")
    harm = Fault(body=lambda body: body[:-1] + b"?")
    with (
        between(gypsum.url, lambda *_: harm) as proxy,
        pytest.raises(gyp.GypsumContentError, match="MD5"),
    ):
        gyp.save_file("test-R", "basic", "v1", "blah.txt", cache, url=proxy.url)


@pytest.mark.parametrize("also", [[], ["..manifest"]])
def test_a_file_that_a_power_failure_has_emptied_is_saved_again(
    gypsum: Gypsum, cache: Path, also: list[str]
) -> None:
    gyp.fetch_manifest("test-R", "basic", "v1", cache, url=gypsum.url)
    names = ("test-R", "basic", "v1")
    file = Path(gyp.save_file(*names, "blah.txt", cache, url=gypsum.url))
    for lost in (file, *(bucket(cache, *names, name) for name in also)):
        os.truncate(lost, 0)
    gyp.save_file(*names, "blah.txt", cache, url=gypsum.url)
    assert file.read_bytes() == TEXTS["blah.txt"]


# Of another client, or emptied by a power failure; or of before that.
MARKS = pytest.mark.parametrize("mark", ["", "another run of the system"])


@MARKS
@pytest.mark.parametrize("least", [0, 1])
def test_a_complete_version_that_a_power_failure_has_cut_is_saved_again(
    gypsum: Gypsum, cache: Path, mark: str, least: int
) -> None:
    names = ("test-R", "basic", "v3")
    folder = Path(gyp.save_version(*names, cache, url=gypsum.url))
    whole = {version: read(bucket(cache, *names[:2], version)) for version in ("v1", "v3")}
    for file in [path for path in folder.rglob("*") if path.is_file()]:
        if least == 0 or not file.name.startswith(".."):
            os.truncate(file, max(file.stat().st_size - 1, 0) * least)
    gyp.save_version(*names, cache, url=gypsum.url)
    if least:
        assert read(folder) != whole["v3"], "in the same run nobody looks"
    note = cache.joinpath("status", *names, "COMPLETE")
    noted = note.read_text()
    note.write_text(mark)
    gyp.save_version(*names, cache, url=gypsum.url)
    assert read(folder) == whole["v3"]
    found = {version: read(bucket(cache, *names[:2], version)) for version in whole}
    assert found == whole, "and what its links lead to"
    assert note.read_text() == noted


@MARKS
def test_of_a_complete_version_nobody_is_asked_though_it_is_looked_at(
    gypsum: Gypsum, cache: Path, monkeypatch: pytest.MonkeyPatch, mark: str
) -> None:
    names = ("test-R", "basic", "v3")
    folder = Path(gyp.save_version(*names, cache, url=gypsum.url))
    changed = folder / "blah.txt"
    changed.unlink()
    changed.write_text("somebody's own, and longer" * 100)
    note = cache.joinpath("status", *names, "COMPLETE")
    noted = note.read_text()
    note.write_text(mark)
    monkeypatch.setenv("SELENITE_OFFLINE", "1")
    gyp.save_version(*names, cache, url=gypsum.url)
    assert changed.read_text().startswith("somebody's own")
    assert note.read_text() == noted


def test_a_lock_file_of_another_client_is_not_taken_for_a_file(cache: Path) -> None:  # D15
    make(bucket(cache, "p", "a", "v"), {"a.LOCK": "", "b.LOCK": ""})
    files = version({"a": b"a", "a.LOCK": b"real", "b.LOCK": b""})
    with serving(objects(files)) as fake:
        folder = gyp.save_version("p", "a", "v", cache, url=fake.url)
    assert read(Path(folder)) == {"a": b"a", "a.LOCK": b"real", "b.LOCK": b""}


def test_cached_files_can_be_edited_and_share_content(gypsum: Gypsum, cache: Path) -> None:  # D19
    folder = Path(gyp.save_version("test-R", "basic", "v3", cache, url=gypsum.url))
    with (folder / "blah.txt").open("a") as file:
        file.write("more")
    assert bucket(cache, "test-R", "basic", "v1", "blah.txt").read_text().endswith("more")


def test_a_cache_whose_directory_is_gone_is_filled_again(gypsum: Gypsum, cache: Path) -> None:
    import shutil

    folder = gyp.save_version("test-R", "basic", "v1", cache, url=gypsum.url)
    shutil.rmtree(folder)
    gyp.save_version("test-R", "basic", "v1", cache, url=gypsum.url)
    assert read(Path(folder)) == dict(sorted(TEXTS.items()))


def test_concurrency_changes_nothing(gypsum: Gypsum, tmp_path: Path) -> None:
    found = [
        read(
            Path(
                gyp.save_version(
                    "test-R",
                    "basic",
                    "v1",
                    tmp_path / str(number),
                    concurrent=number,
                    url=gypsum.url,
                )
            )
        )
        for number in (1, 4)
    ]
    assert found[0] == found[1]


def test_a_clone_is_made_of_links(gypsum: Gypsum, cache: Path, tmp_path: Path) -> None:
    target = tmp_path / "clone"
    make(target, {"blah.txt": "old"})
    gyp.clone_version("test-R", "basic", "v3", target, cache_dir=cache, url=gypsum.url)
    for path in TEXTS:
        expected = bucket(cache, "test-R", "basic", "v3", path)
        assert os.readlink(target / path) == str(expected)
    assert read(target, follow=True) == dict(sorted(TEXTS.items()))


def test_a_clone_may_lead_nowhere(gypsum: Gypsum, cache: Path, tmp_path: Path) -> None:
    target = tmp_path / "clone"
    gyp.clone_version("test-R", "basic", "v1", target, False, cache, gypsum.url, ignored=True)
    assert os.path.islink(target / "blah.txt")
    assert not (target / "blah.txt").exists()
    with pytest.raises(TypeError):
        gyp.clone_version("test-R", "basic", "v1", target, True, cache, gypsum.url, odd=True)


def test_a_clone_that_cannot_be_made_is_a_runtime_error(
    gypsum: Gypsum, cache: Path, tmp_path: Path
) -> None:
    make(tmp_path / "clone", {"blah.txt/in": "the way"})
    with pytest.raises(RuntimeError, match=r"failed to create a symbolic link to '.*' at '.*'"):
        gyp.clone_version(
            "test-R", "basic", "v1", tmp_path / "clone", cache_dir=cache, url=gypsum.url
        )


def test_a_relative_cache_is_fine(
    gypsum: Gypsum, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = gyp.save_version("test-R", "basic", "v3", "mine", url=gypsum.url)
    assert folder == "mine/bucket/test-R/basic/v3"
    gyp.clone_version("test-R", "basic", "v3", "clone", cache_dir="mine", url=gypsum.url)
    assert read(tmp_path / "clone", follow=True) == dict(sorted(TEXTS.items()))
    assert os.path.isabs(os.readlink("clone/blah.txt"))
    found = gyp.prepare_directory_upload("clone", links="always", cache_dir="mine")  # D20
    assert [link["to.version"] for link in found["links"]] == ["v3", "v3"]


def test_odd_names_survive(empty: Gypsum, cache: Path, anybody: Callable[..., None]) -> None:  # D7
    tree: Tree = {
        "a b/é+%41&?#": "odd",
        " ": "blank",
        "x.LOCK": "lock",
        "x": "x",
        "C:": "drive",
        "D:/C:/x": "more",
    }
    anybody("v 1", tree)
    folder = gyp.save_version("p", "a", "v 1", cache, url=empty.url)
    assert read(Path(folder)) == {name: str(tree[name]).encode() for name in sorted(tree)}
    found = gyp.save_file("p", "a", "v 1", "a b/é+%41&?#", cache, True, url=empty.url)
    assert Path(found).read_text() == "odd"
    clone = cache.parent / "clone"
    gyp.clone_version("p", "a", "v 1", clone, cache_dir=cache, url=empty.url)
    assert read(clone, follow=True) == read(Path(folder))


def test_the_network_can_be_switched_off(
    gypsum: Gypsum, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gyp.save_file("test-R", "basic", "v1", "blah.txt", cache, url=gypsum.url)
    monkeypatch.setenv("SELENITE_OFFLINE", "1")
    gyp.save_file("test-R", "basic", "v1", "blah.txt", cache, url=gypsum.url)
    with pytest.raises(gyp.GypsumConnectionError, match="SELENITE_OFFLINE"):
        gyp.save_file("test-R", "basic", "v1", "foo/bar.txt", cache, url=gypsum.url)


def test_many_small_files_come_in_one_answer_that_may_break_off(
    empty: Gypsum, cache: Path, anybody: Callable[..., None]
) -> None:
    tree: Tree = {f"d{number % 3}/f{number:03}": f"{number}" * 50 for number in range(60)}
    anybody("v", {**tree, "large": "x" * 100_000})

    def plan(method: str, path: str, times: int) -> Fault | None:
        is_first = path.endswith("?after=..summary&most=65536") and times == 0
        return Fault(reset="answer") if is_first else None

    with between(empty.url, plan) as proxy:
        folder = gyp.save_version("p", "a", "v", cache, url=proxy.url)
        assert read(Path(folder)) == read(empty.path("p", "a", "v"))
        assert proxy.count("GET /archive/p%2Fa%2Fv?") == 2
        alone = {line.split("%2F")[-1] for line in proxy.asked if line.startswith("GET /file/")}
        assert alone == {"..manifest", "..summary", "large"}
        # Once more, some of which are there.
        Path(folder, "d1", "f001").unlink()
        gyp.save_version("p", "a", "v", cache, url=proxy.url, overwrite=True)
        assert read(Path(folder)) == read(empty.path("p", "a", "v"))
        assert proxy.count("GET /archive/p%2Fa%2Fv?") == 3
