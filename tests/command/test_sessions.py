"""What users see, of both services alike."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.command import COUNTS, V2, Run, Services, check, md5
from support.service import USER
from support.tree import make

BOTH = pytest.mark.parametrize("scheme", ["gobbler", "gypsum"])
SIZE = len(COUNTS)


def link(text: str, linked: str) -> str:
    """How a line ends that is about a link."""
    return f"{text} -> {linked}"


@BOTH
def test_listing(selenite: Run, scheme: str) -> None:
    assert selenite("ls", f"{scheme}:").out == "demo\nwritten\n"
    assert selenite("ls", f"{scheme}://demo").out == "rna\n"
    assert selenite("ls", f"{scheme}:demo/rna").out == "v1\nv2\n"
    assert selenite("ls", "-R", f"{scheme}:demo").out == "rna\nrna/v1\nrna/v2\n"
    done = selenite("ls", "-l", f"{scheme}:demo/rna/@latest")
    assert done.status == 0
    assert done.out.splitlines() == [
        f"    10 B  {md5('ten bytes' + chr(10))}  notes.txt",
        f" {SIZE / 1000:.2f} kB  {md5(COUNTS)}  tables/counts.csv",
    ]
    assert done.err == f"2 files, {(SIZE + 10) / 1000:.2f} kB\n"
    done = selenite("ls", "-l", f"{scheme}:demo/rna/v2/tables")
    assert done.out.endswith("  tables/counts.csv -> demo/rna/v1/tables/counts.csv\n")
    assert done.err == f"1 file, {SIZE / 1000:.2f} kB ({SIZE / 1000:.2f} kB linked)\n"
    assert selenite("ls", f"{scheme}:demo/rna/v2", "-q").out.split() == [*sorted(V2)]
    assert selenite("ls", f"{scheme}:demo/rna/v2", "-0").out == "".join(
        f"{path}\0" for path in sorted(V2)
    )
    chosen = selenite("ls", f"{scheme}:demo/rna/v2", "--include", "*.txt", "--exclude", "new*")
    assert chosen.out == "notes.txt\n"
    assert selenite("ls", f"{scheme}:demo/rna/v2", "--prefix", "ta").out == "tables/counts.csv\n"
    by_size = selenite("ls", f"{scheme}:demo/rna/v2", "--sort", "size").out.split()
    assert by_size == ["tables/counts.csv", "notes.txt", "new.txt"]


@BOTH
def test_information(selenite: Run, scheme: str) -> None:
    lines = selenite("info", f"{scheme}:demo/rna/v2").out.splitlines()
    assert lines[0] == f"address      {scheme}://demo/rna/v2"
    assert re.fullmatch(r"uploaded     \d{4}-\d\d-\d\d \d\d:\d\d UTC by \w+", lines[1])
    assert lines[2:] == [
        "state        on probation",
        f"files        3 ({(SIZE + 21) / 1000:.2f} kB), 1 linked",
        "latest       v1",
    ]
    assert selenite("stat", f"{scheme}:demo/rna/v2/notes.txt").out.splitlines() == [
        f"address      {scheme}://demo/rna/v2/notes.txt",
        "size         11 B (11 bytes)",
        f"md5sum       {md5('11 bytes..' + chr(10))}",
    ]
    lines = selenite("info", f"{scheme}:demo").out.splitlines()
    assert lines[1] == "assets       1"
    assert any(line.startswith("owners       ") for line in lines)
    assert selenite("info", f"{scheme}:demo/rna").out.splitlines()[1:] == [
        "versions     2",
        "latest       v1",
    ]


@BOTH
def test_versions(selenite: Run, scheme: str) -> None:
    (line,) = selenite("versions", f"{scheme}:demo/rna").out.splitlines()
    assert re.fullmatch(r"v1  2  \S+ kB  \d{4}-\d\d-\d\d \d\d:\d\d  \w+  \*", line)
    lines = selenite("versions", f"{scheme}:demo/rna", "--all").out.splitlines()
    assert [line.split()[0] for line in lines] == ["v2", "v1"]
    assert lines[0].endswith("?")


@BOTH
def test_a_tree(selenite: Run, scheme: str) -> None:
    done = selenite("tree", f"{scheme}:demo/rna/v2", "--ascii")
    assert done.out.splitlines() == [
        f"{scheme}://demo/rna/v2",
        "|-- new.txt",
        "|-- notes.txt",
        "`-- tables/",
        "    `-- counts.csv -> demo/rna/v1/tables/counts.csv",
    ]
    shallow = selenite("tree", f"{scheme}:demo/rna/v2", "-L", 1, "--dirs", "--sizes").out
    assert shallow.splitlines()[1:] == [f"└── tables/  {SIZE / 1000:.2f} kB"]


@BOTH
def test_content(selenite: Run, scheme: str) -> None:
    file = f"{scheme}:demo/rna/v1/notes.txt"
    assert selenite("cat", file).out == "ten bytes\n"
    assert selenite("cat", file, "--range", "4-8").out == "bytes"
    assert selenite("cat", file, "--range", "4-").out == "bytes\n"
    assert selenite("cat", file, "--range", "-3").out == "es\n"
    assert selenite("get", file, "-").out == "ten bytes\n"


@BOTH
def test_comparing(selenite: Run, scheme: str, tmp_path: Path) -> None:
    a, b = f"{scheme}:demo/rna/v1", f"{scheme}:demo/rna/v2"
    assert selenite("diff", a, b).out.splitlines() == [
        "+ new.txt    10 B",
        "* notes.txt  10 B -> 11 B",
        "1 added, 1 changed, 0 removed, 1 equal",
    ]
    assert selenite("diff", b, a, "--name-only").out.split() == ["new.txt", "notes.txt"]
    folder = make(tmp_path / "mine", {**V2, "new.txt": "other...\n", "more/x": "x"})
    assert selenite("diff", b, folder).out.splitlines() == [
        "+ more/x   1 B",
        "* new.txt  10 B -> 9 B",
        "1 added, 1 changed, 0 removed, 2 equal",
    ]
    assert selenite("diff", folder, folder, "--summary").out == (
        "0 added, 0 changed, 0 removed, 4 equal\n"
    )


@BOTH
def test_fetching_and_verifying(selenite: Run, scheme: str, home: Path) -> None:
    address = f"{scheme}:demo/rna/v1"
    done = selenite("verify", address)
    assert (done.status, done.err.splitlines()[0]) == (
        3,
        f"error: {scheme}://demo/rna/v1 is not on this machine",
    )
    assert selenite("get", address, "-n").out.splitlines() == [
        "    10 B  notes.txt",
        f" {SIZE / 1000:.2f} kB  tables/counts.csv",
    ]
    place = Path(selenite("get", address).out.strip())
    assert (place / "tables/counts.csv").read_text() == COUNTS
    assert selenite("verify", address).out == "2 files: 2 ok\n"
    assert selenite("get", address, "--offline").out.strip() == str(place)
    assert selenite("get", address, "copy").out == "copy\n"
    assert Path("copy/notes.txt").read_text() == "ten bytes\n"
    Path("copy/notes.txt").write_text("bad bytes\n")
    Path("copy/tables/counts.csv").unlink()
    Path("copy/more").write_text("x")
    done = selenite("verify", "copy", "--against", address, "--fail-on-extra")
    assert done.status == 6
    assert done.out.splitlines() == [
        f"differs  notes.txt  MD5 {md5('bad bytes' + chr(10))} instead of "
        f"{md5('ten bytes' + chr(10))}",
        "missing  tables/counts.csv",
        "extra    more",
        "2 files: 0 ok, 1 missing, 1 differs, 1 extra",
    ]
    assert selenite("get", address, "copy").status == 5
    assert selenite("get", address, "copy", "--overwrite").status == 0
    assert selenite("verify", "copy", "--against", address).status == 0
    file = f"{address}/notes.txt"
    assert selenite("get", file, "one.txt").out == "one.txt\n"
    assert selenite("get", file, "hard.txt", "--link", "hard").status == 0
    assert Path("hard.txt").stat().st_ino == (place / "notes.txt").resolve().stat().st_ino
    assert selenite("get", address, "part", "--include", "*.csv").status == 0
    assert [path.name for path in Path("part").rglob("*.*")] == ["counts.csv"]


@BOTH
def test_manifests(selenite: Run, scheme: str, tmp_path: Path) -> None:
    folder = make(tmp_path / "mine", V2)
    for what in (f"{scheme}:demo/rna/v2", folder):
        done = selenite("manifest", what, "--md5sum")
        digests = {path: md5(str(text)) for path, text in V2.items()}
        assert done.out == "".join(f"{digests[path]}  {path}\n" for path in sorted(V2))
        found = selenite("manifest", what, "--json").json
        assert {path: one["md5sum"] for path, one in found.items()} == digests


@BOTH
def test_publishing(selenite: Run, scheme: str, services: Services, tmp_path: Path) -> None:
    source = make(tmp_path / "results", {**V2, "new.txt": "newer\n"})
    address = f"{scheme}:written/put/{tmp_path.name}"
    assert selenite("put", source, address, "-n").out.splitlines()[0].startswith("+ ")
    assert selenite("info", address).status == 3, "nothing was changed"
    done = selenite("put", source, address)
    assert (done.status, done.out) == (0, f"{scheme}://written/put/{tmp_path.name}\n"), done.err
    again = f"{address}-2"
    done = selenite("put", source, again, "--dry-run")
    linked = f" -> written/put/{tmp_path.name}/notes.txt"
    assert f"=     11 B  notes.txt{linked}" in done.out
    done = selenite("put", "-", f"{scheme}:written/put/{tmp_path.name}-3/a/b", stdin="text")
    assert done.status == 0, done.err
    assert selenite("cat", f"{scheme}:written/put/{tmp_path.name}-3/a/b").out == "text"
    wrong = selenite(
        "put", "-", f"{scheme}:written/put/{tmp_path.name}-4/a", "--size", 3, stdin="four"
    )
    assert (wrong.status, wrong.err) == (6, "error: standard input has 4 bytes, not 3\n")


@BOTH
def test_making_a_project(
    selenite: Run, scheme: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"made-{tmp_path.name}"
    done = selenite("project", "create", f"{scheme}:{name}", "--owner", "alice", "--json")
    assert (done.status, done.err) == (0, "")
    check("project create", done.json)
    permissions = selenite("info", f"{scheme}:{name}", "--json").json["permissions"]
    assert permissions["owners"] == ["alice"]
    if scheme == "gobbler":
        plan = selenite("put", make(tmp_path / "mine", {"a": "x"}), f"gobbler:{name}/a/v", "-n")
        told = f"{USER} is no owner or uploader of {name}: only an administrator could upload"
        assert (plan.status, plan.err.splitlines()[1:]) == (0, [told])
    again = selenite("project", "create", f"{scheme}:{name}")
    assert (again.status, again.err.split(" in ")[0]) == (5, f"error: project `{name}` exists")
    assert selenite("project", "create", f"{scheme}:{name}/asset").status == 2
    if scheme == "gypsum":
        monkeypatch.setenv("GYPSUM_TOKEN", "token-of-bob")
        assert selenite("project", "create", "gypsum:not-made").status == 4
        monkeypatch.delenv("GYPSUM_TOKEN")
        assert selenite("project", "create", "gypsum:not-made").status == 4


def test_answers_of_pangea_in_the_cache(selenite: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    from pangea_api import file_system_cache as pangea

    monkeypatch.setenv("PANGEA_API_CACHE_DIR", "kept")
    monkeypatch.setattr(pangea, "CACHE_DIR", "kept")
    for number in range(2):
        pangea.FileSystemCache().cache_blob(f"key {number}", {"number": number})
    folder = Path("kept/.pangea_api_cache/v1").absolute()
    assert selenite("cache", "dir").out.splitlines()[-1] == f"pangea   {folder}"
    rows = selenite("cache", "info", "--json").json["items"]
    (row,) = [row for row in rows if row["service"] == "pangea"]
    assert (row["path"], row["bytes"], row["reclaimable"]) == (str(folder), 26, 0)
    (one,) = selenite("cache", "ls", "--json").json["items"]
    assert (one["address"], one["files"], one["bytes"]) == ("pangea://", 2, 26)
    assert selenite("cache", "verify").out == "2 files: 2 ok\n"
    bad = sorted(folder.iterdir())[0]
    bad.write_text("{")
    done = selenite("cache", "verify")
    assert done.status == 6
    assert done.out.splitlines()[0] == f"differs  pangea://{bad.name}"
    assert selenite("cache", "prune", "--older-than", "1d", "-y").out == ""
    assert selenite("cache", "prune", "--max-size", "5", "-n").out.endswith("pangea://\n")
    assert selenite("cache", "rm", "pangea:", "-y").status == 0
    assert not folder.exists()
    assert selenite("cache", "rm", "pangea:", "-y").status == 3


@BOTH
def test_the_cache(selenite: Run, scheme: str) -> None:
    address = f"{scheme}:demo/rna/v1"
    place = Path(selenite("get", address).out.strip())
    (line,) = selenite("cache", "ls").out.splitlines()
    assert line.endswith(f"{scheme}://demo/rna/v1")
    assert "incomplete" not in line
    assert selenite("cache", "verify").out == "2 files: 2 ok\n"
    (place / "notes.txt").unlink()
    (place / "notes.txt").write_text("bad bytes\n")
    done = selenite("cache", "verify")
    assert done.status == 6
    assert done.out.splitlines()[0] == f"differs  {scheme}://demo/rna/v1/notes.txt"
    assert (
        selenite("cache", "prune", "--older-than", "1d", "-y").err == "removed 0 versions (0 B)\n"
    )
    refused = selenite("cache", "rm", address)
    assert refused.status == 2
    assert "needs `-y`" in refused.err
    assert selenite("cache", "rm", address, "-n").out.endswith(f"{scheme}://demo/rna/v1\n")
    assert selenite("cache", "rm", f"{scheme}:demo", "-y").status == 0
    assert not place.exists()
    assert selenite("cache", "ls").out == ""
    assert selenite("cache", "rm", address, "-y").status == 3
