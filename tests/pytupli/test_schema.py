"""Models, enumerations and filters."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from pydantic import BaseModel, ValidationError
from pytupli import schema
from pytupli.schema import (
    ArtifactMetadataItem,
    BaseFilter,
    BenchmarkMetadata,
    DBItem,
    EpisodeItem,
    EpisodesListRequest,
    FilterAND,
    FilterEQ,
    FilterGT,
    FilterIN,
    FilterOR,
    Group,
    RLTuple,
)

ITEM = ["id", "created_by", "published_in", "created_at"]
FIELDS = {
    "DBItem": ITEM,
    "ArtifactMetadata": ["name", "description", "benchmark_id", "extra"],
    "ArtifactMetadataItem": [
        *("name", "description", "benchmark_id", "extra"),
        *ITEM,
        *("hash", "encoding"),
    ],
    "BenchmarkMetadata": ["name", "description", "difficulty", "version", "extra"],
    "BenchmarkQuery": ["hash", "serialized", "metadata"],
    "BenchmarkHeader": [*ITEM, "hash", "metadata"],
    "Benchmark": [*ITEM, "hash", "metadata", "serialized"],
    "RLTuple": ["state", "action", "reward", "info", "terminal", "timeout"],
    "Episode": ["benchmark_id", "metadata", "tuples"],
    "EpisodeHeader": [*ITEM, "benchmark_id", "metadata", "n_tuples", "terminated", "timeout"],
    "EpisodeItem": [
        *ITEM,
        *("benchmark_id", "metadata", "n_tuples", "terminated", "timeout", "tuples"),
    ],
    "User": ["username", "password", "memberships"],
    "UserOut": ["username", "memberships"],
    "Membership": ["group", "roles"],
    "UserRole": ["role", "rights", "description"],
    "Token": ["token", "token_type"],
    "UpdateUserQuery": ["username"],
    "UserCredentials": ["username", "password"],
    "Group": ["name", "description"],
    "GroupMembership": ["user", "roles"],
    "GroupMembershipQuery": ["group_name", "members"],
    "GroupWithMembers": ["name", "description", "members"],
    "BaseFilter": ["type", "key", "value", "filters"],
    "EpisodesListRequest": ["type", "key", "value", "filters", "include_tuples"],
}


def test_fields_have_their_order() -> None:
    ours = {
        name: list(kind.model_fields)
        for name, kind in vars(schema).items()
        if isinstance(kind, type) and issubclass(kind, BaseModel) and name in FIELDS
    }
    assert ours == FIELDS


def test_what_hashes_of_benchmarks_are_made_of() -> None:
    """The original hashes a text with the module, the fields and pydantic's own state."""
    metadata = BenchmarkMetadata(name="a", extra={"b": 1})
    state = metadata.__getstate__()
    assert list(state["__dict__"].items()) == [
        ("name", "a"),
        ("description", ""),
        ("difficulty", None),
        ("version", None),
        ("extra", {"b": 1}),
    ]
    assert state["__pydantic_extra__"] is None
    assert state["__pydantic_private__"] is None
    assert state["__pydantic_fields_set__"] == {"name", "extra"}
    assert type(metadata).__module__ == "pytupli.schema"
    assert pickle.loads(pickle.dumps(metadata)) == metadata


def test_passwords_are_for_writing() -> None:
    described = schema.UserCredentials.model_json_schema()["properties"]["password"]
    assert described["write_only"] is True


def test_unknown_fields_are_ignored() -> None:
    assert schema.ArtifactMetadata.model_validate({"name": "a", "kind": "b"}).model_dump() == {
        "name": "a",
        "description": "",
        "benchmark_id": None,
        "extra": {},
    }


def test_new_items() -> None:
    item = ArtifactMetadataItem.create_new(created_by="me", name="a", hash="h")
    assert len(item.id) == 32
    assert item.published_in == ["me"]
    assert "T" in item.created_at
    with pytest.raises(TypeError):
        DBItem.create_new(created_by="me", published_in=["all"])
    with pytest.raises(ValidationError):
        DBItem.create_new()


