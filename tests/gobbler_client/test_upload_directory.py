from __future__ import annotations

import os
import socket
import stat
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pygobbler as pyg
import pytest
from selenite import LeftOutWarning
from support.errors import refused
from support.fake import Reply, as_json, serving
from support.service import USER, Gobbler, Service
from support.tree import (
    EMPTY,
    Link,
    Tree,
    entry,
    everything,
    expected_manifest,
    link,
    make,
    read,
    registry_state,
    total,
)

Build = Callable[[Tree], str]


@pytest.fixture
def project(gobbler: Gobbler) -> Gobbler:
    """A service with the empty project `test`."""
    pyg.create_project("test", **gobbler.writer)
    return gobbler


def upload(gobbler: Gobbler, directory: str, version: str = "v1", **options: Any) -> dict[str, Any]:
    """Upload to `test/simple` and return the manifest as it lies in the registry."""
    pyg.upload_directory("test", "simple", version, directory, **gobbler.writer, **options)
    manifest: dict[str, Any] = gobbler.read("test", "simple", version, "..manifest")
    return manifest


def test_nested_files_arrive_with_manifest_summary_usage_and_latest(
    project: Gobbler, source: Build
) -> None:
    tree: Tree = {"blah.txt": "A\nB\n", "foo/bar.txt": "1 2 3", "foo/er/x": b"\0\xff", "none": b""}
    manifest = upload(project, source(tree))
    assert manifest == expected_manifest(tree, "test", "simple", "v1")
    assert read(project.path("test", "simple", "v1"), follow=True) == {
        name: content.encode() if isinstance(content, str) else content
        for name, content in sorted(tree.items())
    }
    summary = project.read("test", "simple", "v1", "..summary")
    assert list(summary) == ["upload_user_id", "upload_start", "upload_finish"]
    assert summary["upload_user_id"] == USER
    assert project.read("test", "..usage") == {"total": total(manifest)}
    assert project.read("test", "simple", "..latest") == {"version": "v1"}
    pyg.validate_version("test", "simple", "v1", **project.writer)


def test_nothing_stays_in_staging_and_the_source_is_untouched(
    project: Gobbler, source: Build
) -> None:
    directory = source({"a": "1", "b/c": "2", ".dot": "3", "l": Link("b/c")})
    before = everything(Path(directory))
    upload(project, directory, ignore_dot=False)
    assert everything(Path(directory)) == before
    assert os.listdir(project.staging) == []


def test_equal_files_of_the_next_version_become_links(project: Gobbler, source: Build) -> None:
    first = upload(project, source({"a": "same", "b": "old", "z": "moved"}))
    tree: Tree = {"a": "same", "b": "new", "c/d": "moved"}
    second = upload(project, source(tree), "v2")
    latest = {**first, "": {"version": "v1"}}
    assert second == expected_manifest(tree, "test", "simple", "v2", latest)
    assert second["a"]["link"] == link("test", "simple", "v1", "a")
    assert second["c/d"]["link"] == link("test", "simple", "v1", "z")
    third = upload(project, source(tree), "v3")
    assert third["a"]["link"] == {
        **link("test", "simple", "v2", "a"),
        "ancestor": link("test", "simple", "v1", "a"),
    }
    links = {
        name: node.target
        for name, node in read(project.path("test", "simple", "v3")).items()
        if isinstance(node, Link)
    }
    assert links == {"a": "../v1/a", "b": "../v2/b", "c/d": "../../v1/z"}
    assert project.read("test", "..usage") == {"total": total(first) + total(second)}
    for version in ("v1", "v2", "v3"):
        pyg.validate_version("test", "simple", version, **project.writer)


def test_dot_files_are_left_out_unless_wanted(project: Gobbler, source: Build) -> None:
    tree: Tree = {".a": "1", ".b/c": "2", "d/.e": "3", "f": "4"}
    with pytest.warns(LeftOutWarning):
        assert sorted(upload(project, source(tree))) == ["d", "f"]
    with_dots = upload(project, source(tree), "v2", ignore_dot=False)
    assert sorted(with_dots) == [".a", ".b/c", "d/.e", "f"]
    with pytest.warns(LeftOutWarning):
        assert upload(project, source({".only": "dots"}), "v3") == {}


