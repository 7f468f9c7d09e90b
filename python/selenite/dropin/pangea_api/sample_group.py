"""Groups of samples. Those that samples are kept in are libraries."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from .analysis_result import SampleGroupAnalysisResult
from .knex import PangeaInternalError
from .remote_object import RemoteObject, RemoteObjectError, found, fresh
from .sample import Sample
from .utils import paginated_iterator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .knex import Knex
    from .organization import Organization

logger = logging.getLogger(__name__)
logger.addHandler(logging.NullHandler())


class _NotGiven(int):
    """False, if nobody has said so."""

    def __repr__(self) -> str:
        return "False"


NOT_GIVEN: Any = _NotGiven(0)


class SampleGroup(RemoteObject):
    """A group of samples."""

    remote_fields = [
        "uuid",
        "created_at",
        "updated_at",
        "name",
        "is_library",
        "is_public",
        "metadata",
        "long_description",
        "description",
        "bucket",
    ]
    # Older services do not know it.
    optional_remote_fields = ["bucket"]
    parent_field = "org"
    _place = "sample_groups"
    _path = ("sample_groups",)
    _never_blank = ("description",)

    def __init__(
        self,
        knex: Knex,
        org: Organization,
        name: str,
        metadata: Any = {},  # noqa: B006
        is_library: bool = False,
        is_public: bool = NOT_GIVEN,
    ) -> None:
        """Name it.

        Args:
            knex: The server.
            org: Its organization.
            name: Its name.
            metadata: What is said of it. A truth value here is `is_library`, as it once was.
            is_library: Whether samples are kept in it.
            is_public: Whether everybody may read it: if that is not given, the service decides.
        """
        super().__init__()
        if isinstance(metadata, bool):
            metadata, is_library = {}, metadata
        self.knex = knex
        self.org = org
        self.name = name
        self.is_library = is_library
        self.is_public = bool(is_public)
        self._says_public = is_public is not NOT_GIVEN
        self.metadata = fresh(metadata)
        self.long_description = ""
        self.description = ""
        self.bucket: str | None = None
        self._sample_cache: list[Sample] = []
        self._has_samples = False
        self._get_result_cache: list[SampleGroupAnalysisResult] | None = None
        self._new_samples: list[Sample] = []
        self._deleted_samples: list[Sample] = []

    def __setattr__(self, key: str, value: Any) -> None:
        """Note that somebody says who may read it."""
        if key == "is_public":
            self.__dict__["_says_public"] = True
        super().__setattr__(key, value)

    def __str__(self) -> str:
        """Its name and uuid."""
        return f"<Pangea::SampleGroup {self.name} {self.uuid} />"

    __repr__ = __str__

    def nested_url(self) -> str:
        """Give the path that leads to it, as plain text."""
        return super().nested_url()

    def pre_hash(self) -> str:
        """Give the text that it is kept by in the cache."""
        return "SG" + self.name + self.org.pre_hash()

    def _candidates(self, name: str) -> Iterator[dict[str, Any]]:
        return self._list("sample_groups", organization_id=self.org._ready(), name=name)

    def _get(self) -> None:
        self.org.idem()
        self._read(self._by_name)

    def _create(self) -> None:
        self.org.idem()
        body = {"organization": self.org.uuid, **self._set_values()}
        if not self._says_public:
            del body["is_public"]
        if not self.long_description:
            body.pop("long_description", None)
        self._post(body)

    def _save(self) -> None:
        for sample in [*self._new_samples, *self._deleted_samples]:
            sample.idem()
        self._check_owned(self._deleted_samples)
        self._save_group_obj()
        self._save_sample_list()
        self._delete_sample_list()

    def _save_group_obj(self) -> None:
        super()._save()

    def _save_sample_list(self) -> None:
        self._change_samples("post", self._new_samples)
        self._new_samples = []

    def _delete_sample_list(self) -> None:
        self._change_samples("delete", self._deleted_samples)
        self._deleted_samples = []

    def _change_samples(self, method: str, samples: list[Sample]) -> None:
        if samples:
            body = {"sample_uuids": [sample.uuid for sample in samples]}
            self.knex._call(method, f"sample_groups/{self.uuid}/samples", body)
            self._forget_samples()

    def _forget_samples(self) -> None:
        self._sample_cache, self._has_samples = [], False

    def add_sample(self, sample: Sample) -> SampleGroup:
        """Note that a sample comes into the group, which `save` does.

        Args:
            sample: The sample.
        """
        self._check_deleted()
        self._new_samples.append(sample)
        self._modified = True
        return self

    def remove_sample(self, sample: Sample) -> SampleGroup:
        """Note that a sample leaves the group, which `save` does.

        Args:
            sample: The sample.

        Raises:
            ValueError: If it is kept in this group, and would be nowhere then.
        """
        self._check_deleted()
        self._check_owned([sample])
        self._deleted_samples.append(sample)
        self._modified = True
        return self

    def _check_owned(self, samples: Iterable[Sample]) -> None:
        for sample in samples:
            owner = sample.library or getattr(sample.lib, "uuid", None)
            is_owned = owner is not None and owner == self.uuid
            if is_owned or (sample.lib is self and self.is_library):
                message = (
                    f"sample {sample.name} is kept in {self.name}: `delete()` deletes it, "
                    "`change_library()` moves it to another library"
                )
                raise ValueError(message)

    def create_samples(self, names: Iterable[str]) -> list[Sample]:
        """Make many samples in few requests; those that are there are only read.

        Args:
            names: Their names.

        Returns:
            All of them, in the order of their names.

        Raises:
            ValueError: If a name is empty, or given twice.
            RemoteObjectError: If the service has made only some of them.
        """
        wanted = [name.strip() for name in names]
        if "" in wanted or len(set(wanted)) != len(wanted):
            raise ValueError("names of samples are empty or given twice")
        self.idem()
        if not self.is_library:
            raise ValueError(f"{self.name} is no library")
        there = {sample.name: sample for sample in self.get_samples(cache=False)}
        missing = [name for name in wanted if name not in there]
        if missing:
            body = {"names": missing, "library": self.uuid}
            failure = None
            try:
                self.knex._call("post", "bulk_samples", body)
            except PangeaInternalError as error:
                failure = error
            self._forget_samples()
            there = {sample.name: sample for sample in self.get_samples(cache=False)}
            missing = [name for name in wanted if name not in there]
            if missing:
                text = f"{len(missing)} samples were not made, {missing[0]} is the first"
                raise RemoteObjectError(text) from failure
        return [there[name] for name in wanted]

    def sample(self, sample_name: str, metadata: Any = {}) -> Sample:  # noqa: B006
        """Give a sample, without a request.

        Args:
            sample_name: Its name.
            metadata: What is said of it.
        """
        return Sample(self.knex, self, sample_name, metadata=metadata)

    def analysis_result(
        self, module_name: str, replicate: str | None = None
    ) -> SampleGroupAnalysisResult:
        """Give a result of the group, without a request.

        Args:
            module_name: What it is a result of.
            replicate: Which one of several, the newest if that is not said.
        """
        return SampleGroupAnalysisResult(self.knex, self, module_name, replicate=replicate)

    def get_samples(
        self, cache: bool = True, error_handler: Callable[[Exception], object] | None = None
    ) -> Iterator[Sample]:
        """Give all samples that one may see.

        Args:
            cache: Whether they are remembered, and taken from there.
            error_handler: Is told of a page that cannot be read, which ends the list.
        """
        if cache and self._has_samples:
            yield from self._sample_cache
            return
        failures: list[Exception] = []

        def fail(error: Exception) -> None:
            failures.append(error)
            if error_handler is not None:
                error_handler(error)

        handler = None if error_handler is None else fail
        samples = []
        place = self.knex._clean_url(
            f"sample_groups/{self._ready()}/samples", self.inherited_url_options
        )
        for blob in paginated_iterator(self.knex, place, handler):
            sample = self._sample_of(blob)
            if cache:
                sample.invalidate_cache()
                sample.cache_blob(blob)
                samples.append(sample)
            yield sample
        if cache and not failures:
            self._sample_cache, self._has_samples = samples, True

    def _sample_of(self, blob: dict[str, Any]) -> Sample:
        library = self
        if blob.get("library_obj") and blob["library"] != self.uuid:
            library = self._another(blob["library_obj"])
        sample: Sample = found(Sample(self.knex, library, blob["name"]), blob)
        sample.url_options = dict(self.url_options)
        return sample

    def _another(self, blob: dict[str, Any]) -> SampleGroup:
        """Make another group of an answer that holds its organization."""
        above = blob["organization_obj"]
        org = found(type(self.org)(self.knex, above["name"]), above)
        group: SampleGroup = found(SampleGroup(self.knex, org, blob["name"]), blob)
        return group

    def get_analysis_results(self, cache: bool = True) -> Iterator[SampleGroupAnalysisResult]:
        """Give all results of the group.

        Args:
            cache: Whether they are remembered, and taken from there.
        """
        if cache and self._get_result_cache is not None:
            yield from self._get_result_cache
            return
        results = []
        for blob in self._list("sample_group_ars", sample_group_id=self._ready()):
            result = self.analysis_result(blob["module_name"], blob["replicate"])
            results.append(found(result, blob))
            yield results[-1]
        if cache:
            self._get_result_cache = results

    def get_manifest(self) -> Any:
        """Give all that the service tells of the group, its samples and results."""
        place = f"sample_groups/{self._ready()}/manifest"
        return self.knex._call("get", place, None, self.inherited_url_options)

    def get_module_counts(self) -> Any:
        """Say how many samples have a result of each kind."""
        place = f"sample_groups/{self._ready()}/module_counts"
        return self.knex._call("get", place, None, self.inherited_url_options)

    def download_all(self, target: str, jobs: int = 8) -> list[str]:
        """Download the files of all results of all samples.

        Args:
            target: The folder for them.
            jobs: How many go on at once.

        Returns:
            Their paths.
        """
        from ._local import download_all

        return download_all(self, target, jobs)
