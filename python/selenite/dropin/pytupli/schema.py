"""What PyTupli's service stores and answers: models, enumerations and filters.

Their names, their fields and the order of these are a part of the hashes of benchmarks. pydantic
builds what checks them when they are first used, which is a third of what it takes to import it.
"""

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterable
from datetime import datetime
from enum import Enum, StrEnum
from typing import Any, Dict, List, Optional, Self  # noqa: UP035

from selenite._needing import needing
from selenite._process_lock import ProcessLock

with needing("pytupli", "pydantic", "selenite[tupli]"):
    from pydantic import BaseModel, Field, model_validator


class RESOURCE_TYPE(StrEnum):
    """Kinds of things."""

    ARTIFACT = "artifact"
    BENCHMARK = "benchmark"
    EPISODE = "episode"
    USER = "user"
    GROUP = "group"
    ROLE = "role"


class RIGHT(StrEnum):
    """What a role may allow."""

    BENCHMARK_CREATE = "benchmark_create"
    BENCHMARK_READ = "benchmark_read"
    BENCHMARK_DELETE = "benchmark_delete"
    ARTIFACT_CREATE = "artifact_create"
    ARTIFACT_READ = "artifact_read"
    ARTIFACT_DELETE = "artifact_delete"
    EPISODE_CREATE = "episode_create"
    EPISODE_READ = "episode_read"
    EPISODE_DELETE = "episode_delete"
    USER_CREATE = "user_create"
    USER_READ = "user_read"
    USER_UPDATE = "user_update"
    USER_DELETE = "user_delete"
    GROUP_CREATE = "group_create"
    GROUP_READ = "group_read"
    GROUP_UPDATE = "group_update"
    GROUP_DELETE = "group_delete"
    ROLE_MANAGEMENT = "role_management"


class DEFAULT_ROLE(StrEnum):
    """Roles that every service has."""

    ADMIN = "admin"
    CONTENT_ADMIN = "content_admin"
    USER_ADMIN = "user_admin"
    GROUP_ADMIN = "group_admin"
    CONTRIBUTOR = "contributor"
    MEMBER = "member"
    GLOBAL_MEMBER = "global_member"
    GUEST = "guest"


RIGHT_BUNDLE_CONTENT_READ = [RIGHT.ARTIFACT_READ, RIGHT.BENCHMARK_READ, RIGHT.EPISODE_READ]
RIGHT_BUNDLE_CONTENT_CREATE = [RIGHT.ARTIFACT_CREATE, RIGHT.BENCHMARK_CREATE, RIGHT.EPISODE_CREATE]
RIGHT_BUNDLE_CONTENT_DELETE = [RIGHT.ARTIFACT_DELETE, RIGHT.BENCHMARK_DELETE, RIGHT.EPISODE_DELETE]


class DBItem(BaseModel, defer_build=True):
    """Something that is stored."""

    id: str
    created_by: str
    published_in: list[str] = []
    created_at: str

    @classmethod
    def create_new(cls, **data: Any) -> Self:
        """Make an item with a new id, made now, published for its creator alone.

        Args:
            data: The other fields, ``created_by`` among them.
        """
        return cls(**_new(**data))


def _new(**data: Any) -> dict[str, Any]:
    """The fields of a new item."""
    if "published_in" in data:
        message = "a new item is published for its creator alone: `published_in` cannot be given"
        raise TypeError(message)
    from uuid import uuid4

    now = datetime.now().isoformat()
    published_in = [data.get("created_by")]
    return {"id": uuid4().hex, "created_at": now, "published_in": published_in, **data}


class ArtifactMetadata(BaseModel, defer_build=True):
    """What a user says of an artifact."""

    name: str
    description: str = ""
    benchmark_id: str | None = None
    extra: Dict[str, Any] = {}  # noqa: UP006


class ArtifactMetadataItem(DBItem, ArtifactMetadata):
    """What is known of a stored artifact."""

    hash: str
    encoding: str = "utf-8"


class BenchmarkMetadata(BaseModel, defer_build=True):
    """What a user says of a benchmark."""

    name: str
    description: str = ""
    difficulty: str | None = None
    version: str | None = None
    extra: Dict[str, Any] = {}  # noqa: UP006


class BenchmarkQuery(BaseModel, defer_build=True):
    """A benchmark to store."""

    hash: str
    serialized: str
    metadata: BenchmarkMetadata


