"""Organizations, which have groups of samples."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from .remote_object import RemoteObject, found
from .sample_group import NOT_GIVEN, SampleGroup

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .knex import Knex

logger = logging.getLogger(__name__)
logger.addHandler(logging.NullHandler())


class Organization(RemoteObject):
    """An organization."""

    remote_fields = ["uuid", "created_at", "updated_at", "name"]
    parent_field = None
    _place = "organizations"
    _path = ("nested",)

    def __init__(self, knex: Knex, name: str) -> None:
        """Name it."""
        super().__init__()
        self.knex = knex
        self.name = name

    def nested_url(self) -> str:
        """Give the path that leads to it, as plain text."""
        return super().nested_url()

    def pre_hash(self) -> str:
        """Give the text that it is kept by in the cache."""
        return "ORG" + self.name

    def __repr__(self) -> str:
        """Its name and uuid."""
        return f"<Pangea::Organization {self.name} {self.uuid} />"

    def _candidates(self, name: str) -> Iterator[dict[str, Any]]:
        return self._list("organizations", name=name)

    def _get(self) -> None:
        self._read(self._by_name)

    def _create(self) -> None:
        self.load_blob(self.knex._call("post", self._place, {"name": self._sendable("name")}))

    def _save(self) -> None:
        super()._save()

    def sample_group(
        self,
        group_name: str,
        metadata: Any = {},  # noqa: B006
        is_library: bool = False,
        is_public: bool = NOT_GIVEN,
    ) -> SampleGroup:
        """Give a group of samples, without a request.

        Args:
            group_name: Its name.
            metadata: What is said of it.
            is_library: Whether samples are kept in it.
            is_public: Whether everybody may read it: if that is not given, the service decides.
        """
        return SampleGroup(
            self.knex, self, group_name, metadata, is_library=is_library, is_public=is_public
        )

    def get_sample_groups(self) -> Iterator[SampleGroup]:
        """Give all groups of samples that one may see."""
        for blob in self._list("sample_groups", organization_id=self._ready()):
            yield found(self.sample_group(blob["name"]), blob)