def test_internal_names_are_always_left_out(project: Gobbler, source: Build) -> None:
    tree: Tree = {"..a": "1", "..b/c": "2", "d": "3"}
    with pytest.warns(LeftOutWarning):
        assert list(upload(project, source(tree), ignore_dot=False)) == ["d"]


@pytest.mark.parametrize("place", ["elsewhere", "staging"])
def test_what_is_left_out_is_told_once(project: Gobbler, source: Build, place: str) -> None:
    zarr: Tree = {".zgroup": "{}", "0/.zarray": "{}", ".zattrs": Link(".zgroup")}
    tree: Tree = {".git/a": "1", ".git/b/c": "2", "d/..e/f": "3", "kept": "4", ".empty": EMPTY}
    tree = {**tree, **{f"x.zarr/{name}": content for name, content in zarr.items()}}
    if place == "staging":
        directory = pyg.allocate_upload_directory(project.staging)
        make(Path(directory), tree)
    else:
        directory = source(tree)
    with pytest.warns() as told:
        upload(project, directory, consume=True)
    [warning] = told
    assert issubclass(warning.category, LeftOutWarning)
    assert warning.filename == __file__
    assert str(warning.message) == (
        f"left out of the upload of `{directory}`: 6 entries beginning with a dot (`.empty`, "
        "`.git/`, `x.zarr/.zattrs`, `x.zarr/.zgroup`, `x.zarr/0/.zarray`), which "
        "`ignore_dot=False` uploads; 1 entry beginning with two dots (`d/..e/`), which cannot be "
        "uploaded; a Zarr store cannot be opened again without its `.zarray` and `.zgroup`"
    )
    assert sorted(warning.message.paths) == [  # type: ignore[union-attr]
        *(".empty", ".git/a", ".git/b/c", "d/..e/f"),
        *("x.zarr/.zattrs", "x.zarr/.zgroup", "x.zarr/0/.zarray"),
    ]


def test_an_upload_of_which_nothing_is_left_out_says_nothing(
    project: Gobbler, source: Build
) -> None:
    upload(project, source({".a": "1"}), ignore_dot=False)
    upload(project, source({"a.": "1", "b/c..": EMPTY}), "v2")


