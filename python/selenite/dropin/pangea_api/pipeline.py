"""Pipelines and their modules."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from .remote_object import RemoteObject, found, fresh

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .knex import Knex

logger = logging.getLogger(__name__)
logger.addHandler(logging.NullHandler())


class Pipeline(RemoteObject):
    """A pipeline."""

    remote_fields = [
        "uuid",
        "created_at",
        "updated_at",
        "name",
        "description",
        "long_description",
    ]
    parent_field = None
    _place = "pipelines"
    _path = ("pipelines", "name")
    _has_slash = False

    def __init__(self, knex: Knex, name: str) -> None:
        """Name it."""
        super().__init__()
        self.knex = knex
        self.name = name
        self.description = ""
        self.long_description = ""

    def __str__(self) -> str:
        """Its name and uuid."""
        return f"<Pangea::Pipeline {self.name} {self.uuid} />"

    __repr__ = __str__

    def pre_hash(self) -> str:
        """Give the text that it is kept by in the cache."""
        return "PIPELINE" + self.name

    def _candidates(self, name: str) -> Iterator[dict[str, Any]]:
        return self._list("pipelines", name=name)

    def _get(self) -> None:
        self._read(self._by_name)

    def _create(self) -> None:
        self._post(self._set_values())

    def _save(self) -> None:
        super()._save()

    def module(self, name: str, version: str, metadata: Any = {}) -> PipelineModule:  # noqa: B006
        """Give a module of the pipeline, without a request.

        Args:
            name: Its name.
            version: Its version.
            metadata: What is said of it.
        """
        return PipelineModule(self.knex, self, name, version, metadata=metadata)

    def get_modules(self) -> Iterator[PipelineModule]:
        """Give all modules of the pipeline."""
        for blob in self._list("pipeline_modules", pipeline=self._ready()):
            yield found(self.module(blob["name"], blob["version"]), blob)


class PipelineModule(RemoteObject):
    """A module of a pipeline, in one version."""

    remote_fields = [
        "uuid",
        "created_at",
        "updated_at",
        "name",
        "version",
        "metadata",
        "description",
        "long_description",
        "dependencies",
    ]
    parent_field = "pip"
    _place = "pipeline_modules"
    _never_blank = ("description",)

    def __init__(
        self,
        knex: Knex,
        pipeline: Pipeline,
        name: str,
        version: str,
        metadata: Any = {},  # noqa: B006
    ) -> None:
        """Name it.

        Args:
            knex: The server.
            pipeline: Its pipeline.
            name: Its name.
            version: Its version.
            metadata: What is said of it.
        """
        super().__init__()
        self.knex = knex
        self.pip = pipeline
        self.name = name
        self.version = version
        self.metadata = fresh(metadata)
        self.description = ""
        self.long_description = ""
        self.dependencies: list[str] = []

    def __str__(self) -> str:
        """Its name, version and uuid."""
        return f'<Pangea::PipelineModule "{self.name}" "{self.version}" {self.uuid} />'

    __repr__ = __str__

    def nested_url(self) -> str:
        """Give the path that leads to it, as plain text."""
        return f"pipelines/{self.pip.uuid}/modules/{self.name}/{self.version}"

    def pre_hash(self) -> str:
        """Give the text that it is kept by in the cache."""
        return "PIPELINE_MODULE" + self.name + self.version + self.pip.pre_hash()

    def _candidates(self, name: str) -> Iterator[dict[str, Any]]:
        # Of a module that it does not know, the service fails instead of saying so.
        for blob in self._list("pipeline_modules", pipeline=self.pip._ready(), name=name):
            if blob["version"] == self.version.strip():
                yield blob

    def _get(self) -> None:
        self.pip.get()
        self._read(self._listed)

    def _create(self) -> None:
        self.pip.idem()
        values = self._set_values()
        if not values["dependencies"]:
            del values["dependencies"]
        self._post({"pipeline": self.pip.uuid, **values})

    def _save(self) -> None:
        super()._save()

    def add_dependency(self, upstream: PipelineModule) -> None:
        """Note that another module is needed.

        Args:
            upstream: The other module.
        """
        self.dependencies = [*(self.dependencies or []), upstream._ready()]


__all__ = ["Pipeline", "PipelineModule", "RemoteObject"]
