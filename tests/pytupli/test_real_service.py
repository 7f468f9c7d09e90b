"""Every method of the client, against the real service."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any, cast

import pytest
from pytupli import schema
from pytupli.schema import (
    ArtifactMetadata,
    BaseFilter,
    BenchmarkMetadata,
    BenchmarkQuery,
    Episode,
    EpisodeHeader,
    EpisodeItem,
    FilterAND,
    FilterEQ,
    FilterGEQ,
    FilterGT,
    FilterIN,
    FilterLEQ,
    FilterLT,
    FilterNE,
    FilterOR,
    Group,
    GroupMembership,
    GroupMembershipQuery,
    GroupWithMembers,
    RLTuple,
    UserOut,
    UserRole,
)
from pytupli.storage import TupliAPIClient, TupliStorageError
from support.tupli import ADMIN, Keyring, Tupli

Become = Callable[[str], TupliAPIClient]
_numbers = itertools.count()


def name(kind: str = "thing") -> str:
    """A name that nobody else has."""
    return f"{kind} {next(_numbers)} & /ü?#%"


def query(**more: Any) -> BenchmarkQuery:
    metadata = BenchmarkMetadata(name=name(), **more)
    return BenchmarkQuery(hash=name("hash"), serialized='{"é": 1}', metadata=metadata)


def episode(benchmark: str, count: int = 2, **metadata: Any) -> Episode:
    steps = [
        RLTuple(state=[number, 0.5], action=number, reward=1.5, info={"n": None})
        for number in range(count)
    ]
    steps[-1].terminal = True
    return Episode(benchmark_id=benchmark, metadata=metadata, tuples=steps)


def refused(status: int, detail: str, call: Callable[..., Any], *given: Any) -> TupliStorageError:
    with pytest.raises(TupliStorageError) as raised:
        call(*given)
    error = raised.value
    assert (error.status_code, error.detail) == (status, detail)
    kind = "Server" if status >= 500 else "Client"
    assert f"failed: {status} {kind} Error: " in str(error)
    assert str(error).endswith(f" for url: {error.url} ({detail})")
    return error


MAY_NOT = "You do not have sufficient permissions for this operation."


def test_users(client: TupliAPIClient, become: Become) -> None:
    user = name("user")
    made: Any = client.signup(user, "first")
    assert made == UserOut(username=user, memberships=made.memberships)
    assert type(made) is UserOut
    refused(409, "User already exists", client.signup, user, "first")
    assert user in [one.username for one in client.list_users()]
    client.change_password(user, "second")
    error = refused(401, "Incorrect username or password", client.login, user, "first")
    assert str(error).startswith("Login failed: 401 Client Error: Unauthorized for url: ")
    assert client.list_roles()  # the older login stays
    client.login(user, "second")
    client.change_password(user, "third")
    with pytest.raises(TupliStorageError, match=r"^API request failed: 403 Client Error: Forb"):
        client.change_password(ADMIN[0], "mine")
    refused(403, MAY_NOT, client.list_roles)
    client.login(*ADMIN)
    refused(404, "User does not exist", client.change_password, "", "x")
    client.delete_user(user)
    client.delete_user(user)
    assert user not in [one.username for one in client.list_users()]


def test_groups(client: TupliAPIClient, become: Become) -> None:
    group, user = name("group"), name("user")
    client.signup(user, "word")
    assert client.create_group(Group(name=group, description="é")) == Group(
        name=group, description="é"
    )
    refused(409, "Group already exists", client.create_group, Group(name=group))
    assert group in [one.name for one in client.list_groups()]
    whole = client.read_group(group)
    assert (type(whole), whole.members) == (GroupWithMembers, ["admin"])
    joined = GroupMembershipQuery(
        group_name=group, members=[GroupMembership(user=user, roles=["member"])]
    )
    assert client.add_group_members(joined).members == ["admin", user]
    nobody = GroupMembershipQuery(
        group_name=group, members=[GroupMembership(user="nobody", roles=["member"])]
    )
    refused(404, "User nobody not found", client.add_group_members, nobody)
    client.login(user, "word")
    assert client.read_group(group_name=group).name == group
    refused(403, MAY_NOT, client.delete_group, group)
    client.login(*ADMIN)
    assert client.remove_group_members(joined).members == ["admin"]
    client.delete_group(group)
    refused(404, "Group not found", client.read_group, group)


def test_roles(client: TupliAPIClient) -> None:
    role = UserRole(role=name("role"), rights=[schema.RIGHT.ARTIFACT_READ], description="d")
    assert client.create_role(role) == role
    refused(409, "Role already exists", client.create_role, role)
    assert role in client.list_roles()
    client.delete_role(role.role)
    assert role not in client.list_roles()
    client.delete_role(role.role)


def test_benchmarks(become: Become) -> None:
    mine = become("alice")
    asked = query(difficulty="hard", version="1", extra={"a": [1, None]})
    header = mine.store_benchmark(asked)
    assert type(header) is schema.BenchmarkHeader
    assert (header.hash, header.metadata) == (asked.hash, asked.metadata)
    assert (header.created_by, header.published_in) == ("alice", ["alice"])
    refused(409, "Benchmark already exists", mine.store_benchmark, asked)
    whole = mine.load_benchmark(uri=header.id)
    assert type(whole) is schema.Benchmark
    assert whole.serialized == asked.serialized
    assert mine.list_benchmarks(FilterEQ(key="id", value=header.id)) == [header]
    refused(404, "Benchmark not found", mine.load_benchmark, "none")

    other = become("bob")
    refused(403, MAY_NOT, other.load_benchmark, header.id)
    refused(403, MAY_NOT, other.delete_benchmark, header.id)
    with pytest.raises(TupliStorageError) as raised:
        other.publish_benchmark(header.id)
    assert raised.value.status_code == 403
    assert other.list_benchmarks(FilterEQ(key="id", value=header.id)) == []

    mine = become("alice")
    mine.publish_benchmark(header.id)
    mine.publish_benchmark(uri=header.id, publish_in="global")
    assert mine.load_benchmark(header.id).published_in == ["alice", "global"]
    assert become("bob").load_benchmark(header.id).id == header.id
    become("admin").unpublish_benchmark(header.id, unpublish_from="global")
    assert become("alice").load_benchmark(header.id).published_in == ["alice"]
    mine.delete_benchmark(header.id)
    mine.delete_benchmark(header.id)
    refused(404, "Benchmark not found", mine.load_benchmark, header.id)


def test_episodes(become: Become) -> None:
    mine = become("alice")
    benchmark = mine.store_benchmark(query())
    mine.publish_benchmark(benchmark.id)
    asked = episode(benchmark.id, 3, level="é", deep={"a": 1})
    header = mine.record_episode(asked)
    assert type(header) is EpisodeHeader
    assert (header.n_tuples, header.terminated, header.timeout) == (3, True, False)
    assert header.metadata == asked.metadata
    wanted = FilterEQ(key="benchmark_id", value=benchmark.id)
    assert mine.list_episodes(wanted) == [header]
    (whole,) = mine.list_episodes(filter=wanted, include_tuples=True)
    assert type(whole) is EpisodeItem
    assert whole.tuples == asked.tuples
    assert become("bob").list_episodes(wanted) == []
    mine = become("alice")
    mine.publish_episode(header.id)
    assert [one.id for one in become("bob").list_episodes(wanted)] == [header.id]
    become("admin").unpublish_episode(header.id, "global")
    assert become("bob").list_episodes(wanted) == []
    refused(403, MAY_NOT, become("bob").delete_episode, header.id)
    become("alice").delete_episode(header.id)
    assert mine.list_episodes(wanted) == []
    refused(404, "Benchmark id doesn't exist", mine.record_episode, episode("none"))


def test_episodes_come_in_batches(become: Become) -> None:
    mine = become("alice")
    benchmark = mine.store_benchmark(query())
    made = [mine.record_episode(episode(benchmark.id, 1 + number)).id for number in range(7)]
    found = mine.iter_episodes(FilterEQ(key="benchmark_id", value=benchmark.id), batch_size=3)
    first = next(found)
    assert first.tuples[0].state == [0, 0.5]
    # What is deleted meanwhile is left out.
    mine.delete_episode(made[4])
    assert [one.id for one in [first, *found]] == [*made[:4], *made[5:]]


PARTS = FilterEQ(key="metadata.a", value=1), FilterEQ(key="metadata.b", value="x")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (FilterEQ(key="metadata.a", value=1), "1"),
        (FilterNE(key="metadata.a", value=1), "023"),
        (FilterGT(key="metadata.a", value=1), "23"),
        (FilterGEQ(key="metadata.a", value=1), "123"),
        (FilterLT(key="metadata.a", value=1), "0"),
        (FilterLEQ(key="metadata.a", value=1), "01"),
        (FilterIN(key="metadata.a", value=[0, 3, 9]), "03"),
        (PARTS[0] & PARTS[1], "1"),
        (PARTS[0] | PARTS[1], "13"),
        (FilterEQ(key="metadata.deep.k", value=2), "2"),
        (FilterEQ(key="metadata.list", value=5), "0123"),
        (FilterGT(key="metadata.b", value=1), ""),
        (FilterAND(filters=[PARTS[1], FilterOR(filters=[PARTS[0]])]), "1"),
        (FilterAND(filters=[]), "0123"),
        (FilterOR(filters=[]), "0123"),
        (BaseFilter(), "0123"),
        (None, "0123"),
        ({"type": "EQ", "key": "metadata.a", "value": 2}, "2"),
    ],
)
def test_filters(become: Become, wanted: Any, expected: str) -> None:
    mine = become("filters")
    own = FilterEQ(key="created_by", value="filters")
    if not mine.list_benchmarks(own):
        benchmark = mine.store_benchmark(query())
        for number in range(4):
            metadata: dict[str, Any] = {
                "a": number,
                "b": "x" if number % 2 else "y",
                "list": [5, 6],
            }
            mine.record_episode(episode(benchmark.id, deep={"k": number}, **metadata))
    for include in (False, True):
        found = cast("list[EpisodeHeader]", mine.list_episodes(wanted, include))
        found = [one for one in found if one.created_by == "filters"]
        assert "".join(str(one.metadata["a"]) for one in found) == expected
    if wanted is not None and not isinstance(wanted, dict):
        joined = mine.list_episodes(own & FilterAND(filters=[wanted]))
        assert "".join(str(one.metadata["a"]) for one in joined) == expected


def test_filters_of_artifacts_name_fields_of_their_metadata(become: Become) -> None:
    mine = become("alice")
    made = mine.store_artifact(name().encode(), ArtifactMetadata(name="n", extra={"k": [1, 2]}))
    for wanted in (
        FilterEQ(key="id", value=made.id) & FilterEQ(key="extra.k", value=1),
        FilterEQ(key="hash", value=made.hash),
    ):
        assert mine.list_artifacts(wanted) == [made]
    with pytest.raises(TupliStorageError, match=r"^API request failed: 500 Server Error"):
        mine.list_artifacts(FilterIN(key="id", value=made.id))


def test_what_the_service_refuses_to_understand(client: TupliAPIClient) -> None:
    with pytest.raises(TupliStorageError) as raised:
        client._authenticated_request(
            "post", f"{client.base_url}/benchmarks/list", json={"type": "XX"}
        )
    assert raised.value.status_code == 422
    assert isinstance(raised.value.detail, list)
    assert "body.type: Input should be" in str(raised.value)


@pytest.mark.parametrize("mark", ["&publish_in=x", "#x", "%26", "/../x", "?", "+ +", "日本"])
def test_ids_are_escaped(become: Become, mark: str) -> None:
    mine = become("alice")
    made = mine.store_benchmark(query())
    refused(404, "Benchmark not found", mine.load_benchmark, made.id + mark)
    refused(404, "Benchmark does not exists", mine.publish_benchmark, made.id + mark)
    mine.delete_benchmark(made.id + mark)
    assert mine.load_benchmark(made.id).published_in == ["alice"]
    with pytest.raises(TupliStorageError) as raised:
        mine.publish_benchmark(made.id, "global" + mark)
    assert raised.value.status_code == 403


def test_requests_of_callers(client: TupliAPIClient) -> None:
    headers = {"X-Mine": "a", "authorization": "none"}
    answer = client._authenticated_request(
        "GeT", f"{client.base_url}/access/users/list", headers=headers, timeout=20, stream=True
    )
    assert headers == {"X-Mine": "a", "authorization": "none"}
    assert (answer.status_code, answer.ok, answer.reason) == (200, True, "OK")
    assert answer.headers["content-type"] == "application/json"
    assert b"".join(answer.iter_content(10)).startswith(b"[")
    answer.close()
    given = {"metadata": (None, '{"name": "a"}'), "data": ("data", b"content of a caller")}
    answer = client._authenticated_request(
        "POST", f"{client.base_url}/artifacts/upload", files=given
    )
    assert client.load_artifact(answer.json()["id"]) == b"content of a caller"


def test_guests(service: Tupli, keys: Keyring) -> None:
    client = TupliAPIClient()
    client.set_url(f"{service.url}///")
    assert keys.entries == {"pytupli/base_url": service.url}
    for call in (client.list_users, client.list_benchmarks):
        with pytest.raises(TupliStorageError) as raised:
            call()
        assert str(raised.value) == (
            "Request failed: No refresh token available. Please login first."
        )
    # Whoever has no login can sign up.
    assert client.signup(name("guest"), "word").memberships == []
    assert TupliAPIClient().base_url == service.url


def test_all_clients_share_a_login(become: Become) -> None:
    mine = become("alice")
    become("bob")
    assert mine.store_benchmark(query()).created_by == "bob"
