"""The command."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from pangea_api import Organization, Sample, SampleGroup
from pangea_api.cli import main
from pangea_api.contrib.tagging import Tag
from support.pangea import Pangea

Run = Callable[..., Result]
ENVIRONMENT = {"PANGEA_USER": "owner@example.org", "PANGEA_PASS": "Foobar22zz"}


@pytest.fixture
def run(service: Pangea, library: SampleGroup) -> Run:
    def run(*words: str, code: int = 0, **environment: str) -> Result:
        is_alone = words[0] == "version"
        end = [] if is_alone else ["--endpoint", service.url]
        result = CliRunner().invoke(main, [*words, *end], env={**ENVIRONMENT, **environment})
        assert result.exit_code == code, (result.output, result.exception)
        return result

    return run


def test_things_are_made_and_deleted(run: Run, service: Pangea, tmp_path: Path) -> None:
    assert run("version").output == "0.9.24\n"
    assert "Created: <Pangea::Organization New " in run("create", "org", "New").stderr
    run("create", "sample-group", "Org", "G 1")
    run("create", "sample-group", "Org", "G 2", "--public", "--not-library")
    groups = {one["name"]: one for one in service.tables["sample_groups"].values()}
    assert (groups["G 1"]["is_public"], groups["G 1"]["is_library"]) == (False, True)
    assert (groups["G 2"]["is_public"], groups["G 2"]["is_library"]) == (True, False)
    names = tmp_path / "names"
    names.write_text("a,b\nc\n")
    made = run("create", "samples", "Org", "Lib", "d", "-s", str(names)).stdout.splitlines()
    assert [line.split()[1] for line in made] == ["d", "a", "b", "c"]
    assert run("list", "samples", "Org", "Lib").stdout.splitlines() == made
    added = run("add", "samples-to-group", "Org", "Lib", "Org", "G 2", "a", "b", "zz")
    assert added.stdout.startswith("Added 2 to <Pangea::SampleGroup G 2")
    assert added.stderr == 'Sample "zz" not found.\n'
    uuid = made[0].split()[-2]
    run("create", "sample-ar", "Org", "Lib", "d", "m", "-r", "r1")
    run("create", "sample-ar", uuid, "m2")
    results = list(service.tables["sample_ars"].values())
    assert [(one["module_name"], one["sample"]) for one in results] == [("m", uuid), ("m2", uuid)]
    (tmp_path / "file").write_text("content")
    run("create", "field", "Org", "Lib", "d", "m", "f", str(tmp_path / "file"))
    (tmp_path / "file 2").write_text("content")
    said = run("create", "field", results[1]["uuid"], "f2", str(tmp_path / "file 2")).stderr
    assert f"Uploading file: {tmp_path / 'file 2'}\n" in said
    deleted = run("delete", "sample-result", results[0]["uuid"])
    assert deleted.stderr == f"deleted sample result {results[0]['uuid']}\n"
    assert run("delete", "sample", uuid).stderr == f"deleted sample {uuid}\n"
    run("delete", "samples", "Org", "Lib", "a", "-n")
    run("delete", "group", groups["G 1"]["uuid"])
    assert [one["name"] for one in service.tables["samples"].values()] == ["b", "c"]


def test_failures_are_told_in_a_line(run: Run, service: Pangea) -> None:
    for words, text in (
        (("list", "samples", "None", "Lib"), "Error: 404 Client Error: Not Found for url"),
        (("create", "org", "Org"), "Error: 400 Client Error: Bad Request"),
        (("create", "sample-with-data", "Org", "Lib", "S"), "needs 2 files, not 0"),
    ):
        said = run(*words, code=1)
        assert text in said.stderr
        assert said.stderr.count("\n") == 1
    assert (
        "Unable to log in" in run("list", "samples", "Org", "Lib", code=1, PANGEA_PASS="x").stderr
    )


def test_nobody_reads_what_is_public(run: Run, service: Pangea, sample: Sample) -> None:
    nobody = {"PANGEA_USER": "", "PANGEA_PASS": ""}
    assert "Pangea::Sample S " in run("list", "samples", "Org", "Lib", **nobody).stdout
    assert service.count("POST", "login") == 0
    run("user", "info", code=2, **nobody)
    assert json.loads(run("user", "info").stdout)["email"] == "owner@example.org"
    run("user", "change-password", "Different22")
    assert service.users["owner@example.org"]["password"] == "Different22"


def test_reads_go_up_and_come_down(
    run: Run, service: Pangea, library: SampleGroup, tmp_path: Path
) -> None:
    names = ["S1.R1.fastq.gz", "S1.R2.fastq.gz", "S2.R1.fastq.gz", "S2.R2.fastq.gz"]
    for name in names:
        (tmp_path / name).write_text(name)
    files = tmp_path / "files"
    files.write_text("".join(f"{tmp_path / name}\n" for name in names))
    run("upload", "reads", "Org", "Lib", str(files), "-t", "tag 1")
    assert [one.name for one in Tag(library.knex, "tag 1").get().get_samples()] == ["S1", "S2"]
    results = service.tables["sample_ars"].values()
    assert [one["is_private"] for one in results] == [True, True]
    before = service.count("POST", "upload_s3")
    run("upload", "reads", "Org", "Lib", str(files))
    assert service.count("POST", "upload_s3") == before == 4
    target = tmp_path / "target"
    done = run(
        "download", "sample-results", "Org", "Lib", "--target-dir", str(target), "--jobs", "2"
    )
    assert done.stderr.endswith("done.\n")
    found = {path.name for path in target.rglob("*.gz")}
    assert found == {
        f"S{index}.raw__paired_short_reads.read_{read}.fastq.gz"
        for index in (1, 2)
        for read in (1, 2)
    }
    urls = run("download", "sample-results", "Org", "Lib", "S1", "--urls-only").stdout.splitlines()
    assert len(urls) == 2
    assert urls[0].split()[1].startswith("S1/S1.raw__paired_short_reads.read_")
    files.write_text(f"{tmp_path / names[0]}\n")
    said = run("upload", "reads", "Org", "Lib", str(files), code=1).stderr
    assert "Sample S1 has wrong number of reads: {" in said


def test_single_reads_and_fields_of_groups(run: Run, service: Pangea, tmp_path: Path) -> None:
    (tmp_path / "N1.fastq.gz").write_text("x")
    files = tmp_path / "files"
    files.write_text(f"{tmp_path / 'N1.fastq.gz'}\n")
    words = ("upload", "single-ended-reads", "Org", "Lib", str(files))
    run(*words, "--dryrun")
    assert service.tables["samples"] == {}
    run(*words, "--public", "-m", "raw::basecalled_nanopore_reads")
    assert len(service.tables["sample_ar_fields"]) == 1
    run("upload", "group-field", "Org", "Lib", "m", "f", str(files))
    assert len(service.tables["sample_group_ar_fields"]) == 1


def test_metadata_goes_up_and_comes_down(run: Run, library: SampleGroup, tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("name,depth,site\na,1,x\nb,2,\nc,3,z\n")
    library.sample("a").create()
    kept = library.sample("b", metadata={"old": 1}).create()
    words = ("upload", "metadata", "Org", "Lib", str(table))
    assert run(*words).stderr == 'Sample "c" not found.\n'
    read = {one.name: one.metadata for one in library.get_samples(cache=False)}
    assert read == {"a": {"depth": 1, "site": "x"}, "b": {"old": 1}}
    run(*words, "--update", "--create")
    assert kept.lib.sample("b").get().metadata == {"old": 1, "depth": 2}
    text = run("download", "metadata", "Org", "Lib", "a", "c").stdout
    assert text == ",depth,site\na,1,x\nc,3,z\n"
    run(*words, "--overwrite")
    assert {one.name: one.metadata for one in library.get_samples(cache=False)}["b"] == {"depth": 2}


def test_tags(run: Run, org: Organization, sample: Sample) -> None:
    assert run("tag", "create", "t").stderr.startswith("<Pangea::Contrib::Tag t ")
    run("tag", "samples-in-group", "Org", "Lib", "t")
    run("tag", "group", "Org", "Lib", "t")
    assert str(sample.uuid) in run("tag", "list", "random-samples", "t").stderr
    assert "SampleGroup Lib" in run("tag", "list", "groups", "t").stderr
