"""What objects of the service do: they are read, made, changed, kept and deleted."""

from __future__ import annotations

import multiprocessing
import operator
import pickle
from pathlib import Path
from typing import Any

import pytest
import requests
from pangea_api import (
    Knex,
    Organization,
    PangeaForbiddenError,
    PangeaInternalError,
    PangeaNotFoundError,
    PangeaOtherError,
    Pipeline,
    RemoteObjectError,
    RemoteObjectOverwriteError,
    Sample,
    SampleGroup,
    User,
    WorkOrderProto,
)
from pangea_api.blob_constructors import sample_from_uuid, sample_group_from_uuid
from pangea_api.contrib.tagging import Tag
from pangea_api.contrib.tagging.tag_funcs import get_tags_for_sample
from pangea_api.work_orders import GroupWorkOrderProto, JobOrder, WorkOrder
from support.pangea import Answer, Pangea

NAMES = [
    "plain",
    "with blank",
    "a?b",
    "a#b",
    "%41",
    "x.v1",
    "x.fastq",
    "x.json",
    "a/b",
    ".",
    "..",
    "d41d8cd98f00b204e9800998ecf8427e",
    "12345678-1234-4234-8234-123456789012",
    "Größe 微生物",
    "a+b&c=d;e:f`",
    "back\\slash",
]