def test_a_warning_made_an_error_comes_before_anything_is_done(
    project: Gobbler, source: Build
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(LeftOutWarning, match=r"`\.a`"):
            upload(project, source({".a": "1", "b": "2"}))
    assert os.listdir(project.staging) == []
    assert pyg.list_assets("test", **project.local) == []


def test_empty_directories_are_kept(project: Gobbler, source: Build) -> None:
    tree: Tree = {"a/b/c": EMPTY, "a/d": EMPTY, "e/f": "x", "g": EMPTY}
    manifest = upload(project, source(tree))
    assert manifest == expected_manifest(tree, "test", "simple", "v1")
    assert project.path("test", "simple", "v1", "a", "b", "c").is_dir()
    pyg.validate_version("test", "simple", "v1", **project.writer)


def test_a_probational_version_is_not_the_latest(project: Gobbler, source: Build) -> None:
    upload(project, source({"a": "1"}), probation=True)
    assert project.read("test", "simple", "v1", "..summary")["on_probation"] is True
    assert not project.path("test", "simple", "..latest").exists()
    assert pyg.fetch_latest("test", "simple", **project.local) is None


def test_an_existing_version_is_refused_and_kept(project: Gobbler, source: Build) -> None:
    upload(project, source({"a": "1"}))
    before = registry_state(project.registry)
    with refused(400, 'version "v1" already exists in '):
        upload(project, source({"a": "2"}))
    assert registry_state(project.registry) == before
    assert os.listdir(project.staging) == []


def test_a_missing_project_is_refused(gobbler: Gobbler, source: Build) -> None:
    with refused(404, "project test does not exist"):
        upload(gobbler, source({"a": "1"}))
    assert os.listdir(gobbler.staging) == []


def test_a_stranger_may_not_upload(tmp_path: Path, source: Build) -> None:
    root = tmp_path / "two"
    with Service(root) as service:
        pyg.create_project("test", owners=["somebody-else"], **service.gobbler.writer)
    with Service(root, admin=[]) as service:
        with refused(403, f"user '{USER}' is not authorized to upload to 'test'"):
            upload(service.gobbler, source({"a": "1"}))
        assert os.listdir(service.staging) == []


@pytest.mark.parametrize("part", ["project", "asset", "version"])
@pytest.mark.parametrize("name", ["..", "..x", ".", "a/b", "a\\b", "../../x"])
def test_bad_names_are_refused(project: Gobbler, source: Build, part: str, name: str) -> None:
    names: dict[str, Any] = {
        "project": "test",
        "asset": "simple",
        "version": "v1",
        part: name,
    }
    before = registry_state(project.registry)
    with refused(400, f"invalid {part} name "):
        pyg.upload_directory(**names, directory=source({"a": "1"}), **project.writer)
    assert registry_state(project.registry) == before
    assert os.listdir(project.staging) == []


# What the original lost without a word, or noticed only after everything was copied.


def test_a_missing_directory_is_an_error(project: Gobbler, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="missing"):
        upload(project, str(tmp_path / "missing"))
    assert pyg.list_assets("test", **project.local) == []


def test_a_file_instead_of_a_directory_is_an_error(project: Gobbler, source: Build) -> None:
    with pytest.raises(NotADirectoryError, match="file"):
        upload(project, source({"file": "1"}) + "/file")
    assert pyg.list_assets("test", **project.local) == []


def refuse_before_copying(gobbler: Gobbler, directory: str, name: str) -> None:
    """Expect a `ValueError` about this path, with nothing copied and nothing requested."""
    staging = os.stat(gobbler.staging).st_mtime_ns
    before = registry_state(gobbler.registry)
    with pytest.raises(ValueError, match=name):
        upload(gobbler, directory)
    assert os.listdir(gobbler.staging) == []
    assert os.stat(gobbler.staging).st_mtime_ns == staging
    assert registry_state(gobbler.registry) == before


@pytest.mark.parametrize("target", ["real", "../{name}/real", "."])
def test_a_link_to_a_directory_is_refused_before_anything_is_copied(
    project: Gobbler, source: Build, target: str
) -> None:
    directory = source({"real/a": "1"})
    Path(directory, "linked").symlink_to(target.format(name=Path(directory).name))
    refuse_before_copying(project, directory, "linked")


@pytest.mark.parametrize("target", ["nowhere", "/no/where", "../nowhere", "loop"])
def test_a_dangling_link_is_refused_before_anything_is_copied(
    project: Gobbler, source: Build, target: str
) -> None:
    refuse_before_copying(project, source({"a": "1", "loop": Link(target)}), "loop")


# Only root can make a device.
@pytest.mark.parametrize("kind", ["fifo", "socket", *(["device"] if os.geteuid() == 0 else [])])
def test_special_files_are_refused_before_anything_is_copied(
    project: Gobbler, source: Build, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = source({"a": "1"})
    special = Path(directory, "special")
    if kind == "fifo":
        os.mkfifo(special)
    elif kind == "socket":
        monkeypatch.chdir(directory)
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("special")
    else:
        os.mknod(special, stat.S_IFCHR | 0o666, os.makedev(1, 3))
    refuse_before_copying(project, directory, "special")


def test_a_name_that_is_not_utf8_is_refused_before_anything_is_copied(
    project: Gobbler, source: Build
) -> None:
    directory = source({"a": "1"})
    with open(os.fsencode(directory) + b"/bad\xff", "wb"):
        pass
    refuse_before_copying(project, directory, "bad")


def test_links_inside_the_directory_are_kept(project: Gobbler, source: Build) -> None:
    tree: Tree = {
        "a/file": "content",
        "a/near": Link("file"),
        "far": Link("a/file"),
        "b/up": Link("../a/file"),
        "chain": Link("far"),
    }
    manifest = upload(project, source(tree))
    assert manifest == expected_manifest(tree, "test", "simple", "v1")
    links = {
        name: node.target
        for name, node in read(project.path("test", "simple", "v1")).items()
        if isinstance(node, Link)
    }
    assert links == {"a/near": "file", "b/up": "../a/file", "chain": "a/file", "far": "a/file"}
    pyg.validate_version("test", "simple", "v1", **project.writer)


def test_an_absolute_link_into_the_directory_leads_to_the_copy(
    project: Gobbler, source: Build
) -> None:
    directory = source({"a/file": "content"})
    Path(directory, "b").symlink_to(Path(directory, "a", "file"))
    manifest = upload(project, directory)
    assert manifest["b"] == {**entry(b"content"), "link": link("test", "simple", "v1", "a/file")}


@pytest.mark.parametrize("absolute", [True, False])
def test_links_into_the_registry_stay_links(sample: Gobbler, source: Build, absolute: bool) -> None:
    directory = source({"own": "1"})
    target = os.path.join(sample.registry, "test", "sample", "v1", "a.txt")
    if not absolute:
        target = os.path.relpath(target, directory)
    Path(directory, "theirs").symlink_to(target)
    manifest = upload(sample, directory)
    assert manifest["theirs"] == {
        **entry(b"alpha"),
        "link": link("test", "sample", "v1", "a.txt"),
    }


@pytest.mark.parametrize("absolute", [True, False])
def test_other_links_are_left_to_the_service(
    project: Gobbler, source: Build, tmp_path: Path, absolute: bool
) -> None:
    outside = make(tmp_path / "outside", {"file": "secret"}) / "file"
    directory = source({"own": "1"})
    target = str(outside) if absolute else os.path.relpath(outside, directory)
    Path(directory, "theirs").symlink_to(target)
    with refused(500, "failed to transfer files from ") as caught:
        upload(project, directory)
    assert "outside the registry" in caught.value.args[1]
    assert pyg.list_assets("test", **project.local) == []
    assert os.listdir(project.staging) == []


@pytest.mark.parametrize("absolute", [True, False])
def test_links_into_a_whitelisted_directory_are_kept(
    serve: Callable[..., Service], source: Build, tmp_path: Path, absolute: bool
) -> None:
    outside = make(tmp_path / "archive", {"file": "public"}) / "file"
    listed = tmp_path / "whitelist"
    listed.write_text(f"# archives\n\n{outside.parent}\n")
    flags = ["-durable=false", "-whitelist", str(listed)]
    gobbler = serve(flags=flags).gobbler
    pyg.create_project("test", **gobbler.writer)
    directory = source({"own": "1"})
    target = str(outside) if absolute else os.path.relpath(outside, directory)
    Path(directory, "theirs").symlink_to(target)
    assert upload(gobbler, directory)["theirs"] == entry(b"public")
    assert os.readlink(gobbler.path("test", "simple", "v1", "theirs")) == str(outside)


def test_private_files_are_copied_so_that_the_service_can_read_them(source: Build) -> None:
    directory = source({"private": "1", "program": "2"})
    Path(directory, "private").chmod(0o600)
    Path(directory, "program").chmod(0o755)
    seen: dict[str, int] = {}

    def script(method: str, path: str) -> Reply:
        for file in Path(staging).glob("*/*"):
            seen[file.name] = stat.S_IMODE(file.stat().st_mode)
        for request in Path(staging).glob("request-*"):
            seen["request"] = stat.S_IMODE(request.stat().st_mode)
        return as_json({"status": "SUCCESS"})

    staging = source({})
    with serving(script) as fake:
        pyg.upload_directory("p", "a", "v", directory, staging=staging, url=fake.url)
    assert seen == {"private": 0o644, "program": 0o644, "request": 0o644}


# Directories that lie in staging already.


def test_a_directory_in_staging_is_used_in_place_and_kept(project: Gobbler) -> None:
    directory = pyg.allocate_upload_directory(project.staging)
    make(Path(directory), {"a": "1", "b/c": "2"})
    assert sorted(upload(project, directory)) == ["a", "b/c"]
    assert read(Path(directory)) == {"a": b"1", "b/c": b"2"}


def test_consume_moves_the_files_of_a_directory_in_staging(project: Gobbler) -> None:
    directory = pyg.allocate_upload_directory(project.staging)
    make(Path(directory), {"a": "1", "b/c": "2"})
    assert sorted(upload(project, directory, consume=True)) == ["a", "b/c"]
    assert [path for path in Path(directory).rglob("*") if path.is_file()] == []


def test_consume_does_not_touch_a_source_outside_of_staging(
    project: Gobbler, source: Build
) -> None:
    directory = source({"a": "1"})
    upload(project, directory, consume=True)
    upload(project, directory, "v2", consume=False)
    assert read(Path(directory)) == {"a": b"1"}


def test_a_directory_deeper_in_staging_is_copied(project: Gobbler) -> None:
    directory = Path(pyg.allocate_upload_directory(project.staging), "deep", "er")
    make(directory, {"a": "1"})
    assert sorted(upload(project, str(directory))) == ["a"]
    assert read(directory) == {"a": b"1"}


@pytest.mark.parametrize("given", ["relative", "linked", "slashes"])
def test_staging_is_recognised_however_it_is_written(
    project: Gobbler, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    directory = pyg.allocate_upload_directory(project.staging)
    make(Path(directory), {"a": "1"})
    monkeypatch.chdir(tmp_path)
    (tmp_path / "linked").symlink_to(project.staging)
    staging = {
        "relative": os.path.relpath(project.staging),
        "linked": str(tmp_path / "linked"),
        "slashes": project.staging.replace("/", "//") + "/",
    }[given]
    inode = os.stat(Path(directory, "a")).st_ino
    pyg.upload_directory(
        "test", "simple", "v1", directory, staging=staging, url=project.url, consume=True
    )
    moved = project.path("test", "simple", "v1", "a")
    assert moved.read_bytes() == b"1"
    assert moved.stat().st_ino == inode


def test_staging_itself_cannot_be_uploaded(project: Gobbler) -> None:
    with pytest.raises(ValueError, match="staging"):
        upload(project, project.staging)
    assert os.listdir(project.staging) == []


def test_a_sibling_whose_name_begins_like_staging_is_not_in_staging(project: Gobbler) -> None:
    directory = make(Path(project.staging + "-too"), {"a": "1"})
    assert sorted(upload(project, str(directory))) == ["a"]
    assert read(directory) == {"a": b"1"}


@pytest.mark.parametrize("concurrent", [1, 2, 7])
def test_any_concurrency_gives_the_same_version(
    project: Gobbler, source: Build, concurrent: int
) -> None:
    tree: Tree = {f"d{number % 7}/f{number}": f"{number}" * number for number in range(60)}
    manifest = upload(project, source(tree), concurrent=concurrent)
    assert manifest == expected_manifest(tree, "test", "simple", "v1")


def test_the_request_holds_the_documented_members_in_order(source: Build, tmp_path: Path) -> None:
    staging = source({})
    seen: list[str] = []

    def script(method: str, path: str) -> Reply:
        seen.append(Path(staging, path.removeprefix("/new/")).read_text())
        return as_json({"status": "SUCCESS"})

    here = make(Path(staging, "here"), {"ä": "1"})
    with serving(script) as fake:
        pyg.upload_directory(
            "pé", "a", "v", str(here), staging=staging, url=fake.url, probation=True, spoof="ann"
        )
    assert seen == [
        "{\n"
        '    "source": "here",\n'
        '    "project": "p\\u00e9",\n'
        '    "asset": "a",\n'
        '    "version": "v",\n'
        '    "on_probation": true,\n'
        '    "consume": false,\n'
        '    "ignore_dot": true,\n'
        '    "spoof": "ann",\n'
        '    "action": "upload"\n'
        "}"
    ]


def test_spoofing_needs_permission(
    serve: Callable[..., Service], source: Build, tmp_path: Path
) -> None:
    spoofers = tmp_path / "spoofers"
    spoofers.write_text(f"# who may be whom\n\n{USER}:ann\n")
    gobbler = serve(flags=["-durable=false", "-spoof", str(spoofers)]).gobbler
    pyg.create_project("test", owners=["ann", "bob"], **gobbler.writer)
    upload(gobbler, source({"a": "1"}), spoof="ann")
    assert gobbler.read("test", "simple", "v1", "..summary")["upload_user_id"] == "ann"
    with refused(403) as caught:
        upload(gobbler, source({"a": "1"}), "v2", spoof="bob")
    assert f'user "{USER}" is not authorized to spoof "bob"' in caught.value.args[1]


def test_anybody_may_make_an_asset_of_a_project_for_all(tmp_path: Path, source: Build) -> None:
    root = tmp_path / "two"
    with Service(root) as service:
        pyg.create_project("test", owners=["somebody-else"], **service.gobbler.writer)
        pyg.set_permissions(
            "test", registry=str(service.registry), global_write=True, **service.gobbler.writer
        )
    with Service(root, admin=[]) as service:
        gobbler = service.gobbler
        upload(gobbler, source({"a": "1"}))
        assert gobbler.read("test", "simple", "..permissions") == {
            "owners": [USER],
            "uploaders": [],
        }
        assert gobbler.read("test", "simple", "..latest") == {"version": "v1"}


def test_an_untrusted_uploader_is_put_on_probation(tmp_path: Path, source: Build) -> None:
    root = tmp_path / "two"
    with Service(root) as service:
        uploaders = [{"id": USER, "asset": "simple"}]
        writer = service.gobbler.writer
        pyg.create_project("test", owners=["somebody-else"], uploaders=uploaders, **writer)
    with Service(root, admin=[]) as service:
        upload(service.gobbler, source({"a": "1"}))
        assert service.gobbler.read("test", "simple", "v1", "..summary")["on_probation"] is True
        with refused(403, f"user '{USER}' is not authorized to upload to 'test'"):
            pyg.upload_directory(
                "test", "other", "v1", source({"a": "1"}), **service.gobbler.writer
            )


OWNERS = [os.geteuid(), *([65534] if os.geteuid() == 0 else [])]


@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("can_read", [True, False])
def test_a_umask_that_keeps_the_service_out_is_seen_before_the_copy(
    tmp_path: Path, source: Build, owner: int, can_read: bool
) -> None:
    staging = tmp_path / "staging"
    staging.mkdir()
    os.chown(staging, owner, -1)
    copied: list[int] = []

    def script(_: str, path: str) -> Reply:
        request = (staging / path.removeprefix("/new/")).read_text()
        copied.append(len(list(staging.glob("upload-*/*"))))
        if not can_read:
            return as_json({"status": "ERROR", "reason": "permission denied"}, 500)
        if request == "{}":
            return as_json({"status": "ERROR", "reason": "no source"}, 400)
        return as_json({"status": "SUCCESS"})

    directory = source({"a": "1"})
    is_doubtful = owner != os.geteuid()
    os.umask(0o027)
    with serving(script) as fake:
        if can_read:
            pyg.upload_directory("p", "a", "v", directory, staging, fake.url)
            assert copied == ([0, 1] if is_doubtful else [1])
        else:
            with refused(500, "permission denied"):
                pyg.upload_directory("p", "a", "v", directory, staging, fake.url)
            assert copied == [0 if is_doubtful else 1]
    assert os.listdir(staging) == []