class BenchmarkHeader(DBItem):
    """A stored benchmark without its content."""

    hash: str
    metadata: BenchmarkMetadata


class Benchmark(BenchmarkHeader):
    """A stored benchmark."""

    serialized: str


class RLTuple(BaseModel, defer_build=True):
    """One step of an episode."""

    state: Any
    action: Any
    reward: Any
    info: dict[str, Any] = {}
    terminal: bool = False
    timeout: bool = False

    @classmethod
    def from_env_step(
        cls, obs: Any, action: Any, reward: Any, terminated: bool, truncated: bool, info: Any
    ) -> Self:
        """Make it of what a step of an environment takes and gives.

        Args:
            obs: Observation, an array of numpy.
            action: Action, an array or an integer of numpy.
            reward: Reward.
            terminated: Whether the episode ended.
            truncated: Whether it was cut short.
            info: What else the environment tells.

        Raises:
            ValueError: If observation or action is something else.
        """
        # Nobody has an array who has not imported it.
        numpy = sys.modules.get("numpy")
        if numpy is None or not isinstance(obs, numpy.ndarray):
            message = f"Unsupported observation type: {type(obs)}. Expected numpy array."
            raise ValueError(message)
        if not isinstance(action, numpy.ndarray | numpy.integer):
            message = f"Unsupported action type: {type(action)}. Expected numpy array or int."
            raise ValueError(message)
        return cls(
            state=obs.tolist(),
            action=action.tolist(),
            reward=reward,
            info=info,
            terminal=terminated,
            timeout=truncated,
        )


class Episode(BaseModel, defer_build=True):
    """An episode to store."""

    benchmark_id: str
    metadata: dict[str, Any]
    tuples: list[RLTuple]


class EpisodeHeader(DBItem):
    """A stored episode without its steps."""

    benchmark_id: str
    metadata: dict[str, Any]
    n_tuples: int
    terminated: bool
    timeout: bool


class EpisodeItem(Episode, EpisodeHeader):
    """A stored episode."""

    @classmethod
    def create_new(cls, **data: Any) -> Self:
        """Make an item as `DBItem.create_new` does, with what follows from its steps.

        Args:
            data: The other fields; ``tuples`` are dicts here, at least one.
        """
        last = data["tuples"][-1]
        return cls(
            **_new(
                n_tuples=len(data["tuples"]),
                terminated=last["terminal"],
                timeout=last["timeout"],
                **data,
            )
        )


class EpisodeMetadataCallback(ABC):
    """Collects what is said of an episode, step by step."""

    @abstractmethod
    def reset(self) -> None:
        """Begin a new episode."""

    @abstractmethod
    def __call__(self, tuple: RLTuple) -> dict[str, Any]:
        """Take a step.

        Args:
            tuple: The step.

        Returns:
            What is said of the episode now.
        """


class Membership(BaseModel, defer_build=True):
    """Roles of a user in a group."""

    group: str
    roles: list[str]


class User(BaseModel, defer_build=True):
    """A user with a password."""

    username: str
    password: str
    memberships: list[Membership] = []


class UserOut(BaseModel, defer_build=True):
    """A user."""

    username: str
    memberships: list[Membership] = []


class UserRole(BaseModel, defer_build=True):
    """A role."""

    role: str
    rights: list[RIGHT]
    description: str | None = None


class Token(BaseModel, defer_build=True):
    """A token as the service sends it."""

    token: str
    token_type: str


class UpdateUserQuery(BaseModel, defer_build=True):
    """Names the user that is changed."""

    username: str


class UserCredentials(UpdateUserQuery):
    """Name and password."""

    password: str = Field(json_schema_extra={"write_only": True})


class Group(BaseModel, defer_build=True):
    """A group."""

    name: str
    description: str | None = None


class GroupMembership(BaseModel, defer_build=True):
    """Roles of one member of a group."""

    user: str
    roles: list[str] | None = None


class GroupMembershipQuery(BaseModel, defer_build=True):
    """Members that are added to a group or removed from it."""

    group_name: str
    members: list[GroupMembership]


class GroupWithMembers(BaseModel, defer_build=True):
    """A group and who is in it."""

    name: str
    description: str | None = None
    members: list[str] = []


class FilterType(str, Enum):  # noqa: UP042 -- its text is that of any enumeration
    """What a filter does."""

    EQ = "EQ"
    GEQ = "GEQ"
    LEQ = "LEQ"
    GT = "GT"
    LT = "LT"
    NE = "NE"
    IN = "IN"
    AND = "AND"
    OR = "OR"


