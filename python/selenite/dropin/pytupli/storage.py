"""Where benchmarks, artifacts and episodes are kept: by PyTupli's service, or in files."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from . import _given
from ._errors import TupliConnectionError as TupliConnectionError
from ._errors import TupliStorageError as TupliStorageError
from ._errors import TupliTimeoutError as TupliTimeoutError
from ._errors import error_with
from .schema import ArtifactMetadata as ArtifactMetadata
from .schema import ArtifactMetadataItem as ArtifactMetadataItem
from .schema import BaseFilter as BaseFilter
from .schema import Benchmark as Benchmark
from .schema import BenchmarkHeader as BenchmarkHeader
from .schema import BenchmarkQuery as BenchmarkQuery
from .schema import Episode as Episode
from .schema import EpisodeHeader as EpisodeHeader
from .schema import EpisodeItem as EpisodeItem
from .schema import FilterIN, _complete
from .schema import FilterType as FilterType
from .schema import Group as Group
from .schema import GroupMembershipQuery as GroupMembershipQuery
from .schema import GroupWithMembers as GroupWithMembers
from .schema import User as User
from .schema import UserOut as UserOut
from .schema import UserRole as UserRole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from contextlib import AbstractContextManager
    from typing import Any, BinaryIO

    import requests

    _Artifact = bytes | bytearray | memoryview | str | os.PathLike[str] | BinaryIO
    _Metadata = ArtifactMetadata | dict[str, Any]
    _Filter = BaseFilter | dict[str, Any] | None


def __getattr__(name: str) -> Any:
    """Make the module's logger when somebody asks for it: most never need `logging`."""
    if name == "logger":
        from ._log import logger

        return logger()
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


_LOCAL = "http://localhost:8080"


class TupliStorage:
    """What storages have in common; each method is one of those below it."""

    def __init__(self) -> None:
        """Fail: this is no storage itself."""
        raise NotImplementedError

    def store_benchmark(self, benchmark_query: BenchmarkQuery) -> BenchmarkHeader:
        """Store a benchmark."""
        raise NotImplementedError

    def load_benchmark(self, uri: str) -> Benchmark:
        """Load a benchmark."""
        raise NotImplementedError

    def list_benchmarks(self, filter: BaseFilter) -> list[BenchmarkHeader]:
        """List benchmarks."""
        raise NotImplementedError

    def delete_benchmark(self, uri: str) -> None:
        """Delete a benchmark."""
        raise NotImplementedError

    def store_artifact(self, artifact: bytes, metadata: ArtifactMetadata) -> ArtifactMetadataItem:
        """Store an artifact."""
        raise NotImplementedError

    def load_artifact(self, uri: str, **kwargs: Any) -> bytes:
        """Load an artifact."""
        raise NotImplementedError

    def list_artifacts(self, filter: BaseFilter) -> list[ArtifactMetadataItem]:
        """List artifacts."""
        raise NotImplementedError

    def delete_artifact(self, uri: str) -> None:
        """Delete an artifact."""
        raise NotImplementedError

    def record_episode(self, episode: Episode) -> EpisodeHeader:
        """Store an episode."""
        raise NotImplementedError

    def publish_episode(self, uri: str, publish_in: str = "global") -> None:
        """Let a group read an episode."""
        raise NotImplementedError

    def list_episodes(
        self, filter: _Filter = None, include_tuples: bool = False
    ) -> list[EpisodeHeader] | list[EpisodeItem]:
        """List episodes."""
        raise NotImplementedError

    def delete_episode(self, uri: str) -> None:
        """Delete an episode."""
        raise NotImplementedError