def things(knex: Knex, library: SampleGroup, name: str) -> list[Any]:
    """An object of each kind that has a name, none of them made."""
    org = library.org
    sample = library.sample("S")
    result, group_result = sample.analysis_result("m"), library.analysis_result("m")
    return [
        Organization(knex, name),
        org.sample_group(name),
        library.sample(name),
        sample.analysis_result(name),
        library.analysis_result(name),
        result.field(name, {"a": 1}),
        group_result.field(name, {"a": 1}),
        Pipeline(knex, name),
        Pipeline(knex, "p").module(name, "v 1/2"),
        Tag(knex, name),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_every_kind_is_made_read_and_deleted_whatever_its_name(
    name: str, knex: Knex, library: SampleGroup, sample: Sample
) -> None:
    for made, read, gone in zip(*(things(knex, library, name) for _ in range(3)), strict=True):
        assert not gone.exists(), gone
        made.idem()
        assert made.uuid
        assert read.exists()
        assert read.get() is read
        assert read.uuid == made.uuid
        made.delete()
        with pytest.raises(RemoteObjectError, match="This object has been deleted"):
            made.get()
        with pytest.raises(RemoteObjectError, match="This object has been deleted"):
            made.uuid = "other"
        assert not made.exists()
        gone.cache.clear_blob(gone)
        assert not gone.exists(), gone


def test_case_twins_are_two(knex: Knex, library: SampleGroup) -> None:
    for make in (
        lambda name: Organization(knex, name),
        lambda name: library.org.sample_group(name),
        lambda name: library.sample(name),
        lambda name: library.sample("s").analysis_result(name),
    ):
        small, large = make("twin").create(), make("TWIN").create()
        assert small.uuid != large.uuid
        for name, known in (("twin", small), ("TWIN", large)):
            assert make(name).exists()
            assert make(name).idem().uuid == known.uuid
    with pytest.raises(RemoteObjectOverwriteError):
        library.sample("Twin").get()


def test_names_are_trimmed_and_not_empty(knex: Knex, library: SampleGroup) -> None:
    made = library.sample("  s 1 ").idem()
    assert made.name == "s 1"
    assert library.sample(" s 1").get().uuid == made.uuid
    for name in ("", "  "):
        with pytest.raises(ValueError, match="needs a name"):
            library.sample(name).create()


def test_idem_makes_what_is_above(knex: Knex, service: Pangea) -> None:
    field = (
        Organization(knex, "new")
        .sample_group("lib", is_library=True)
        .sample("s")
        .analysis_result("m")
        .field("f", {"a": [1, 2]})
        .idem()
    )
    assert field.parent.sample.lib.org.uuid
    assert [len(service.tables[one]) for one in ("organizations", "samples", "sample_ars")] == [
        1
    ] * 3


def test_idem_makes_nothing_after_a_failure(
    knex: Knex, library: SampleGroup, service: Pangea
) -> None:
    for status, kind in ((403, PangeaForbiddenError), (500, PangeaInternalError)):

        def fault(method: str, path: str, status: int = status) -> Answer | None:
            return Answer(status, {"detail": "no"}) if method == "GET" else None

        service.fault = fault
        before = len(service.tables["samples"])
        with pytest.raises(kind, match=f"^{status} .* Error: .* for url: .*: no$") as caught:
            library.sample("other").idem()
        assert caught.value.response.status_code == status
        assert isinstance(caught.value, requests.exceptions.HTTPError)
        assert isinstance(caught.value.args[0], requests.exceptions.HTTPError)
        with pytest.raises(kind):
            library.sample("other").exists()
        assert len(service.tables["samples"]) == before


def test_idem_reads_what_somebody_else_made_meanwhile(
    knex: Knex, library: SampleGroup, service: Pangea
) -> None:
    mine, other = library.sample("same"), library.sample("same")

    def fault(method: str, path: str) -> None:
        if method == "POST":
            service.fault = None
            other.create()

    service.fault = fault
    assert mine.idem().uuid == other.uuid


def test_save_sends_what_was_changed(knex: Knex, sample: Sample, service: Pangea) -> None:
    read = sample.lib.sample("S").get()
    read.save()
    assert service.count("PATCH") == 0
    read.metadata["new"] = 1
    read.save()
    assert service.seen[-1][:2] == ("PATCH", f"/api/samples/{sample.uuid}")
    assert service.seen[-1][2] == {"metadata": {"new": 1}}
    assert read.lib is not None
    read.description = "text"
    read.save()
    assert service.seen[-1][2] == {"description": "text"}
    before = len(service.seen)
    read.save()
    assert len(service.seen) == before
    assert read.updated_at == service.tables["samples"][str(sample.uuid)]["updated_at"]
    again = Sample(knex, sample.lib, "S").get()
    assert (again.metadata, again.description) == ({"new": 1}, "text")
    with pytest.raises(RemoteObjectError, match="Attempting to SAVE an object which has not been"):
        library_sample(sample, "never read").save()


def library_sample(sample: Sample, name: str) -> Sample:
    return sample.lib.sample(name)


def test_every_kind_is_saved(knex: Knex, library: SampleGroup, sample: Sample) -> None:
    for made in things(knex, library, "name"):
        made.idem()
        if hasattr(made, "metadata"):
            made.metadata["k"] = "v"
        elif hasattr(made, "stored_data"):
            made.stored_data = {"b": 2}
        elif hasattr(made, "payload"):
            made.payload = "p"
        else:
            made.name = "other name"
        made.save()
        assert not made._modified
    org, *_, tag = things(knex, library, "name")
    assert not org.exists()
    assert tag.get().payload == "p"
    assert Organization(knex, "other name").exists()


def test_load_blob_compares_all_keys(library: SampleGroup, sample: Sample) -> None:
    sample.metadata = {"a": 1, "b": 2}
    sample.save()
    assert library.sample("S", metadata={"a": 1}).get().metadata == {"a": 1, "b": 2}
    text = r'Loading blob would overwrite field "metadata":\n\tcurrent: "\{.*\}" \(type: "<'
    with pytest.raises(RemoteObjectOverwriteError, match=text):
        library.sample("S", metadata={"a": 1, "b": 3}).get()
    with pytest.raises(KeyError, match="Key uuid is missing for object"):
        library.sample("S").load_blob({"name": "S"})


def test_groups_are_as_private_as_they_are_asked_to_be(knex: Knex, org: Organization) -> None:
    assert org.sample_group("unsaid").create().is_public is True
    assert org.sample_group("private", is_public=False).create().is_public is False
    assert org.sample_group("public", is_public=True).create().is_public is True
    later = org.sample_group("later")
    later.is_public = False
    assert later.create().is_public is False
    old = SampleGroup(knex, org, "old", True).create()
    assert old.is_library
    assert org.sample_group("old 2", True).create().is_library


def test_a_group_takes_and_gives_samples(org: Organization, library: SampleGroup) -> None:
    group = org.sample_group("G").create()
    samples = [library.sample(f"s{index}") for index in range(3)]
    for one in samples:
        group.add_sample(one)
    group.save()
    listed = list(group.get_samples())
    assert [one.name for one in listed] == ["s0", "s1", "s2"]
    # They belong to their library, wherever they were listed.
    assert listed[0].lib.uuid == library.uuid
    listed[0].metadata["x"] = 1
    listed[0].save()
    assert library.sample("s0").get().metadata == {"x": 1}
    group.remove_sample(listed[1]).save()
    assert [one.name for one in group.get_samples()] == ["s0", "s2"]
    for text in ("text", ""):
        # The service refuses a blank one.
        group.description = text
        group.save()
    for one in (listed[0], library.sample("s2")):
        with pytest.raises(ValueError, match="change_library"):
            library.remove_sample(one)


def test_a_sample_moves(
    knex: Knex, org: Organization, library: SampleGroup, sample: Sample
) -> None:
    other = org.sample_group("Other", is_library=True).create()
    sample.change_library(other)
    sample.metadata["moved"] = True
    sample.save()
    assert sample.lib is other
    assert other.sample("S").get().uuid == sample.uuid
    assert not library.sample("S").exists()
    sample.change_library(str(library.uuid))
    sample.save()
    assert library.sample("S").get().metadata == {"moved": True}


def test_lists_have_all_pages(service: Pangea, org: Organization, library: SampleGroup) -> None:
    names = [f"s{index:03d}" for index in range(230)]
    assert [one.name for one in library.create_samples(names)] == names
    assert [one.name for one in library.get_samples(cache=False)] == names
    first = list(library.get_samples())
    before = len(service.seen)
    assert list(library.get_samples()) == first
    assert len(service.seen) == before
    result = first[0].analysis_result("m").create()
    for index in range(120):
        service.make(
            "sample_ars", {"sample": first[0].uuid, "module_name": f"m{index}"}, "owner@example.org"
        )
        service.make(
            "sample_ar_fields",
            {"analysis_result": result.uuid, "name": f"f{index}"},
            "owner@example.org",
        )
        service.make(
            "sample_groups", {"organization": org.uuid, "name": f"g{index}"}, "owner@example.org"
        )
    assert len(list(first[0].get_analysis_results())) == 121
    assert len(list(result.get_fields())) == 120
    assert len(list(org.get_sample_groups())) == 121


def test_an_error_handler_ends_a_list(service: Pangea, library: SampleGroup) -> None:
    library.create_samples([f"s{index}" for index in range(150)])

    def fault(method: str, path: str) -> Answer | None:
        return Answer(400, {"detail": "broken"}) if "page=2" in path else None

    service.fault = fault
    errors: list[Exception] = []
    assert len(list(library.get_samples(error_handler=errors.append))) == 100
    assert [type(one) for one in errors] == [PangeaOtherError]
    service.fault = None
    assert len(list(library.get_samples())) == 150


def test_many_samples_are_made_at_once(
    service: Pangea, org: Organization, library: SampleGroup
) -> None:
    library.sample("b").create()
    assert [one.name for one in library.create_samples([" a", "b", "c"])] == ["a", "b", "c"]
    assert service.count("POST", "bulk_samples") == 1
    for names in (["x", "x "], ["x", ""]):
        with pytest.raises(ValueError, match="empty or given twice"):
            library.create_samples(names)
    with pytest.raises(ValueError, match="no library"):
        org.sample_group("plain").create_samples(["x"])
    with pytest.raises(AssertionError):
        org.sample_group("plain").sample("x").create()


def test_fields_are_those_of_their_replicate(service: Pangea, sample: Sample) -> None:
    old = sample.analysis_result("m", replicate="v1").create()
    old.field("f", {"version": 1}).create()
    new = sample.analysis_result("m", replicate="v2").create()
    new.field("f", {"version": 2}).create()
    new.metadata = {"newest": True}
    new.save()
    read = sample.analysis_result("m", replicate="v1").get().field("f").get()
    assert read.stored_data == {"version": 1}
    read.stored_data = {"version": 1.5}
    read.save()
    assert sample.analysis_result("m", replicate="v2").get().field("f").get().stored_data == {
        "version": 2
    }
    with pytest.raises(RemoteObjectError, match="is one of result"):
        new.field("f").load_blob({"analysis_result": old.uuid})
    assert sample.analysis_result("m").get().replicate == "v2"
    assert not sample.analysis_result("m", replicate="v3").exists()


def test_group_results_say_all(library: SampleGroup) -> None:
    result = library.analysis_result("m", replicate="r")
    result.metadata, result.description, result.is_private = {"a": 1}, "text", True
    result.create()
    read = library.analysis_result("m", replicate="r").get()
    assert (read.metadata, read.description, read.is_private) == ({"a": 1}, "text", True)


def test_defaults_are_not_shared(library: SampleGroup) -> None:
    library.sample("a").metadata["x"] = 1
    assert library.sample("b").metadata == {}
    result = library.sample("a").analysis_result("m")
    result.field("a").stored_data["x"] = 1
    assert result.field("b").stored_data == {}
    result.url_options["x"] = 1
    assert result.field("b").url_options == {}


@pytest.mark.parametrize("value", [[1, 2], "text", 5, False, [], {"deep": [{}]}])
def test_fields_hold_any_json(sample: Sample, value: Any) -> None:
    field = sample.analysis_result("m").field("f", value).idem()
    read = sample.analysis_result("m").get().field("f").get()
    assert read.stored_data == field.stored_data == value
    with pytest.raises(TypeError, match="Cannot fetch a file for a BLOB type result field"):
        read.download_file()
    with pytest.raises(TypeError, match="Cannot make a reference filename"):
        read.get_referenced_filename()


def test_fields_refuse_what_json_changes(sample: Sample) -> None:
    for value in ({1: 2}, {"a": (1, 2)}):
        with pytest.raises(
            RemoteObjectError, match=r"JSON Serialization modifies object\nIssues:\n"
        ):
            sample.analysis_result("m").field("f", value).create()
    with pytest.raises(TypeError):
        sample.analysis_result("m").field("f", {"a": {1, 2}}).create()


def test_what_was_read_is_kept(
    service: Pangea, knex: Knex, library: SampleGroup, sample: Sample
) -> None:
    sample.analysis_result("m").create()
    Pipeline(knex, "p").module("m", "1").create()
    Tag(knex, "t").create()

    def read_all() -> list[str]:
        lib = Organization(knex, "Org").sample_group("Lib")
        kept = [lib, lib.sample("S"), lib.sample("S").analysis_result("m"), Tag(knex, "t")]
        kept += [Pipeline(knex, "p").module("m", "1"), lib.org, Pipeline(knex, "p")]
        return [one.get().uuid for one in kept]

    first = read_all()
    service.fault = lambda *_: Answer(500, "down", "text/plain")
    before = len(service.seen)
    assert read_all() == first
    assert len(service.seen) == before
    # Nobody else gets to see it, and no other server is taken for this one.
    knex.add_auth_token("other")
    with pytest.raises(PangeaInternalError):
        read_all()


def test_the_cache_is_private_and_survives_damage(
    tmp_path: Path, knex: Knex, library: SampleGroup
) -> None:
    assert Organization(knex, "Org").get().uuid
    files = list(Path(".pangea_api_cache/v1").iterdir())
    assert len(files) == 1
    assert (files[0].stat().st_mode & 0o777, files[0].parent.stat().st_mode & 0o777) == (
        0o600,
        0o700,
    )
    files[0].write_text('{"uuid": ')
    assert Organization(knex, "Org").get().uuid


def test_a_changed_object_is_not_read_from_the_cache(knex: Knex, library: SampleGroup) -> None:
    first = Organization(knex, "Org").get()
    first.name = "Renamed"
    first.save()
    assert not Organization(knex, "Org").exists()
    assert Organization(knex, "Renamed").get().uuid == first.uuid


def test_objects_go_into_pools_of_processes(sample: Sample) -> None:
    samples = [sample, *(sample.lib.sample(f"p{index}").create() for index in range(3))]
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        found = pool.map(operator.methodcaller("get_manifest"), samples)
    assert [one["uuid"] for one in found] == [one.uuid for one in samples]
    again = pickle.loads(pickle.dumps(sample))
    assert (again.uuid, str(again.lib.org.knex.auth)) == (sample.uuid, str(sample.knex.auth))


def test_login(service: Pangea, monkeypatch: pytest.MonkeyPatch) -> None:
    knex = Knex(service.url + "/")
    User(knex, "new@example.org", "Foobar22zz").register()
    assert knex.get("users/me")["email"] == "new@example.org"
    assert knex.auth is not None
    for password in ("wrong", "Foobar22z"):
        with pytest.raises(PangeaOtherError, match="Unable to log in with provided credentials"):
            Knex(service.url).login("new@example.org", password)
    before = service.count("POST", "auth/token/login")
    again = Knex(service.url).login("new@example.org", "Foobar22zz")
    assert service.count("POST", "auth/token/login") == before
    # The token that was kept has ended.
    service.tokens.clear()
    assert again.get("users/me")["email"] == "new@example.org"
    assert service.count("POST", "auth/token/login") == before + 1
    with pytest.raises(PangeaOtherError, match="already exists"):
        User(Knex(service.url), "new@example.org", "Foobar22zz").register()


def test_requests_are_not_sent_on_as_others(service: Pangea, knex: Knex) -> None:
    service.debug = False
    with pytest.raises(PangeaOtherError, match="/api/contrib/tags/"):
        knex.post("contrib/tags", json={"name": "t"})
    assert service.count("GET", "contrib/tags") == 0
    assert knex.get("contrib/tags/")["count"] == 0


def test_urls(service: Pangea) -> None:
    knex = Knex("https://host/")
    assert knex.endpoint_url == "https://host/api"
    for given, path in (
        ("", ""),
        ("organizations/", "organizations"),
        ("/organizations", "organizations"),
        ("https://host/api/a?page=2", "a?page=2"),
    ):
        assert knex._clean_url(given) == path
    assert knex._clean_url("a", {"k": "a b&c"}) == "a?k=a%20b%26c"
    assert knex._clean_url("a?x=1", {"k": 2}) == "a?x=1&k=2"
    with pytest.raises(requests.exceptions.ConnectionError):
        Organization(Knex("http://127.0.0.1:9"), "x").exists()


def test_tags(service: Pangea, knex: Knex, library: SampleGroup, sample: Sample) -> None:
    tag = Tag(knex, "t")
    for _ in range(2):
        assert tag(sample) == tag.tag(library) == {"status": "success"}
    assert service.count("POST", f"{tag.uuid}/samples") == 1
    assert service.count("POST", f"{tag.uuid}/sample_groups") == 1
    assert [one.uuid for one in tag.get_samples()] == [sample.uuid]
    assert [one.uuid for one in tag.get_sample_groups()] == [library.uuid]
    assert [one.uuid for one in tag.get_random_samples(n=5)] == [sample.uuid]
    assert [one.name for one in get_tags_for_sample(knex, sample)] == ["t"]
    assert tag(Tag(knex, "u"), payload="p") == {"status": "success"}
    assert tag("text") is None


def test_pipelines(knex: Knex) -> None:
    pipeline = Pipeline(knex, "p").idem()
    first = pipeline.module("m", "v1", metadata={"a": 1}).idem()
    second = pipeline.module("m", "v2").idem()
    second.add_dependency(first)
    second.save()
    assert Pipeline(knex, "p").get().module("m", "v2").get().dependencies == [first.uuid]
    assert [one.version for one in pipeline.get_modules()] == ["v1", "v2"]
    assert not pipeline.module("m", "v3").exists()
    assert str(first) == f'<Pangea::PipelineModule "m" "v1" {first.uuid} />'


def test_work_orders(service: Pangea, library: SampleGroup, sample: Sample) -> None:
    token = service.sign_up("worker@example.org")
    knex = Knex(service.url)
    knex.add_auth_token(token)
    uuid = service.prototype("kind", ["job"], ["worker@example.org"])
    library.is_public = False
    library.save()
    proto = WorkOrderProto.from_name(sample.knex, "kind")
    with pytest.raises(KeyError, match="not found for sample"):
        proto.get_active_work_order_for_sample(sample)
    made = proto.create_work_order_for_sample(sample)
    assert made.uuid == proto.get_active_work_order_for_sample(sample).uuid
    mine = WorkOrderProto.from_uuid(knex, uuid)
    (order,) = mine.get_active_work_orders()
    assert list(mine.get_active_work_orders(not_status="pending")) == []
    assert isinstance(order, WorkOrder)
    job = order.get_job_order_by_name("job")
    job.status = "working"
    job.save()
    assert JobOrder.from_uuid(order, str(job.uuid)).status == "working"
    # Whoever works on it may read the sample and its results, by its fields.
    assert service.seen[-1][0] == "GET"
    with pytest.raises(PangeaForbiddenError):
        order.get_sample()
    with pytest.raises(PangeaNotFoundError):
        WorkOrderProto.from_name(knex, "none")
    group_proto = GroupWorkOrderProto.from_name(sample.knex, "kind group")
    group_order = group_proto.create_work_order_for_sample_group(library)
    assert [one.sample for one in group_order.get_work_orders()] == [sample.uuid]
    assert group_order.get_sample_group().uuid == library.uuid
    assert repr(group_proto) == f"<Pangea::GroupWorkOrderProto kind group {group_proto.uuid} />"


def test_url_options_go_down(service: Pangea, sample: Sample) -> None:
    sample.url_options["work_order_uuid"] = "w"
    field = sample.analysis_result("m").idem().field("f").idem()
    field.stored_data = {"a": 1}
    field.save()
    list(field.parent.get_fields())
    asked = [path for _, path, _ in service.seen if "sample_ar" in path]
    assert len(asked) >= 5
    assert all("work_order_uuid=w" in path for path in asked)


def test_objects_by_uuid(knex: Knex, library: SampleGroup, sample: Sample) -> None:
    assert sample_from_uuid(knex, str(sample.uuid)).lib.org.name == "Org"
    assert sample_group_from_uuid(knex, str(library.uuid)).bucket == library.bucket
    assert library.get_manifest()["samples"][0]["uuid"] == sample.uuid
    assert library.get_module_counts() == {"n_samples": 1}
    assert sample.get_manifest()["uuid"] == sample.uuid
    assert str(sample) == f"<Pangea::Sample S {sample.uuid} />"