class BaseFilter(BaseModel, defer_build=True):
    """Says what is looked for.

    Example:
        >>> from pytupli.schema import FilterEQ, FilterGT
        >>> wanted = FilterEQ(key="metadata.level", value=3) & FilterGT(key="n_tuples", value=10)
        >>> [part.key for part in wanted.filters]
        ['metadata.level', 'n_tuples']
    """

    type: FilterType = FilterType.OR
    key: Optional[str] = None  # noqa: UP045
    value: Optional[Any] = None  # noqa: UP045
    filters: Optional[List["BaseFilter"]] = []  # noqa: UP006, UP045

    @model_validator(mode="after")
    def validate_filter_attributes(self) -> Self:
        """Make sure that what compares has something to compare.

        Raises:
            ValueError: If key or value is missing.
        """
        is_whole = self.key is not None and self.value is not None
        if self.type not in (FilterType.AND, FilterType.OR) and not is_whole:
            message = f"{self.type} filter must have key and value set"
            raise ValueError(message)
        return self

    def __and__(self, other: "BaseFilter") -> "FilterAND":
        """Ask for both."""
        return FilterAND(filters=_joined(FilterType.AND, self, other))

    def __or__(self, other: "BaseFilter") -> "FilterOR":
        """Ask for either."""
        return FilterOR(filters=_joined(FilterType.OR, self, other))

    def to_params_dict(self, params: dict[str, Any] = {}) -> dict[str, Any]:  # noqa: B006
        """Add the fields that are set to other parameters.

        Args:
            params: The others, which are left as they are.
        """
        return {**params, **self.model_dump(exclude_none=True)}

    def apply_prefix(self, prefix: str) -> None:
        """Put a prefix before all keys, in place, those of shared parts included.

        Args:
            prefix: Comes before a dot.
        """
        if self.key is not None:
            self.key = f"{prefix}.{self.key}"
        for part in self.filters or []:
            part.apply_prefix(prefix)


def _joined(kind: FilterType, one: BaseFilter, other: BaseFilter) -> list[BaseFilter]:
    """The parts of two filters: an AND of an AND and something else is one AND."""
    if one.type == kind:
        return [*(one.filters or []), other]
    if other.type == kind:
        return [one, *(other.filters or [])]
    return [one, other]


class FilterEQ(BaseFilter):
    """Equal."""

    type: FilterType = FilterType.EQ


class FilterGEQ(BaseFilter):
    """Greater or equal."""

    type: FilterType = FilterType.GEQ


class FilterLEQ(BaseFilter):
    """Less or equal."""

    type: FilterType = FilterType.LEQ


class FilterGT(BaseFilter):
    """Greater."""

    type: FilterType = FilterType.GT


class FilterLT(BaseFilter):
    """Less."""

    type: FilterType = FilterType.LT


class FilterNE(BaseFilter):
    """Not equal."""

    type: FilterType = FilterType.NE


class FilterIN(BaseFilter):
    """One of several."""

    type: FilterType = FilterType.IN


class FilterAND(BaseFilter):
    """All of several filters."""

    type: FilterType = FilterType.AND
    filters: List[BaseFilter]  # noqa: UP006


class FilterOR(BaseFilter):
    """One of several filters, at least."""

    type: FilterType = FilterType.OR
    filters: List[BaseFilter]  # noqa: UP006

    @classmethod
    def from_list(cls, items: Iterable[Any], on_key: str, from_key: str) -> Self:
        """Look for what belongs to any of several items.

        Args:
            items: The items.
            on_key: Key of what is looked for.
            from_key: Attribute of the items.

        Example:
            >>> from pytupli.schema import FilterOR, Group
            >>> wanted = FilterOR.from_list([Group(name="a")], "group", "name")
            >>> wanted.filters[0].value
            'a'
        """
        return cls(filters=[FilterEQ(key=on_key, value=getattr(item, from_key)) for item in items])


class EpisodesListRequest(BaseFilter):
    """Says which episodes are looked for."""

    include_tuples: bool = False


def _complete() -> None:
    """Build all models, before threads do: older versions of pydantic do not expect several."""
    with _completing:
        for kind in list(globals().values()):
            if isinstance(kind, type) and issubclass(kind, BaseModel) and kind is not BaseModel:
                kind.model_rebuild()


_completing = ProcessLock()