class TupliAPIClient(TupliStorage):
    """A client of PyTupli's service.

    All clients share one login: that of the user's keyring.

    Attributes:
        base_url: Address of the service.
        timeout: Seconds for connecting and for silence, as `requests` takes them; None for what
            ``SELENITE_CONNECT_TIMEOUT`` and ``SELENITE_TIMEOUT`` say, or 10 and 300.
        retries: How often what may be sent twice is sent again; None for what
            ``SELENITE_RETRIES`` says, or 3.
    """

    timeout: float | tuple[float, float] | None = None
    retries: int | None = None

    def __init__(self) -> None:
        """Take the address that the keyring has, or the service of this machine."""
        from selenite import _settings

        from . import _keys

        _complete()
        url = _keys.get("base_url") or _settings.tupli_url() or _LOCAL
        self.base_url = url.rstrip("/")

    # -- requests

    def set_url(self, url: str) -> None:
        """Set the address of the service, for clients to come as well.

        Args:
            url: The address.
        """
        from . import _keys

        self.base_url = url.rstrip("/")
        _keys.put("base_url", self.base_url)

    def _get_bearer_token(self) -> dict[str, str]:
        """The header of the login, which is renewed if there is no token."""
        from . import _login

        token = _login.access()
        return self._refresh_token() if token is None else {"Authorization": f"Bearer {token}"}

    def _refresh_token(self) -> dict[str, str]:
        """Get a new token, and give the header of the login."""
        from ._calls import renew

        return renew(self)

    def _authenticated_request(self, method: str, url: str, **kwargs: Any) -> requests.Response:
        """Send a request with the login.

        Args:
            method: Method of HTTP.
            url: URL.
            kwargs: What `requests` takes: ``params``, ``json``, ``data``, ``files``, ``headers``,
                ``timeout``, ``stream``.

        Returns:
            The answer, which is a success.

        Raises:
            TupliStorageError: If there is none, or no login.
        """
        from ._calls import authenticated

        return authenticated(self, method, url, **kwargs)

    def _get(self, kind: Any, path: str, **params: Any) -> Any:
        given = {"params": params} if params else {}
        try:
            response = self._authenticated_request("GET", f"{self.base_url}/{path}", **given)
        except TupliStorageError as error:
            from ._artifacts import explained

            better = explained(error, next(iter(params.values()), None))
            if better is error:
                raise
            raise better from error
        return self._parsed(kind, response)

    def _post(self, kind: Any, path: str, body: Any) -> Any:
        url = f"{self.base_url}/{path}"
        try:
            response = self._authenticated_request("POST", url, json=body)
        except TupliStorageError as error:
            is_sent = error.status_code is not None or isinstance(error, TupliConnectionError)
            place = None if is_sent else _given.unsendable(body)
            if not place:
                raise
            raise error_with(type(error), f"{error} (in {place})", url=error.url) from error
        return self._parsed(kind, response)

    def _put(self, path: str, **params: Any) -> None:
        self._authenticated_request("PUT", f"{self.base_url}/{path}", params=params)

    def _delete(self, path: str, **params: Any) -> None:
        from ._artifacts import is_hash
        from ._log import logger

        self._authenticated_request("DELETE", f"{self.base_url}/{path}", params=params)
        for name, value in params.items():
            if name.endswith("_id") and is_hash(value):
                logger().warning(
                    "%s is a content hash, and nothing was deleted: pass the item's id", value
                )

    def _parsed(self, kind: Any, response: requests.Response) -> Any:
        from ._artifacts import parsed

        return parsed(kind, response)

    # -- users, groups and roles

    def signup(self, username: str, password: str) -> User:
        """Make a user: with the login, if there is one that may, or as anybody.

        Args:
            username: Its name.
            password: Its password.

        Returns:
            The user, without the password.

        Raises:
            TupliStorageError: If the service refuses.
        """
        from ._calls import unauthenticated

        url = f"{self.base_url}/access/users/create"
        body = {"username": username, "password": password}
        try:
            response = self._authenticated_request("POST", url, json=body)
        except TupliStorageError as error:
            # Without a status, there was no login to send; a login that is dead is none.
            is_refused = error.status_code in (None, 401, 403)
            if not is_refused or isinstance(error, TupliConnectionError):
                text = str(error)
                for start in ("API request failed: ", "Request failed: "):
                    text = text.removeprefix(start)
                facts = (error.status_code, error.detail, error.url)
                raise error_with(type(error), f"Signup failed: {text}", *facts) from error
            response = unauthenticated(self, url, body, "Signup failed")
        found: User = self._parsed(UserOut, response)
        return found

    def login(self, username: str, password: str, url: str | None = None) -> None:
        """Log in: all clients of the keyring, in all processes.

        Args:
            username: Name of the user.
            password: The password, which is not kept.
            url: Address of the service, if it is to be set.

        Raises:
            TupliStorageError: If the service refuses; an older login stays.
        """
        from . import _login
        from ._calls import tokens, unauthenticated

        if url:
            self.set_url(url)
        body = {"username": username, "password": password}
        place = f"{self.base_url}/access/users/token"
        response = unauthenticated(self, place, body, "Login failed")
        _login.keep(*tokens(response), self.base_url)

    def list_users(self) -> list[User]:
        """List all users.

        Returns:
            The users, without passwords.
        """
        found: list[User] = self._get(list[UserOut], "access/users/list")
        return found

    def change_password(self, username: str, new_password: str) -> None:
        """Change a password.

        Args:
            username: Name of the user.
            new_password: The new password.
        """
        url = f"{self.base_url}/access/users/change-password"
        body = {"username": username, "password": new_password}
        self._authenticated_request("PUT", url, json=body)

    def delete_user(self, username: str) -> None:
        """Delete a user.

        Args:
            username: Name of the user.
        """
        self._delete("access/users/delete", username=username)

    def create_group(self, group: Group) -> Group:
        """Make a group, whose administrator the user becomes.

        Args:
            group: The group.
        """
        found: Group = self._post(Group, "access/groups/create", _dumped(group))
        return found

    def list_groups(self) -> list[Group]:
        """List the groups of the service."""
        found: list[Group] = self._get(list[Group], "access/groups/list")
        return found

    def read_group(self, group_name: str) -> GroupWithMembers:
        """Say who is in a group.

        Args:
            group_name: Its name.
        """
        found: GroupWithMembers = self._get(
            GroupWithMembers, "access/groups/read", group_name=group_name
        )
        return found

    def delete_group(self, group_name: str) -> None:
        """Delete a group.

        Args:
            group_name: Its name.
        """
        self._delete("access/groups/delete", group_name=group_name)

    def add_group_members(self, group_membership_query: GroupMembershipQuery) -> GroupWithMembers:
        """Set the roles of users in a group.

        Args:
            group_membership_query: Group, users and roles.
        """
        body = _dumped(group_membership_query)
        found: GroupWithMembers = self._post(GroupWithMembers, "access/groups/add-members", body)
        return found

    def remove_group_members(
        self, group_membership_query: GroupMembershipQuery
    ) -> GroupWithMembers:
        """Take users out of a group.

        Args:
            group_membership_query: Group and users.
        """
        body = _dumped(group_membership_query)
        found: GroupWithMembers = self._post(GroupWithMembers, "access/groups/remove-members", body)
        return found

    def list_roles(self) -> list[UserRole]:
        """List the roles of the service."""
        found: list[UserRole] = self._get(list[UserRole], "access/roles/list")
        return found

    def create_role(self, role: UserRole) -> UserRole:
        """Make a role.

        Args:
            role: The role.
        """
        found: UserRole = self._post(UserRole, "access/roles/create", _dumped(role))
        return found

    def delete_role(self, role_name: str) -> None:
        """Delete a role.

        Args:
            role_name: Its name.
        """
        self._delete("access/roles/delete", role_name=role_name)

    # -- benchmarks

    def store_benchmark(self, benchmark_query: BenchmarkQuery) -> BenchmarkHeader:
        """Store a benchmark.

        Args:
            benchmark_query: The benchmark.

        Raises:
            TupliStorageError: If the user, or all, have one of the same hash.
        """
        _given.warn_of_benchmark(benchmark_query)
        body = _dumped(benchmark_query)
        found: BenchmarkHeader = self._post(BenchmarkHeader, "benchmarks/create", body)
        return found

    def load_benchmark(self, uri: str) -> Benchmark:
        """Load a benchmark.

        Args:
            uri: Its id.
        """
        found: Benchmark = self._get(Benchmark, "benchmarks/load", benchmark_id=uri)
        return found

    def list_benchmarks(self, filter: _Filter = None) -> list[BenchmarkHeader]:
        """List the benchmarks that the user may read.

        Args:
            filter: What is looked for.
        """
        body = _filter_body(filter)
        found: list[BenchmarkHeader] = self._post(list[BenchmarkHeader], "benchmarks/list", body)
        return found

    def delete_benchmark(self, uri: str) -> None:
        """Delete a benchmark.

        Args:
            uri: Its id.
        """
        self._delete("benchmarks/delete", benchmark_id=uri)

    def publish_benchmark(self, uri: str, publish_in: str = "global") -> None:
        """Let a group read a benchmark.

        Args:
            uri: Its id.
            publish_in: Name of the group.
        """
        self._put("benchmarks/publish", benchmark_id=uri, publish_in=publish_in)

    def unpublish_benchmark(self, uri: str, unpublish_from: str) -> None:
        """Take a benchmark from a group.

        Args:
            uri: Its id.
            unpublish_from: Name of the group.
        """
        self._put("benchmarks/unpublish", benchmark_id=uri, unpublish_from=unpublish_from)

    # -- artifacts

    def store_artifact(self, artifact: _Artifact, metadata: _Metadata) -> ArtifactMetadataItem:
        """Store an artifact, piece by piece.

        Args:
            artifact: Bytes or a view of them, text, the path of a file (not as text), or an open
                file, which is read from where it stands.
            metadata: What is said of it.

        Returns:
            What is known of it: of an older one if the user has stored the same content before.

        Raises:
            TupliStorageError: If it was not stored.
        """
        from ._artifacts import store

        metadata = _given.as_metadata(metadata)
        _given.warn_of_artifact(metadata)
        _given.warn_of_characters(metadata)
        return store(self, artifact, metadata)

    def store_artifacts(
        self, artifacts: Iterable[tuple[_Artifact, _Metadata]], workers: int | None = None
    ) -> list[ArtifactMetadataItem]:
        """Store artifacts, several at a time.

        Args:
            artifacts: Content and metadata of each, as `store_artifact` takes them.
            workers: How many at a time, by default as ``SELENITE_JOBS`` says, or 8.

        Returns:
            What is known of each, in order.
        """
        from ._artifacts import together

        return together(lambda one: self.store_artifact(*one), artifacts, workers)

    def load_artifact(self, uri: str, **kwargs: Any) -> bytes:
        """Load an artifact.

        Args:
            uri: Its id.
            kwargs: Not looked at.

        Raises:
            TupliStorageError: If there is none, or it comes other than it was stored.
        """
        from ._artifacts import load

        return load(self, uri)

    def load_artifacts(self, uris: Iterable[str], workers: int | None = None) -> list[bytes]:
        """Load artifacts, several at a time.

        Args:
            uris: Their ids.
            workers: How many at a time, by default as ``SELENITE_JOBS`` says, or 8.

        Returns:
            Their contents, in order.
        """
        from ._artifacts import together

        return together(self.load_artifact, uris, workers)

    def download_artifact(self, uri: str, path: str | os.PathLike[str]) -> None:
        """Load an artifact into a file, which has its name when it is whole and verified.

        Args:
            uri: Its id.
            path: The file, which is replaced if there is one.

        Raises:
            TupliStorageError: If there is none, or it comes other than it was stored.
        """
        from ._artifacts import download

        download(self, uri, path)

    def list_artifacts(self, filter: _Filter = None) -> list[ArtifactMetadataItem]:
        """List the artifacts that the user may read.

        Args:
            filter: What is looked for.
        """
        body = _filter_body(filter)
        kind = list[ArtifactMetadataItem]
        found: list[ArtifactMetadataItem] = self._post(kind, "artifacts/list", body)
        return found

    def delete_artifact(self, uri: str) -> None:
        """Delete an artifact.

        Args:
            uri: Its id.
        """
        self._delete("artifacts/delete", artifact_id=uri)

    def publish_artifact(self, uri: str, publish_in: str = "global") -> None:
        """Let a group read an artifact.

        Args:
            uri: Its id.
            publish_in: Name of the group.
        """
        self._put("artifacts/publish", artifact_id=uri, publish_in=publish_in)

    def unpublish_artifact(self, uri: str, unpublish_from: str) -> None:
        """Take an artifact from a group.

        Args:
            uri: Its id.
            unpublish_from: Name of the group.
        """
        self._put("artifacts/unpublish", artifact_id=uri, unpublish_from=unpublish_from)

    # -- episodes

    def record_episode(self, episode: Episode) -> EpisodeHeader:
        """Store an episode.

        Args:
            episode: The episode.

        Raises:
            TupliStorageError: If it was not stored; the message names what cannot be sent.
        """
        _given.warn_of_episode(episode)
        found: EpisodeHeader = self._post(EpisodeHeader, "episodes/record", _dumped(episode))
        return found

    def publish_episode(self, uri: str, publish_in: str = "global") -> None:
        """Let a group read an episode.

        Args:
            uri: Its id.
            publish_in: Name of the group.
        """
        self._put("episodes/publish", episode_id=uri, publish_in=publish_in)

    def unpublish_episode(self, uri: str, unpublish_from: str) -> None:
        """Take an episode from a group.

        Args:
            uri: Its id.
            unpublish_from: Name of the group.
        """
        self._put("episodes/unpublish", episode_id=uri, unpublish_from=unpublish_from)

    def list_episodes(
        self, filter: _Filter = None, include_tuples: bool = False
    ) -> list[EpisodeHeader] | list[EpisodeItem]:
        """List the episodes that the user may read.

        Args:
            filter: What is looked for.
            include_tuples: Whether their steps are wanted, too.
        """
        kind: Any = list[EpisodeItem] if include_tuples else list[EpisodeHeader]
        body = {**_filter_body(filter), "include_tuples": include_tuples}
        found: list[EpisodeHeader] | list[EpisodeItem] = self._post(kind, "episodes/list", body)
        return found

    def iter_episodes(self, filter: _Filter = None, batch_size: int = 100) -> Iterator[EpisodeItem]:
        """Go through episodes with their steps, some of which are in memory at a time.

        Args:
            filter: What is looked for.
            batch_size: How many are asked for at a time.

        Yields:
            The episodes, in the order in which the service lists them.
        """
        uris = [episode.id for episode in self.list_episodes(filter)]
        for start in range(0, len(uris), batch_size):
            batch = uris[start : start + batch_size]
            wanted = FilterIN(key="id", value=batch)
            found = {one.id: one for one in self.list_episodes(wanted, include_tuples=True)}
            # Somebody may have deleted one meanwhile.
            yield from (found[uri] for uri in batch if uri in found)  # type: ignore[misc]

    def delete_episode(self, uri: str) -> None:
        """Delete an episode.

        Args:
            uri: Its id.
        """
        self._delete("episodes/delete", episode_id=uri)


