"""Orders for work on samples, which others do."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from .blob_constructors import sample_from_uuid, sample_group_from_uuid
from .remote_object import RemoteObject, found
from .utils import paginated_iterator

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Self

    from .knex import Knex
    from .sample import Sample
    from .sample_group import SampleGroup

logger = logging.getLogger(__name__)
logger.addHandler(logging.NullHandler())


class _Order(RemoteObject):
    """What is read by its uuid."""

    def __str__(self) -> str:
        """Its name and uuid."""
        return f"<Pangea::{type(self).__name__} {self.name} {self.uuid} />"

    __repr__ = __str__

    def pre_hash(self) -> str:
        """Give the text that it is kept by in the cache."""
        return type(self).__name__ + str(self.uuid)

    def nested_url(self) -> str:
        """Give the path that leads to it."""
        return f"{self._place}/{self.uuid}"

    def _get(self) -> None:
        self.load_blob(self.knex._call("get", self.nested_url()))


class _Proto(_Order):
    remote_fields = ["uuid", "created_at", "updated_at", "name"]

    def __init__(self, knex: Knex, uuid: str) -> None:
        """Say which one."""
        super().__init__()
        self.knex = knex
        self.uuid = uuid
        self.name = ""

    @classmethod
    def _read(cls, knex: Knex, blob: dict[str, Any]) -> Self:  # type: ignore[override]
        made: Self = found(cls(knex, blob["uuid"]), blob)
        return made

    @classmethod
    def from_uuid(cls, knex: Knex, uuid: str) -> Self:
        """Read one.

        Args:
            knex: The server.
            uuid: Its uuid.
        """
        return cls._read(knex, knex._call("get", f"{cls._place}/{uuid}"))

    @classmethod
    def from_name(cls, knex: Knex, name: str) -> Self:
        """Find one.

        Args:
            knex: The server.
            name: Its name.

        Raises:
            PangeaNotFoundError: If there is none of this name.
        """
        name = name.strip()
        made = cls(knex, "")
        made.name = name
        if name:
            for blob in made._list(cls._place, name=name):
                if blob["name"] == name:
                    return cls._read(knex, blob)
        raise made._missing()


class WorkOrderProto(_Proto):
    """A kind of order for samples."""

    remote_fields = ["uuid", "created_at", "updated_at", "name"]
    parent_field = None
    _place = "work_order_prototypes"

    def __init__(self, knex: Knex, uuid: str) -> None:
        """Say which one."""
        super().__init__(knex, uuid)
        self._active: dict[tuple[int, bool, str], list[WorkOrder]] = {}

    @classmethod
    def from_uuid(cls, knex: Knex, uuid: str) -> Self:
        """Read one.

        Args:
            knex: The server.
            uuid: Its uuid.
        """
        return super().from_uuid(knex, uuid)

    @classmethod
    def from_name(cls, knex: Knex, name: str) -> Self:
        """Find one.

        Args:
            knex: The server.
            name: Its name.

        Raises:
            PangeaNotFoundError: If there is none of this name.
        """
        return super().from_name(knex, name)

    def get_active_work_orders(
        self, max_num: int = 0, random: bool = False, not_status: str = ""
    ) -> Iterator[WorkOrder]:
        """Give orders of this kind. They are remembered.

        Args:
            max_num: How many, 0 for all.
            random: Whether they come in any order.
            not_status: A status that they do not have.
        """
        asked = (max_num, random, not_status)
        if asked not in self._active:
            options: dict[str, Any] = {}
            if max_num:
                options["max_num"] = max_num
            if random:
                options["random"] = "random"
            if not_status:
                options["not_status"] = not_status
            orders = [
                WorkOrder.from_blob(self.knex, blob)
                for blob in self._list(f"{self._place}/{self.uuid}/work_orders", **options)
            ]
            # The service goes by a status that may be old.
            orders = [one for one in orders if not not_status or one.status != not_status]
            self._active[asked] = orders[:max_num] if max_num else orders
        yield from self._active[asked]

    def get_active_work_order_for_sample(self, sample: Sample) -> WorkOrder:
        """Find the order of this kind for a sample.

        Args:
            sample: The sample.

        Raises:
            KeyError: If there is none.
        """
        place = f"samples/{sample._ready()}/work_orders"
        for blob in paginated_iterator(self.knex, place):
            if blob["name"] == self.name:
                return WorkOrder.from_blob(self.knex, blob)
        raise KeyError(f"WorkOrder from Proto {self} not found for sample {sample}")

    def create_work_order_for_sample(self, sample: Sample) -> WorkOrder:
        """Make an order of this kind for a sample, another one if there is one.

        Args:
            sample: The sample.
        """
        place = f"samples/{sample._ready()}/work_orders/{self.uuid}"
        return WorkOrder.from_uuid(self.knex, self.knex._call("post", place, {})["uuid"])


class _Made(_Order):
    def __init__(self, knex: Knex, name: str) -> None:
        """Name it."""
        super().__init__()
        self.knex = knex
        self.name = name

    @classmethod
    def from_blob(cls, knex: Knex, blob: dict[str, Any]) -> Self:
        """Make one of an answer.

        Args:
            knex: The server.
            blob: The answer.
        """
        made: Self = found(cls(knex, blob["name"]), blob)
        made.blob = blob  # type: ignore[assignment]
        return made

    @classmethod
    def from_uuid(cls, knex: Knex, uuid: str) -> Self:
        """Read one.

        Args:
            knex: The server.
            uuid: Its uuid.
        """
        return cls.from_blob(knex, knex._call("get", f"{cls._place}/{uuid}"))


class WorkOrder(_Made):
    """An order for a sample."""

    remote_fields = [
        "uuid",
        "created_at",
        "updated_at",
        "name",
        "job_order_objs",
        "priority",
        "sample",
        "status",
    ]
    parent_field = None
    _place = "work_orders"

    job_order_objs: list[dict[str, Any]]
    sample: str
    status: str

    def get_sample(self) -> Sample:
        """Read the sample, as one may who works on the order."""
        sample = sample_from_uuid(self.knex, self.sample)
        sample.url_options["work_order_uuid"] = self.uuid
        return sample

    def get_job_orders(self) -> Iterator[JobOrder]:
        """Give the jobs of the order."""
        for blob in self.job_order_objs:
            yield JobOrder.from_blob(self, blob)

    def get_job_order_by_name(self, name: str) -> JobOrder:
        """Find a job of the order.

        Args:
            name: Its name.

        Raises:
            KeyError: If there is none.
        """
        for job in self.get_job_orders():
            if job.name == name:
                return job
        raise KeyError(f"JobOrder {name} not found for {self}")


class JobOrder(_Order):
    """A job of an order."""

    remote_fields = ["uuid", "created_at", "updated_at", "name", "analysis_result", "status"]
    parent_field = None
    _place = "job_orders"

    def __init__(self, knex: Knex, work_order: WorkOrder) -> None:
        """Name its order."""
        super().__init__()
        self.knex = knex
        self.work_order = work_order
        self.name = ""
        self.analysis_result: str | None = None
        self.status: str | None = None

    @classmethod
    def from_blob(cls, work_order: WorkOrder, blob: dict[str, Any]) -> Self:
        """Make one of an answer.

        Args:
            work_order: Its order.
            blob: The answer.
        """
        made: Self = found(cls(work_order.knex, work_order), blob)
        made.blob = blob  # type: ignore[assignment]
        return made

    @classmethod
    def from_uuid(cls, work_order: WorkOrder, uuid: str) -> Self:
        """Read one.

        Args:
            work_order: Its order.
            uuid: Its uuid.
        """
        return cls.from_blob(work_order, work_order.knex._call("get", f"job_orders/{uuid}"))

    def pre_hash(self) -> str:
        """Give the text that it is kept by in the cache."""
        return str(self.work_order.uuid) + (self.name or "")

    def _check_name(self) -> None:
        """It is known by its uuid."""

    def _get(self) -> None:
        super()._get()

    def _save(self) -> None:
        super()._save()


class GroupWorkOrderProto(_Proto):
    """A kind of order for groups of samples."""

    remote_fields = ["uuid", "created_at", "updated_at", "name"]
    parent_field = None
    _place = "group_work_order_prototypes"

    def __init__(self, knex: Knex, uuid: str) -> None:
        """Say which one."""
        super().__init__(knex, uuid)
        self._active: list[GroupWorkOrder] | None = None

    @classmethod
    def from_uuid(cls, knex: Knex, uuid: str) -> Self:
        """Read one.

        Args:
            knex: The server.
            uuid: Its uuid.
        """
        return super().from_uuid(knex, uuid)

    @classmethod
    def from_name(cls, knex: Knex, name: str) -> Self:
        """Find one.

        Args:
            knex: The server.
            name: Its name.

        Raises:
            PangeaNotFoundError: If there is none of this name.
        """
        return super().from_name(knex, name)

    def get_active_work_orders(self) -> Iterator[GroupWorkOrder]:
        """Give the orders of this kind. They are remembered."""
        if self._active is None:
            place = f"{self._place}/{self.uuid}/work_orders"
            self._active = [GroupWorkOrder.from_blob(self.knex, blob) for blob in self._list(place)]
        yield from self._active

    def get_active_work_order_for_sample_group(self, group: SampleGroup) -> GroupWorkOrder:
        """Find the order of this kind for a group.

        Args:
            group: The group.

        Raises:
            KeyError: If there is none.
        """
        place = f"sample_groups/{group._ready()}/work_orders"
        for blob in paginated_iterator(self.knex, place):
            if blob["name"] == self.name:
                return GroupWorkOrder.from_blob(self.knex, blob)
        raise KeyError(f"WorkOrder from Proto {self} not found for group {group}")

    def create_work_order_for_sample_group(self, group: SampleGroup) -> GroupWorkOrder:
        """Make an order of this kind for a group, another one if there is one.

        Args:
            group: The group.
        """
        place = f"sample_groups/{group._ready()}/work_orders/{self.uuid}"
        return GroupWorkOrder.from_uuid(self.knex, self.knex._call("post", place, {})["uuid"])


class GroupWorkOrder(_Made):
    """An order for a group of samples."""

    remote_fields = [
        "uuid",
        "created_at",
        "updated_at",
        "name",
        "work_order_links",
        "priority",
        "sample_group",
        "status",
    ]
    parent_field = None
    _place = "group_work_orders"

    work_order_links: list[dict[str, Any]]
    sample_group: str

    def get_sample_group(self) -> SampleGroup:
        """Read the group."""
        return sample_group_from_uuid(self.knex, self.sample_group)

    def get_work_orders(self) -> Iterator[WorkOrder]:
        """Read the orders for its samples."""
        for link in self.work_order_links:
            yield WorkOrder.from_uuid(self.knex, link["uuid"])
