"""A tag."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ...blob_constructors import sample_from_blob, sample_group_from_blob
from ...remote_object import RemoteObject
from ...sample import Sample
from ...sample_group import SampleGroup
from ...utils import paginated_iterator

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ...knex import Knex

logger = logging.getLogger(__name__)
logger.addHandler(logging.NullHandler())

_DONE = {"status": "success"}


class Tag(RemoteObject):
    """A tag."""

    remote_fields = ["uuid", "created_at", "updated_at", "name", "payload"]
    parent_field = None
    _place = "contrib/tags"
    _path = ("contrib", "tags", "name")
    _has_slash = False

    def __init__(self, knex: Knex, name: str, payload: str = "") -> None:
        """Name it.

        Args:
            knex: The server.
            name: Its name.
            payload: What is said of it.
        """
        super().__init__()
        self.knex = knex
        self.name = name
        self.payload = payload

    def __str__(self) -> str:
        """Its name and uuid."""
        return f"<Pangea::Contrib::Tag {self.name} {self.uuid} />"

    __repr__ = __str__

    def pre_hash(self) -> str:
        """Give the text that it is kept by in the cache."""
        return "TAG" + self.name

    def _candidates(self, name: str) -> Iterator[dict[str, Any]]:
        return self._list("contrib/tags/", name=name)

    def _list(self, place: str, **filters: Any) -> Iterator[dict[str, Any]]:
        # The list of tags alone has a slash before its filters.
        if place.endswith("/"):
            options = self.knex._clean_url("", filters)
            return paginated_iterator(self.knex, place + options)
        return super()._list(place, **filters)

    def _get(self) -> None:
        self._read(self._by_name)

    def _create(self) -> None:
        self._post({"name": self._sendable("name"), "payload": self.payload}, "contrib/tags/")

    def _save(self) -> None:
        super()._save()

    def tag(self, other: Any, payload: str = "") -> Any:
        """Give a sample, a group or another tag this tag, unless it has it.

        Args:
            other: A `Sample`, a `SampleGroup` or a `Tag`: nothing else is tagged.
            payload: What is said of it. The service keeps that of tags alone.
        """
        self.idem()
        if isinstance(other, Tag):
            return self._tag_tag(other, payload=payload)
        if isinstance(other, Sample):
            return self._tag_sample(other, payload=payload)
        if isinstance(other, SampleGroup):
            return self._tag_sample_group(other, payload=payload)
        return None

    def __call__(self, other: Any, payload: str = "") -> Any:
        """Do what `tag` does."""
        return self.tag(other, payload=payload)

    def _add(self, kind: str, key: str, uuid: str, payload: str) -> Any:
        body = {key: uuid, "payload": payload}
        return self.knex._call("post", f"contrib/tags/{self.uuid}/{kind}", body)

    def _tag_tag(self, tag: Tag, payload: str = "") -> Any:
        """Tag a tag: which ones have the tag already, the service does not tell."""
        return self._add("tags", "tag_uuid", tag.idem().uuid, payload)

    def _tag_sample(self, sample: Sample, payload: str = "") -> Any:
        """Tag a sample."""
        uuid = sample._ready()
        if any(blob["uuid"] == self.uuid for blob in self._list("contrib/tags/", sample=uuid)):
            return dict(_DONE)
        return self._add("samples", "sample_uuid", uuid, payload)

    def _tag_sample_group(self, sample_group: SampleGroup, payload: str = "") -> Any:
        """Tag a group."""
        uuid = sample_group._ready()
        place = f"contrib/tags/{self.uuid}/sample_groups"
        if any(blob["uuid"] == uuid for blob in paginated_iterator(self.knex, place)):
            return dict(_DONE)
        return self._add("sample_groups", "sample_group_uuid", uuid, payload)

    def get_samples(self) -> Iterator[Sample]:
        """Give all samples that have the tag."""
        for blob in paginated_iterator(self.knex, f"contrib/tags/{self._ready()}/samples"):
            yield sample_from_blob(self.knex, blob)

    def get_sample_groups(self) -> Iterator[SampleGroup]:
        """Give all groups that have the tag."""
        for blob in paginated_iterator(self.knex, f"contrib/tags/{self._ready()}/sample_groups"):
            yield sample_group_from_blob(self.knex, blob)

    def get_random_samples(self, n: int = 100) -> Iterator[Sample]:
        """Give some samples that have the tag.

        Args:
            n: How many at most.
        """
        place = f"contrib/tags/{self._ready()}/random_samples"
        for blob in self.knex._call("get", place, None, {"n": n})["results"]:
            yield sample_from_blob(self.knex, blob)