def test_new_episodes() -> None:
    steps = [RLTuple(state=1, action=2, reward=3.0), RLTuple(state=1, action=2, reward=3.0)]
    steps[-1].timeout = True
    tuples = [step.model_dump() for step in steps]
    item = EpisodeItem.create_new(created_by="me", benchmark_id="b", metadata={}, tuples=tuples)
    assert (item.n_tuples, item.terminated, item.timeout) == (2, False, True)
    with pytest.raises(IndexError):
        EpisodeItem.create_new(created_by="me", benchmark_id="b", metadata={}, tuples=[])


def test_steps_of_an_environment() -> None:
    step = RLTuple.from_env_step(np.array([1, 2]), np.int64(3), 0.5, True, False, {"a": 1})
    assert step.model_dump() == {
        "state": [1, 2],
        "action": 3,
        "reward": 0.5,
        "info": {"a": 1},
        "terminal": True,
        "timeout": False,
    }

    class Other(RLTuple):
        pass

    assert type(Other.from_env_step(np.array(1), np.array(1), 0, False, False, {})) is Other


@pytest.mark.parametrize(
    ("observation", "action", "text"),
    [
        ([1], np.int64(1), "Unsupported observation type: <class 'list'>. Expected numpy array."),
        (np.array(1), 1, "Unsupported action type: <class 'int'>. Expected numpy array or int."),
    ],
)
def test_other_steps_are_refused(observation: Any, action: Any, text: str) -> None:
    with pytest.raises(ValueError, match=r"^Unsupported") as raised:
        RLTuple.from_env_step(observation, action, 0, False, False, {})
    assert str(raised.value) == text


def test_comparing_filters_need_key_and_value() -> None:
    for given in ({}, {"key": "a"}, {"value": 1}, {"key": "a", "value": None}):
        with pytest.raises(ValidationError, match=r"FilterType.EQ filter must have key and value"):
            FilterEQ(**given)
    with pytest.raises(ValidationError):
        FilterAND()  # type: ignore[call-arg]
    assert FilterOR(filters=[]).filters == []
    assert BaseFilter().type is schema.FilterType.OR


A, B, C = (FilterEQ(key=name, value=1) for name in "abc")


@pytest.mark.parametrize(
    ("joined", "shape"),
    [
        (A & B, "AND(a b)"),
        ((A & B) & C, "AND(a b c)"),
        (A & (B & C), "AND(a b c)"),
        ((A & B) & (B & C), "AND(a b AND(b c))"),
        ((A & B) | C, "OR(AND(a b) c)"),
        ((A | B) | (B | C), "OR(a b OR(b c))"),
        (BaseFilter() | A, "OR(a)"),
        (A | BaseFilter(), "OR(a)"),
        (BaseFilter() & A, "AND(OR() a)"),
        (FilterOR.from_list([Group(name="a")], "b", "name"), "OR(b)"),
    ],
)
def test_filters_are_joined(joined: BaseFilter, shape: str) -> None:
    def shown(one: BaseFilter) -> str:
        parts = " ".join(shown(part) for part in one.filters or [])
        return one.key or f"{one.type.value}({parts})"

    assert shown(joined) == shape
    assert type(joined) in (FilterAND, FilterOR)


def test_filters_on_the_wire() -> None:
    part = {"type": "EQ", "key": "a", "value": 1, "filters": []}
    assert (A & B).model_dump()["filters"][0] == part
    assert BaseFilter().model_dump() == {"type": "OR", "key": None, "value": None, "filters": []}
    assert A.to_params_dict({"x": 1}) == {"x": 1, **part}
    assert BaseFilter().to_params_dict() == {"type": "OR", "filters": []}
    assert EpisodesListRequest(include_tuples=True).model_dump()["include_tuples"] is True


def test_prefixes_come_before_all_keys_of_shared_parts() -> None:
    part = FilterGT(key="a", value=1)
    wanted = part & FilterIN(key="b", value=[1])
    wanted.apply_prefix("metadata")
    assert [one.key for one in wanted.filters or []] == ["metadata.a", "metadata.b"]
    assert part.key == "metadata.a"
