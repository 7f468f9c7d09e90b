"""Records of NCBI, as a small server of their form gives them."""

from __future__ import annotations

import hashlib
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pangea_api.contrib.ncbi.api as ncbi
import pytest
from Bio import Entrez
from click.testing import CliRunner
from pangea_api import Organization, RemoteObjectError
from pangea_api.cli import main
from pangea_api.contrib.ncbi.bioproject import SRARecord
from support import fake
from support.fake import Fake, Reply
from support.pangea import Pangea

CONTENT = b"reads"
LINKS = {"bioproject 7": ["11", "12"], "biosample 11": ["21"], "biosample 12": []}


def link(source: str, database: str, number: str, found: list[str]) -> str:
    """An answer of `elink`."""
    links = "".join(f"<Link><Id>{one}</Id></Link>" for one in found)
    name = f"{source}_{database}"
    links = f"<LinkSetDb><DbTo>{database}</DbTo><LinkName>{name}</LinkName>{links}</LinkSetDb>"
    return (
        '<?xml version="1.0" encoding="UTF-8" ?>'
        '<!DOCTYPE eLinkResult PUBLIC "-//NLM//DTD elink 20101123//EN" '
        '"https://eutils.ncbi.nlm.nih.gov/eutils/dtd/20101123/elink.dtd">'
        f"<eLinkResult><LinkSet><DbFrom>{source}</DbFrom><IdList><Id>{number}</Id></IdList>"
        f"{links if found else ''}</LinkSet></eLinkResult>"
    )


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Fake]:
    """The server, in place of that of NCBI."""

    def script(method: str, path: str) -> Reply:
        parts = urllib.parse.urlsplit(path)
        query = dict(urllib.parse.parse_qsl(parts.query))
        number = query.get("id", "")
        if parts.path == "/reads":
            return Reply(CONTENT)
        if parts.path.endswith("/elink.fcgi"):
            source, database = query["dbfrom"], query["db"]
            text = link(source, database, number, LINKS[f"{source} {number}"])
        elif query["db"] == "sra":
            digest = hashlib.md5(CONTENT).hexdigest()
            text = (
                f"<EXPERIMENT_PACKAGE_SET><RUN accession='{number}'><SRAFiles><SRAFile/>"
                f"<SRAFile url='{found.url}/reads' md5='{digest}' size='5'>"
                "<Alternatives org='other' url='s3://b/k'/></SRAFile></SRAFiles></RUN>"
                "</EXPERIMENT_PACKAGE_SET>"
            )
        else:
            text = f"<RecordSet db='{query['db']}'><Record id='{number}'/></RecordSet>"
        return Reply(text.encode(), 200, "text/xml")

    with fake.serving(script) as found:
        ask = vars(Entrez)["urlopen"]

        def here(request: Any) -> Any:
            # Of requests that follow each other it would wait before the next one.
            Entrez._open.previous = 0
            request.full_url = request.full_url.replace(
                "https://eutils.ncbi.nlm.nih.gov", found.url
            )
            return ask(request)

        monkeypatch.setattr(Entrez, "urlopen", here)
        monkeypatch.setattr(Entrez, "email", "somebody@example.org")
        yield found


def test_a_project_becomes_a_group(service: Pangea, org: Organization, server: Fake) -> None:
    group = ncbi.create_pangea_group_from_bioproj(org, "PRJNA7", sleep_time=0)
    assert (group.name, group.is_library) == ("PRJNA7", True)
    assert group.metadata == {"ncbi_xml": "<RecordSet db='bioproject'><Record id='7'/></RecordSet>"}
    samples = {sample.name: sample for sample in group.get_samples()}
    assert sorted(samples) == ["11", "12"]
    (result,) = samples["11"].get_analysis_results()
    assert (result.module_name, result.replicate) == ("raw::raw_reads", "21")
    (field,) = result.get_fields()
    assert field.name == "sra_run"
    assert field.stored_data["alternatives"] == [{"org": "other", "url": "s3://b/k"}]
    with open(field.download_file(), "rb") as file:
        assert file.read() == CONTENT
    field.stored_data["md5"] = "0" * 32
    with pytest.raises(RemoteObjectError, match="another MD5 digest"):
        field.download_file(cache=False)
    tags = {tag["name"] for tag in service.tables["contrib/tags"].values()}
    assert tags == {"NCBI BioProject", "NCBI BioSample", "NCBI SRA"}
    before = len(server.asked)
    again = ncbi.create_pangea_group_from_bioproj(org, "PRJNA7", sleep_time=0)
    assert again.uuid == group.uuid
    assert len(server.asked) > before


def test_records_are_listed(server: Fake) -> None:
    run = CliRunner().invoke
    listed = run(main, ["ncbi", "list", "bioproject", "-s", "0", "PRJNA7"])
    assert (listed.exit_code, listed.output) == (0, "11 21\n12 \n")
    listed = run(main, ["ncbi", "list", "sra", "21"])
    digest = hashlib.md5(CONTENT).hexdigest()
    assert (listed.exit_code, listed.output) == (0, f"{server.url}/reads {digest}\n")


def test_a_run_without_a_file(server: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    record = SRARecord("21")
    record._xml = "<EXPERIMENT_PACKAGE_SET/>"
    with pytest.raises(KeyError, match="no file in the record of 21"):
        record.analysis_result_blob()
