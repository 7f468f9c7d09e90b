"""Samples, which are kept in libraries."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from .analysis_result import SampleAnalysisResult
from .knex import PangeaForbiddenError
from .remote_object import RemoteObject, found, fresh
from .utils import paginated_iterator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .knex import Knex
    from .sample_group import SampleGroup

logger = logging.getLogger(__name__)
logger.addHandler(logging.NullHandler())


class Sample(RemoteObject):
    """A sample."""

    remote_fields = [
        "uuid",
        "created_at",
        "updated_at",
        "name",
        "metadata",
        "library",
        "description",
    ]
    parent_field = "lib"
    _place = "samples"
    _path = ("samples",)

    def __init__(self, knex: Knex, lib: SampleGroup, name: str, metadata: Any = {}) -> None:  # noqa: B006
        """Name it.

        Args:
            knex: The server.
            lib: The library that it is kept in.
            name: Its name.
            metadata: What is said of it.
        """
        super().__init__()
        self.knex = knex
        self.lib = lib
        self.new_lib: SampleGroup | str | None = None
        self.name = name
        self.metadata = fresh(metadata)
        self.library: str | None = None
        self.description: str | None = None
        self._get_result_cache: list[SampleAnalysisResult] | None = None

    def __str__(self) -> str:
        """Its name and uuid."""
        return f"<Pangea::Sample {self.name} {self.uuid} />"

    __repr__ = __str__

    def nested_url(self) -> str:
        """Give the path that leads to it, as plain text."""
        return super().nested_url()

    def pre_hash(self) -> str:
        """Give the text that it is kept by in the cache."""
        return "SAMPLE" + self.name + self.lib.pre_hash()

    def _candidates(self, name: str) -> Iterator[dict[str, Any]]:
        library = self.lib._ready()
        if self.lib.is_library:
            return self._list("samples", library_id=library, name=name)
        return self._list(f"sample_groups/{library}/samples")

    def _get(self) -> None:
        self.lib.get()
        self._read(self._by_name)

    def _create(self) -> None:
        self.lib.idem()
        assert self.lib.is_library, f"{self.lib.name} is no library"
        self._post({**self._set_values(), "library": self.lib.uuid})

    def change_library(self, new_lib: SampleGroup | str) -> None:
        """Note that the sample is kept in another library from `save` on.

        The service lets one move it into a library of another organization even without a right
        there, and then not back.

        Args:
            new_lib: The library, or its uuid.
        """
        self._check_deleted()
        self.new_lib = new_lib
        self._modified = True

    def _save(self) -> None:
        changes = self._changes()
        changes.pop("library", None)
        new = self.new_lib
        if new is not None:
            if isinstance(new, str):
                new = self.lib._another(self.knex._call("get", f"sample_groups/{new}"))
            changes["library"] = new.idem().uuid
            try:
                self._patch(changes | {"library": new.uuid})
            except PangeaForbiddenError as error:
                error.add_note(f"sample {self.name} was not moved to {new.name}")
                raise
            self.lib, self.library, self.new_lib = new, new.uuid, None
            self._note()
            self.invalidate_cache()
        elif changes:
            self._patch(changes)

    def analysis_result(
        self, module_name: str, replicate: str | None = None, metadata: Any = None
    ) -> SampleAnalysisResult:
        """Give a result of the sample, without a request.

        Args:
            module_name: What it is a result of.
            replicate: Which one of several, the newest if that is not said.
            metadata: What is said of it.
        """
        return SampleAnalysisResult(
            self.knex, self, module_name, replicate=replicate, metadata=fresh(metadata)
        )

    def get_analysis_results(self, cache: bool = True) -> Iterator[SampleAnalysisResult]:
        """Give all results of the sample.

        Args:
            cache: Whether they are remembered, and taken from there.
        """
        if cache and self._get_result_cache is not None:
            yield from self._get_result_cache
            return
        results = []
        for blob in self._list("sample_ars", sample_id=self._ready()):
            result = self.analysis_result(blob["module_name"], blob["replicate"])
            results.append(found(result, blob))
            yield results[-1]
        if cache:
            self._get_result_cache = results

    def get_manifest(self) -> Any:
        """Give all that the service tells of the sample and its results."""
        place = f"samples/{self._ready()}/manifest"
        return self.knex._call("get", place, None, self.inherited_url_options)

    def _work_orders(self) -> Iterator[dict[str, Any]]:
        """The orders for the sample, as the service tells of them."""
        return paginated_iterator(self.knex, f"samples/{self._ready()}/work_orders")
