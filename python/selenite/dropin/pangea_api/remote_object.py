"""What all objects of the service have in common: how they are read, made, changed and deleted."""

from __future__ import annotations

import copy
import logging
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from requests.exceptions import HTTPError

from .file_system_cache import FileSystemCache, clear_key, hash_obj
from .knex import PangeaInternalError, PangeaNotFoundError, PangeaOtherError, error_of
from .utils import paginated_iterator

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from .knex import Knex

logger = logging.getLogger(__name__)
logger.addHandler(logging.NullHandler())

_MADE_BY_SERVICE = {"uuid", "created_at", "updated_at"}


class RemoteObjectError(Exception):
    """An object cannot be used so, or not as it is."""


class RemoteObjectOverwriteError(RemoteObjectError):
    """The service has another value of a field than the object."""


class RemoteObject:
    """An object of the service.

    It is made without a request. `get` reads it, `create` makes it on the server, `idem` does
    whichever is needed, and `save` writes what was changed.
    """

    remote_fields: list[str] = []
    optional_remote_fields: list[str] = []
    parent_field: str | None = None

    # Where objects of this kind are read and written by their uuid.
    _place = ""
    # Fields that are never sent if they are blank, as the service refuses that.
    _never_blank: tuple[str, ...] = ()
    # Whether the path of its name ends in a slash.
    _has_slash = True
    # The parts of its path before its name.
    _path: tuple[str, ...] = ()

    knex: Knex
    uuid: str | None
    name: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Begin an object that nothing is known of."""
        self._already_fetched = False
        self._modified = False
        self._deleted = False
        self._loaded: dict[str, Any] = {}
        self._keys: set[str] = set()
        self.blob = None
        self.uuid = None
        self.cache = FileSystemCache()
        self.url_options: dict[str, Any] = {}

    def __setattr__(self, key: str, value: Any) -> None:
        """Note that a field is changed."""
        if key in self.remote_fields or key == self.parent_field:
            if self.__dict__.get("_deleted"):
                raise RemoteObjectError("This object has been deleted.")
            super().__setattr__("_modified", True)
        super().__setattr__(key, value)

    @property
    def _parent(self) -> Any:
        return getattr(self, self.parent_field) if self.parent_field else None

    @property
    def inherited_url_options(self) -> dict[str, Any]:
        """What is added to URLs, by this object and those above it."""
        options = dict(self.url_options)
        if self._parent is not None:
            options.update(self._parent.inherited_url_options)
        return options

    def pre_hash(self) -> str:
        """Give the text that the object is kept by in the cache."""
        raise NotImplementedError

    def nested_url(self) -> str:
        """Give the path of names that leads to the object, as plain text."""
        return "/".join(self._segments())

    def _segments(self) -> list[str]:
        above = self._parent._segments() if self._parent is not None else []
        return [*above, *self._path, self._own_name()]

    def _own_name(self) -> str:
        return self.name

    def _name_field(self) -> str:
        """The field that holds what `_own_name` gives."""
        return "name"

    def load_blob(self, blob: dict[str, Any]) -> None:
        """Take the fields from an answer of the service.

        Args:
            blob: The answer.

        Raises:
            KeyError: If it lacks one.
            RemoteObjectOverwriteError: If a field that was set here has another value there.
        """
        self._check_deleted()
        found: dict[str, Any] = {}
        for field in self.remote_fields:
            current = getattr(self, field, None)
            if field not in blob:
                if field not in self.optional_remote_fields:
                    message = (
                        f"Key {field} is missing for object {self} "
                        f"(type {type(self)}) in blob: {blob}"
                    )
                    raise KeyError(message)
                found[field] = None
                continue
            found[field] = new = blob[field]
            if current and not _agrees(current, new, field == self._name_field()):
                message = (
                    f'Loading blob would overwrite field "{field}":\n'
                    f'\tcurrent: "{current}" (type: "{type(current)}")\n'
                    f'\tnew:     "{new}" (type: "{type(new)}")'
                )
                raise RemoteObjectOverwriteError(message)
        for field, value in found.items():
            setattr(self, field, value)
        self._note()

    def _note(self) -> None:
        """Note the values that the service has now."""
        values = {field: getattr(self, field, None) for field in self.remote_fields}
        self._loaded = copy.deepcopy(values)

    def _sendable(self, field: str) -> Any:
        """The value of a field as it is sent."""
        value = getattr(self, field, None)
        return value.strip() if field == self._name_field() and isinstance(value, str) else value

    def _changes(self) -> dict[str, Any]:
        """What differs from what the service has."""
        values = {
            field: self._sendable(field)
            for field in self.remote_fields
            if field not in _MADE_BY_SERVICE and field in self.__dict__
        }
        return {
            field: value
            for field, value in values.items()
            if value != self._loaded.get(field)
            and (value or field not in self._never_blank)
            and not (value is None and field not in self._loaded)
        }

    def _check_deleted(self) -> None:
        if self._deleted:
            raise RemoteObjectError("This object has been deleted.")

    def _check_name(self) -> None:
        if not isinstance(self._own_name(), str) or not self._own_name().strip():
            raise ValueError(f"{type(self).__name__} needs a name")

    def get(self) -> Any:
        """Read the object, unless that has been done.

        Raises:
            PangeaNotFoundError: If the service has no such object.
            RemoteObjectOverwriteError: If it has another value of a field.
        """
        self._check_deleted()
        if not self._already_fetched:
            self._get()
            self._already_fetched = True
            self._modified = False
        return self

    def create(self) -> Any:
        """Make the object on the server, with those above it that are not there.

        Raises:
            PangeaGeneralError: If the service refuses.
        """
        self._check_deleted()
        if not self._already_fetched:
            self._check_name()
            self.invalidate_cache()
            self._create()
            self._already_fetched = True
            self._modified = False
        return self

    def save(self) -> None:
        """Write what was changed, if anything was.

        Raises:
            RemoteObjectError: If the object has not been read.
        """
        self._check_deleted()
        if not self._already_fetched:
            raise RemoteObjectError(
                "Attempting to SAVE an object which has not been fetched is disallowed."
            )
        if not self._modified and not self._changes():
            return
        self._check_name()
        self.invalidate_cache()
        self._save()
        self._modified = False

    def idem(self) -> Any:
        """Read the object, or make it; if it was read, write what was changed."""
        self._check_deleted()
        if self._already_fetched:
            self.save()
            return self
        try:
            self.get()
        except PangeaNotFoundError:
            try:
                self.create()
            except PangeaOtherError as error:
                # Somebody else may have made it meanwhile.
                if error.response is None or error.response.status_code != 400:
                    raise
                try:
                    self.get()
                except PangeaNotFoundError:
                    raise error from None
        return self

    def exists(self) -> bool:
        """Say whether the service has the object."""
        if self._deleted:
            return False
        try:
            self.get()
        except PangeaNotFoundError:
            return False
        return True

    def delete(self) -> None:
        """Delete the object, and what is below it. It cannot be used any more.

        Raises:
            PangeaNotFoundError: If the service has no such object.
        """
        self._check_deleted()
        if not self.uuid:
            self.invalidate_cache()
            if self._parent is not None:
                self._parent.get()
            self.get()
        self.knex._call("delete", f"{self._place}/{self.uuid}", None, self.inherited_url_options)
        self.invalidate_cache()
        self._already_fetched = False
        self._deleted = True

    def cache_blob(self, blob: Any) -> None:
        """Keep an answer of the service.

        Args:
            blob: The answer.
        """
        self._keys.add(hash_obj(self))
        self.cache.cache_blob(self, blob)

    def get_cached_blob(self) -> Any:
        """Give the answer of the service that is kept, None if none is."""
        self._keys.add(hash_obj(self))
        return self.cache.get_cached_blob(self)

    def invalidate_cache(self) -> None:
        """Forget the answers that are kept of this object."""
        self.cache.clear_blob(self)
        for key in self._keys:
            clear_key(key)

    def _create(self) -> None:
        raise NotImplementedError(f"{type(self).__name__} cannot be made by a client")

    def _get(self) -> None:
        raise NotImplementedError(f"{type(self).__name__} cannot be read by its name")

    def _save(self) -> None:
        """Send what was changed, and take the time of that from the answer."""
        changes = self._changes()
        if changes:
            self._patch(changes)

    def _patch(self, changes: dict[str, Any]) -> dict[str, Any]:
        place = f"{self._place}/{self.uuid}"
        answer: dict[str, Any] = self.knex._call(
            "patch", place, changes, self.inherited_url_options
        )
        for field in changes:
            # Names are trimmed.
            if isinstance(getattr(self, field), str) and isinstance(answer.get(field), str):
                setattr(self, field, answer[field])
        if "updated_at" in answer:
            self.updated_at = answer["updated_at"]
        self._note()
        return answer

    def _post(self, body: dict[str, Any], place: str | None = None) -> None:
        options = {"format": "json", **self.inherited_url_options}
        self.load_blob(self.knex._call("post", place or self._place, body, options))

    def _set_values(self, fields: Iterable[str] | None = None) -> dict[str, Any]:
        """The fields that have a value, as they are sent with a new object."""
        wanted = self.remote_fields if fields is None else fields
        values = {field: self._sendable(field) for field in wanted if field not in _MADE_BY_SERVICE}
        return {
            field: value
            for field, value in values.items()
            if value is not None and (value or field not in self._never_blank)
        }

    def _read(self, read: Callable[[], dict[str, Any]]) -> None:
        """Take the object from the cache, or else from the service."""
        self._check_name()
        blob = self.get_cached_blob()
        if blob:
            try:
                self.load_blob(blob)
            except (KeyError, RemoteObjectError) as error:
                logger.debug("%s is read anew: %s", self, error)
            else:
                return
        blob = read()
        # Under the key that it was asked for by: that may change with what is loaded.
        self.invalidate_cache()
        self.cache_blob(blob)
        try:
            self.load_blob(blob)
        except (KeyError, RemoteObjectError):
            self.invalidate_cache()
            raise

    def _by_name(self, **more: Any) -> dict[str, Any]:
        """Read the object by its name, or by a list where the name cannot be in a path."""
        if any(_is_odd(one) for one in self._names()) or (
            not self._has_slash and "." in self._own_name()
        ):
            return self._listed()
        path = "/".join(quote(one.strip(), safe="") for one in self._segments())
        options = {**more, **self.inherited_url_options}
        try:
            path += "/" if self._has_slash else ""
            blob: dict[str, Any] = self.knex._call("get", path, None, options)
        except PangeaInternalError:
            # Several organizations whose names differ in case.
            found = self._exact()
            if found is None:
                raise
            return found
        if blob.get(self._name_field()) == self._own_name().strip():
            return blob
        # The service does not look at case. What is there in another one is shown by `load_blob`.
        return self._exact() or blob

    def _names(self) -> list[str]:
        """The names on the path."""
        above = self._parent._names() if self._parent is not None else []
        return [*above, self._own_name()]

    def _exact(self) -> dict[str, Any] | None:
        try:
            return self._listed()
        except PangeaNotFoundError:
            return None

    def _listed(self) -> dict[str, Any]:
        """Find the object in a list."""
        name = self._own_name().strip()
        field = self._name_field()
        found = [one for one in self._candidates(name) if one.get(field) == name]
        if not found:
            raise self._missing()
        return max(found, key=lambda one: str(one.get("updated_at")))

    def _missing(self) -> PangeaNotFoundError:
        import requests

        response = requests.Response()
        response.status_code = 404
        response.reason = "Not Found"
        response.url = f"{self.knex.endpoint_url}/{self.nested_url()}"
        error = error_of(response, f"404 Client Error: Not Found for url: {response.url}")
        assert isinstance(error, PangeaNotFoundError)
        return error

    def _candidates(self, name: str) -> Iterator[dict[str, Any]]:
        """The objects of a list that may be meant."""
        raise NotImplementedError

    def _list(self, place: str, **filters: Any) -> Iterator[dict[str, Any]]:
        """The objects of a list: a filter without a value would list everything."""
        options = {**filters, **self.inherited_url_options}
        options = {key: value for key, value in options.items() if value not in (None, "")}
        return paginated_iterator(self.knex, self.knex._clean_url(place, options))

    def _ready(self) -> Any:
        """Be sure to know the uuid."""
        if not self.uuid:
            self.get()
        return self.uuid


def fresh(value: Any) -> Any:
    """Give what an argument stands for whose default is an empty object.

    Args:
        value: The argument.
    """
    return value if value or not (value is None or isinstance(value, dict)) else {}


def found(made: Any, blob: dict[str, Any]) -> Any:
    """Fill an object with an answer of the service.

    Args:
        made: The object.
        blob: The answer.
    """
    made.load_blob(blob)
    made._already_fetched = True
    made._modified = False
    return made


def _agrees(current: Any, new: Any, is_name: bool) -> bool:
    if isinstance(current, dict) and isinstance(new, dict):
        return all(key in new and new[key] == value for key, value in current.items())
    if is_name and isinstance(current, str):
        current = current.strip()
    return bool(current == new)


def _is_odd(name: str) -> bool:
    """Say whether a name cannot be in a path: the service takes it for something else."""
    name = name.strip()
    if not name or "/" in name or name in (".", ".."):
        return True
    from uuid import UUID

    try:
        UUID(name)
    except ValueError:
        return False
    return True


__all__ = [
    "FileSystemCache",
    "HTTPError",
    "RemoteObject",
    "RemoteObjectError",
    "RemoteObjectOverwriteError",
]
