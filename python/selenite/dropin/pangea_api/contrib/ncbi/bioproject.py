"""Projects, samples and runs of NCBI."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...analysis_result import SampleAnalysisResult
    from ...organization import Organization
    from ...sample import Sample
    from ...sample_group import SampleGroup


def _entrez() -> Any:
    try:
        from Bio import Entrez
    except ImportError as error:
        raise ImportError("records of NCBI need the package `biopython`") from error
    return Entrez


def _fetched(database: str, number: str) -> str:
    with _entrez().efetch(db=database, id=number, retmode="xml") as answer:
        text = answer.read()
    return text.decode() if isinstance(text, bytes) else str(text)


def _linked(database: str, source: str, number: str) -> Iterator[str]:
    entrez = _entrez()
    with entrez.elink(dbfrom=source, db=database, id=number) as answer:
        records = entrez.read(answer)
    for record in records:
        for links in record["LinkSetDb"]:
            yield from (str(link["Id"]) for link in links["Link"])


def recurse_xml_to_reactjs_safe_dict(v: Any) -> Any:
    """Make an element of XML an object of JSON, whose keys are plain words.

    Args:
        v: The element.
    """
    made: dict[str, Any] = {f"attr_{key}": value for key, value in v.attrib.items()}
    if v.text and v.text.strip():
        made["text"] = v.text.strip()
    for child in v:
        made.setdefault(child.tag, []).append(recurse_xml_to_reactjs_safe_dict(child))
    return made


def print_xml_recurse(v: Any, pref: str = "") -> None:
    """Print an element of XML.

    Args:
        v: The element.
        pref: What each line begins with.
    """
    print(f"{pref}{v.tag} {v.attrib} {(v.text or '').strip()}")
    for child in v:
        print_xml_recurse(child, pref + "  ")


def xml_sra_file_to_blob(sra: Any) -> dict[str, Any]:
    """Say where the file of a run is.

    Args:
        sra: The element of XML that describes the file.
    """
    alternatives = [dict(one.attrib) for one in sra.iter("Alternatives")]
    return {
        "__type__": "sra",
        "url": sra.attrib.get("url"),
        "md5": sra.attrib.get("md5"),
        "full_record": dict(sra.attrib),
        "alternatives": alternatives,
    }


class _Record:
    _database = ""
    _prefix = ""

    def __init__(self, accession: str) -> None:
        self.accession = accession
        self._xml: str | None = None

    @property
    def accession_num(self) -> str:
        """The number of the accession."""
        return self.accession.removeprefix(self._prefix)

    def fetch(self) -> Any:
        """Read the record, unless that has been done."""
        if self._xml is None:
            self._xml = _fetched(self._database, self.accession_num)
        return self

    def metadata(self) -> dict[str, Any]:
        """Give what the record says."""
        self.fetch()
        return {"ncbi_xml": self._xml}


class BioProject(_Record):
    """A project."""

    _database = "bioproject"
    _prefix = "PRJNA"

    def __init__(self, accession: str) -> None:
        """Say which one."""
        super().__init__(accession)

    @property
    def accession_num(self) -> str:
        """The number of the accession."""
        return super().accession_num

    def fetch(self) -> BioProject:
        """Read the record, unless that has been done."""
        super().fetch()
        return self

    def metadata(self) -> dict[str, Any]:
        """Give what the record says."""
        return super().metadata()

    def biosamples(self) -> Iterator[BioSample]:
        """Give the samples of the project."""
        for number in _linked("biosample", self._database, self.accession_num):
            yield BioSample(number, self)

    def pangea_obj(self, org: Organization) -> SampleGroup:
        """Make a library of it.

        Args:
            org: The organization that it will belong to.
        """
        group = org.sample_group(self.accession, metadata=self.metadata(), is_library=True)
        made: SampleGroup = group.idem()
        return made


class BioSample(_Record):
    """A sample."""

    _database = "biosample"
    _prefix = "SAMN"

    def __init__(self, accession: str, bioproject: BioProject | None = None) -> None:
        """Say which one."""
        super().__init__(accession)
        self.bioproject = bioproject

    @property
    def accession_num(self) -> str:
        """The number of the accession."""
        return super().accession_num

    def fetch(self) -> BioSample:
        """Read the record, unless that has been done."""
        super().fetch()
        return self

    def metadata(self) -> dict[str, Any]:
        """Give what the record says."""
        return super().metadata()

    def sra(self) -> Iterator[SRARecord]:
        """Give the runs of the sample."""
        for number in _linked("sra", self._database, self.accession_num):
            yield SRARecord(number, self)

    def pangea_obj(self, grp: SampleGroup) -> Sample:
        """Make a sample of it.

        Args:
            grp: The library that it is kept in.
        """
        made: Sample = grp.sample(self.accession, metadata=self.metadata()).idem()
        return made


class SRARecord(_Record):
    """A run."""

    _database = "sra"

    def __init__(self, accession: str, biosample: BioSample | None = None) -> None:
        """Say which one."""
        super().__init__(accession)
        self.biosample = biosample

    @property
    def accession_num(self) -> str:
        """The number of the accession."""
        return super().accession_num

    def fetch(self) -> SRARecord:
        """Read the record, unless that has been done."""
        super().fetch()
        return self

    def metadata(self) -> dict[str, Any]:
        """Give what the record says."""
        return super().metadata()

    def analysis_result_blob(self) -> dict[str, Any]:
        """Say where the file of the run is.

        Raises:
            KeyError: If the record names none.
        """
        root = ElementTree.fromstring(self.metadata()["ncbi_xml"])
        for file in root.iter("SRAFile"):
            if file.attrib.get("url"):
                return xml_sra_file_to_blob(file)
        raise KeyError(f"no file in the record of {self.accession}")

    def pangea_obj(self, sample: Sample) -> SampleAnalysisResult:
        """Make a result of it.

        Args:
            sample: The sample that it is one of.
        """
        result = sample.analysis_result("raw::raw_reads", replicate=self.accession).idem()
        result.field("sra_run", data=self.analysis_result_blob()).idem()
        made: SampleAnalysisResult = result
        return made


__all__ = [
    "BioProject",
    "BioSample",
    "SRARecord",
    "print_xml_recurse",
    "recurse_xml_to_reactjs_safe_dict",
    "xml_sra_file_to_blob",
]