def _dumped(model: Any) -> Any:
    """What is sent of a model."""
    try:
        return model.model_dump()
    except ValueError as error:
        message = f"Request failed: {error}"
        raise TupliStorageError(message) from error


def _filter_body(filter: Any) -> dict[str, Any]:
    if not filter:
        return {}
    if isinstance(filter, dict):
        filter = BaseFilter.model_validate(filter)
    body: dict[str, Any] = filter.model_dump()
    return body


_USER = "local_storage"


class FileStorage(TupliStorage):
    """A storage in files, without a service.

    Attributes:
        storage_dir: Where the files are.
    """

    def __init__(self, storage_base_dir: str | os.PathLike[str] = "_local_storage") -> None:
        """Make the folder if need be.

        Args:
            storage_base_dir: Where the files are.

        Raises:
            TupliStorageError: If it cannot be made.
        """
        _complete()
        self.storage_dir = Path(storage_base_dir)
        try:
            self.storage_dir.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            message = f"Failed to create storage directory: {error}"
            raise TupliStorageError(message) from error

    @property
    def _benchmarks(self) -> Path:
        return self.storage_dir / "benchmarks"

    @property
    def _artifacts(self) -> Path:
        return self.storage_dir / "artifacts"

    @property
    def _episodes(self) -> Path:
        return self.storage_dir / "episodes"

    def convert_filter_to_function(self, filter_obj: _Filter) -> Callable[[dict[str, Any]], bool]:
        """Make a function that says of a record whether it is looked for.

        Args:
            filter_obj: What is looked for.

        Example:
            >>> import tempfile
            >>> from pytupli.schema import FilterGT
            >>> from pytupli.storage import FileStorage
            >>> storage = FileStorage(tempfile.mkdtemp())
            >>> is_long = storage.convert_filter_to_function(FilterGT(key="n_tuples", value=2))
            >>> is_long({"n_tuples": 3}), is_long({})
            (True, False)
        """
        from ._matching import predicate
        from ._records import as_filter

        return predicate(as_filter(filter_obj))

    def _storing(self) -> AbstractContextManager[None]:
        """Let nobody else look meanwhile whether something is stored already."""
        from hashlib import sha256

        from ._locking import locked

        place = sha256(os.fsencode(os.path.realpath(self.storage_dir))).hexdigest()
        return locked(f"pytupli-{place[:16]}")

    def _write(self, folder: Path, item: Any, kind: str) -> None:
        from ._records import SUFFIX, write

        try:
            write(str(folder / f"{item.id}{SUFFIX}"), item.model_dump(), kind)
        except OSError as error:
            message = f"Failed to store {kind}: {error}"
            raise TupliStorageError(message) from error

    def _remove(self, uri: str, kind: str, path: str, first: str | None = None) -> None:
        from ._records import taken_away

        try:
            with taken_away(first):
                os.unlink(path)
        except OSError as error:
            message = f"Failed to delete {kind} {uri}: {error}"
            raise TupliStorageError(message) from error

    # -- benchmarks

    def store_benchmark(self, benchmark_query: BenchmarkQuery) -> BenchmarkHeader:
        """Store a benchmark.

        Args:
            benchmark_query: The benchmark.

        Returns:
            What is known of it: of an older one if there is one of the same hash.
        """
        from ._records import SUFFIX, same

        _given.warn_of_benchmark(benchmark_query)
        with self._storing():
            older = same(self._benchmarks, SUFFIX, benchmark_query.hash, BenchmarkHeader)
            if older is not None:
                return older  # type: ignore[no-any-return]
            item = Benchmark.create_new(
                created_by=_USER,
                hash=benchmark_query.hash,
                metadata=benchmark_query.metadata,
                serialized=benchmark_query.serialized,
            )
            self._write(self._benchmarks, item, "benchmark")
        return BenchmarkHeader.model_validate(item.model_dump())

    def load_benchmark(self, uri: str) -> Benchmark:
        """Load a benchmark.

        Args:
            uri: Its id.

        Raises:
            TupliStorageError: If there is none, or it cannot be read.
        """
        import json

        from ._records import SUFFIX, found

        path = found(self._benchmarks, uri, SUFFIX, "Benchmark")
        try:
            record = json.loads(Path(path).read_bytes())
        except (OSError, ValueError) as error:
            message = f"Failed to parse JSON from benchmark {uri}: {error}"
            raise TupliStorageError(message) from error
        try:
            return Benchmark.model_validate(record)
        except ValueError as error:
            message = f"Invalid benchmark data for {uri}: {error}"
            raise TupliStorageError(message) from error

    def list_benchmarks(self, filter: _Filter = None) -> list[BenchmarkHeader]:
        """List benchmarks.

        Args:
            filter: What is looked for; a key that a record does not have matches nothing.
        """
        from ._records import SUFFIX, matching

        return matching(self._benchmarks, SUFFIX, filter, BenchmarkHeader)

    def delete_benchmark(self, uri: str) -> None:
        """Delete a benchmark.

        Args:
            uri: Its id.
        """
        from ._records import SUFFIX, found

        path = found(self._benchmarks, uri, SUFFIX, "Benchmark")
        self._remove(uri, "benchmark", path)

    def publish_benchmark(self, uri: str, publish_in: str = "global") -> None:
        """Do nothing: all can read what is in files.

        Args:
            uri: Its id.
            publish_in: Name of a group.
        """
        _say_nothing_is_published("benchmark", uri)

    def unpublish_benchmark(self, uri: str, unpublish_from: str) -> None:
        """Do nothing.

        Args:
            uri: Its id.
            unpublish_from: Name of a group.
        """
        _say_nothing_is_published("benchmark", uri)

    # -- artifacts

    def store_artifact(self, artifact: _Artifact, metadata: _Metadata) -> ArtifactMetadataItem:
        """Store an artifact.

        Args:
            artifact: Bytes or a view of them, text, the path of a file (not as text), or an open
                file, which is read from where it stands.
            metadata: What is said of it.

        Returns:
            What is known of it: of an older one if there is one of the same content.
        """
        import hashlib
        from uuid import uuid4

        from selenite._placing import part_of

        from . import _sources
        from ._records import METADATA_SUFFIX, same

        metadata = _given.as_metadata(metadata)
        digest = hashlib.sha256()
        try:
            self._artifacts.mkdir(parents=True, exist_ok=True)
            start = os.path.join(self._artifacts, "artifact")
            with _sources.opened(artifact) as source, part_of(start) as (part, file):
                for block in source.blocks():
                    digest.update(block)
                    file.write(block)
                file.flush()
                os.fsync(file.fileno())
                file.close()
                value = digest.hexdigest()
                with self._storing():
                    older = same(self._artifacts, METADATA_SUFFIX, value, ArtifactMetadataItem)
                    if older is not None:
                        return older  # type: ignore[no-any-return]
                    # What was not described before a process died has the same name again.
                    uri = value[:32]
                    if os.path.lexists(self._artifacts / f"{uri}{METADATA_SUFFIX}"):
                        uri = uuid4().hex
                    path = str(self._artifacts / uri)
                    os.rename(part, path)
                    # What is described can be loaded.
                    return _describe(path, uri, value, metadata)
        except (OSError, UnicodeEncodeError) as error:
            message = f"Failed to store artifact: {error}"
            raise TupliStorageError(message) from error

    def load_artifact(self, uri: str, **kwargs: Any) -> bytes:
        """Load an artifact.

        Args:
            uri: Its id.
            kwargs: Not looked at.

        Raises:
            TupliStorageError: If there is none, or its content is not what was stored.
        """
        import hashlib
        import json

        from ._log import logger
        from ._records import METADATA_SUFFIX, found

        path = found(self._artifacts, uri, "", "Artifact")
        try:
            content = Path(path).read_bytes()
        except OSError as error:
            message = f"Failed to load artifact {uri}: {error}"
            raise TupliStorageError(message) from error
        try:
            record = json.loads(Path(f"{path}{METADATA_SUFFIX}").read_bytes())
            expected = record.get("hash")
        except (OSError, ValueError, AttributeError) as error:
            # It may be one that somebody has put there by hand.
            logger().info("artifact %s is not verified: %s", uri, error)
            return content
        if isinstance(expected, str) and hashlib.sha256(content).hexdigest() != expected:
            message = f"Failed to load artifact {uri}: its content has another hash"
            raise TupliStorageError(message)
        return content

    def list_artifacts(self, filter: _Filter = None) -> list[ArtifactMetadataItem]:
        """List artifacts.

        Args:
            filter: What is looked for; a key that a record does not have matches nothing.
        """
        from ._records import METADATA_SUFFIX, matching

        return matching(self._artifacts, METADATA_SUFFIX, filter, ArtifactMetadataItem)

    def delete_artifact(self, uri: str) -> None:
        """Delete an artifact.

        Args:
            uri: Its id.
        """
        from ._records import METADATA_SUFFIX, found

        path = found(self._artifacts, uri, "", "Artifact")
        # What is described can be loaded.
        self._remove(uri, "artifact", path, f"{path}{METADATA_SUFFIX}")

    def publish_artifact(self, uri: str, publish_in: str = "global") -> None:
        """Do nothing: all can read what is in files.

        Args:
            uri: Its id.
            publish_in: Name of a group.
        """
        _say_nothing_is_published("artifact", uri)

    def unpublish_artifact(self, uri: str, unpublish_from: str) -> None:
        """Do nothing.

        Args:
            uri: Its id.
            unpublish_from: Name of a group.
        """
        _say_nothing_is_published("artifact", uri)

    # -- episodes

    def record_episode(self, episode: Episode) -> EpisodeHeader:
        """Store an episode.

        Args:
            episode: The episode, of a benchmark that is stored.

        Raises:
            TupliStorageError: If its benchmark is not stored, or it has no steps.
        """
        from ._records import SUFFIX, is_name

        uri = episode.benchmark_id
        if not is_name(uri) or not os.path.isfile(self._benchmarks / f"{uri}{SUFFIX}"):
            message = f"Referenced benchmark with ID {uri} does not exist"
            raise TupliStorageError(message)
        if not episode.tuples:
            message = "Failed to store episode: it has no tuples"
            raise TupliStorageError(message)
        _given.warn_of_episode(episode)
        item = EpisodeItem.create_new(created_by=_USER, **episode.model_dump())
        self._write(self._episodes, item, "episode")
        return EpisodeHeader.model_validate(item.model_dump(exclude={"tuples"}))

    def publish_episode(self, uri: str, publish_in: str = "global") -> None:
        """Do nothing: all can read what is in files.

        Args:
            uri: Its id.
            publish_in: Name of a group.
        """
        _say_nothing_is_published("episode", uri)

    def unpublish_episode(self, uri: str, unpublish_from: str) -> None:
        """Do nothing.

        Args:
            uri: Its id.
            unpublish_from: Name of a group.
        """
        _say_nothing_is_published("episode", uri)

    def list_episodes(
        self, filter: _Filter = None, include_tuples: bool = False
    ) -> list[EpisodeHeader] | list[EpisodeItem]:
        """List episodes.

        Args:
            filter: What is looked for; a key that a record does not have matches nothing.
            include_tuples: Whether their steps are wanted, too.
        """
        from ._records import SUFFIX, matching

        kind = EpisodeItem if include_tuples else EpisodeHeader
        return matching(self._episodes, SUFFIX, filter, kind)

    def delete_episode(self, uri: str) -> None:
        """Delete an episode.

        Args:
            uri: Its id.
        """
        from ._records import SUFFIX, found

        path = found(self._episodes, uri, SUFFIX, "Episode")
        self._remove(uri, "episode", path)


def _say_nothing_is_published(kind: str, uri: str) -> None:
    from ._log import logger

    logger().info("%s %s is in files, which are read by whoever may read them", kind, uri)


def _describe(path: str, uri: str, value: str, metadata: ArtifactMetadata) -> ArtifactMetadataItem:
    """Write what is known of an artifact beside it, or remove it."""
    from ._records import METADATA_SUFFIX, write

    said = metadata.model_dump(serialize_as_any=True)
    taken = {name: one for name, one in said.items() if name in ArtifactMetadata.model_fields}
    item = ArtifactMetadataItem.create_new(**taken, id=uri, created_by=_USER, hash=value)
    try:
        write(f"{path}{METADATA_SUFFIX}", {**said, **item.model_dump()}, "artifact metadata")
    except BaseException:
        os.unlink(path)
        raise
    return item
