"""Results of samples and of groups, and their fields: data, or files."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import warnings
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from . import _bodies
from ._names import blob_filename, referenced_filename
from .constants import FIVE_MB
from .knex import PangeaGeneralError, PangeaInternalError, error_of
from .remote_object import RemoteObject, RemoteObjectError, found, fresh

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .knex import Knex
    from .sample import Sample
    from .sample_group import SampleGroup

logger = logging.getLogger(__name__)
logger.addHandler(logging.NullHandler())


def _diff_dicts(suffix: str, depth: str, blob1: Any, blob2: Any) -> Iterator[tuple[str, Any, Any]]:
    """Tell the differences of two objects of JSON."""
    for key in [*blob1, *(key for key in blob2 if key not in blob1)]:
        where = f"{depth}.{key}"
        if key not in blob1 or key not in blob2:
            value1, value2 = blob1.get(key), blob2.get(key)
            side = "serialized" if key not in blob2 else "original"
            yield f"MISSING_KEY:{side}:{where}", value1, value2
        else:
            yield from _diff_values(suffix, where, blob1[key], blob2[key], "DICT")


def _diff_lists(suffix: str, depth: str, l1: Any, l2: Any) -> Iterator[tuple[str, Any, Any]]:
    """Tell the differences of two lists."""
    if len(l1) != len(l2):
        yield f"MISMATCHED_LENGTHS:{suffix}:{depth}", l1, l2
        return
    for index, (value1, value2) in enumerate(zip(l1, l2, strict=True)):
        yield from _diff_values(suffix, f"{depth}[{index}]", value1, value2, "LIST")


def _diff_values(
    suffix: str, where: str, value1: Any, value2: Any, kind: str
) -> Iterator[tuple[str, Any, Any]]:
    if type(value1) is not type(value2):
        yield f"MISMATCHED_TYPES:{suffix}:{where}", value1, value2
    elif isinstance(value1, dict):
        yield from _diff_dicts(suffix, where, value1, value2)
    elif isinstance(value1, list):
        yield from _diff_lists(suffix, where, value1, value2)
    elif value1 != value2:
        yield f"MISMATCHED_{kind}_VALUES:{suffix}:{where}", value1, value2


def diff_dicts(blob1: Any, blob2: Any) -> Iterator[tuple[str, Any, Any]]:
    """Tell the differences of two objects of JSON.

    Args:
        blob1: The first, which is called the original.
        blob2: The second, which is called the serialized one.

    Example:
        >>> list(diff_dicts({"a": 1}, {"a": 2}))
        [('MISMATCHED_DICT_VALUES:original:$.a', 1, 2)]
    """
    yield from _diff_values("original", "$", blob1, blob2, "DICT")


def check_json_serialization(blob: Any) -> None:
    """Refuse what is another thing after it was written and read as JSON.

    Args:
        blob: Anything.

    Raises:
        RemoteObjectError: If it is another thing.
        TypeError: If it cannot be written.
    """
    again = json.loads(json.dumps(blob))
    if again != blob:
        issues = "\n".join(str(one) for one in diff_dicts(blob, again))
        raise RemoteObjectError(f"JSON Serialization modifies object\nIssues:\n{issues}")


class AnalysisResult(RemoteObject):
    """A result, of a sample or of a group."""

    remote_fields = [
        "uuid",
        "created_at",
        "updated_at",
        "module_name",
        "replicate",
        "metadata",
        "description",
        "is_private",
        "pipeline_module",
    ]
    # Older services do not know them.
    optional_remote_fields = ["is_private", "pipeline_module"]
    _path = ("analysis_results",)
    _has_slash = False

    module_name: str
    replicate: str | None
    parent: Any

    def _begin(
        self, knex: Knex, module_name: str, replicate: str | None, metadata: Any, is_private: bool
    ) -> None:
        self.knex = knex
        self.parent = self._parent
        self.module_name = module_name
        self.replicate = replicate
        self._asked_replicate = replicate
        self.metadata = fresh(metadata)
        self.description = ""
        self.is_private = is_private
        self.pipeline_module: str | None = None
        self._get_field_cache: list[Any] | None = None

    def __str__(self) -> str:
        """Its name, replicate and uuid."""
        return f"<Pangea::Sample {self.module_name} {self.replicate} {self.uuid} />"

    __repr__ = __str__

    def pre_hash(self) -> str:
        """Give the text that it is kept by in the cache."""
        return self.module_name + str(self.parent.pre_hash()) + (self.replicate or "")

    def _own_name(self) -> str:
        return self.module_name

    def _name_field(self) -> str:
        return "module_name"

    def nested_url(self) -> str:
        """Give the path that leads to it, as plain text."""
        url = super().nested_url()
        return f"{url}?replicate={self.replicate}" if self.replicate else url

    def _options(self) -> dict[str, Any]:
        return {"replicate": self.replicate} if self.replicate else {}

    def _get(self) -> None:
        self.parent.idem()
        self._read(lambda: self._by_name(**self._options()))

    def _listed(self) -> dict[str, Any]:
        replicate, candidates = self.replicate, self._candidates
        if not replicate:
            return super()._listed()
        name = self.module_name.strip()
        for one in candidates(name):
            if one["module_name"] == name and one["replicate"] == replicate:
                return one
        raise self._missing()

    def _create(self) -> None:
        self.parent.idem()
        self._post({**self._sent_values(), self._owner: self.parent.uuid})

    def _sent_values(self) -> dict[str, Any]:
        values = self._set_values()
        return {key: value for key, value in values.items() if value or key == "metadata"}

    _owner = ""

    def _get_fields(self, cache: bool) -> Iterator[Any]:
        if cache and self._get_field_cache is not None:
            yield from self._get_field_cache
            return
        fields = []
        place = self.field("-").canon_url()
        for blob in self._list(place, analysis_result_id=self._ready()):
            fields.append(found(self.field(blob["name"]), blob))
            yield fields[-1]
        if cache:
            self._get_field_cache = fields

    def field(self, field_name: str, data: Any = {}) -> Any:  # noqa: B006
        """Give a field of the result, without a request."""
        raise NotImplementedError


class SampleAnalysisResult(AnalysisResult):
    """A result of a sample."""

    parent_field = "sample"
    _place = "sample_ars"
    _owner = "sample"

    def __init__(
        self,
        knex: Knex,
        sample: Sample,
        module_name: str,
        replicate: str | None = None,
        metadata: Any = {},  # noqa: B006
        is_private: bool = False,
    ) -> None:
        """Name it.

        Args:
            knex: The server.
            sample: Its sample.
            module_name: What it is a result of.
            replicate: Which one of several, the newest if that is not said.
            metadata: What is said of it.
            is_private: Whether only members of the organization may read it.
        """
        super().__init__()
        self.sample = sample
        self._begin(knex, module_name, replicate, metadata, is_private)

    def nested_url(self) -> str:
        """Give the path that leads to it, as plain text."""
        return super().nested_url()

    def _candidates(self, name: str) -> Iterator[dict[str, Any]]:
        return self._list(
            "sample_ars", sample_id=self.sample._ready(), module_name=name, **self._options()
        )

    def _create(self) -> None:
        super()._create()

    def _save(self) -> None:
        super()._save()

    def field(self, field_name: str, data: Any = {}) -> SampleAnalysisResultField:  # noqa: B006
        """Give a field of the result, without a request.

        Args:
            field_name: Its name.
            data: What it holds.
        """
        return SampleAnalysisResultField(self.knex, self, field_name, data=data)

    def get_fields(self, cache: bool = True) -> Iterator[SampleAnalysisResultField]:
        """Give all fields of the result.

        Args:
            cache: Whether they are remembered, and taken from there.
        """
        return self._get_fields(cache)


class SampleGroupAnalysisResult(AnalysisResult):
    """A result of a group of samples."""

    parent_field = "grp"
    _place = "sample_group_ars"
    _owner = "sample_group"

    def __init__(
        self,
        knex: Knex,
        grp: SampleGroup,
        module_name: str,
        replicate: str | None = None,
        metadata: Any = {},  # noqa: B006
        is_private: bool = False,
    ) -> None:
        """Name it.

        Args:
            knex: The server.
            grp: Its group.
            module_name: What it is a result of.
            replicate: Which one of several, the newest if that is not said.
            metadata: What is said of it.
            is_private: Whether only members of the organization may read it.
        """
        super().__init__()
        self.grp = grp
        self._begin(knex, module_name, replicate, metadata, is_private)

    def nested_url(self) -> str:
        """Give the path that leads to it, as plain text."""
        return super().nested_url()

    def _candidates(self, name: str) -> Iterator[dict[str, Any]]:
        return self._list("sample_group_ars", sample_group_id=self.grp._ready(), module_name=name)

    def _create(self) -> None:
        super()._create()

    def _save(self) -> None:
        super()._save()

    def field(self, field_name: str, data: Any = {}) -> SampleGroupAnalysisResultField:  # noqa: B006
        """Give a field of the result, without a request.

        Args:
            field_name: Its name.
            data: What it holds.
        """
        return SampleGroupAnalysisResultField(self.knex, self, field_name, data=data)

    def get_fields(self) -> Iterator[SampleGroupAnalysisResultField]:
        """Give all fields of the result."""
        return self._get_fields(False)


class AnalysisResultField(RemoteObject):
    """A field of a result: data, or a file that is kept elsewhere."""

    remote_fields = ["uuid", "created_at", "updated_at", "name", "stored_data"]
    parent_field = "parent"
    _path = ("fields",)
    _has_slash = False

    def __init__(self, knex: Knex, parent: Any, field_name: str, data: Any = {}) -> None:  # noqa: B006
        """Name it.

        Args:
            knex: The server.
            parent: Its result.
            field_name: Its name.
            data: What it holds.
        """
        super().__init__()
        self.knex = knex
        self.parent = parent
        self.name = field_name
        self.stored_data = {} if data is None else fresh(data)
        self._cached_filename: str | None = None
        self._temporary: list[tuple[int, str]] = []

    def __getstate__(self) -> dict[str, Any]:
        """A copy does not remove the files of this object."""
        return {**self.__dict__, "_temporary": []}

    def __del__(self) -> None:
        """Remove what was downloaded without a name."""
        for process, path in self.__dict__.get("_temporary", ()):
            if process == os.getpid():
                _bodies.remove_temporary(path)

    def canon_url(self) -> str:
        """Say where such fields are."""
        raise NotImplementedError

    @property
    def _place(self) -> str:  # type: ignore[override]
        return self.canon_url()

    def nested_url(self) -> str:
        """Give the path that leads to it, as plain text."""
        return f"{'/'.join(self.parent._segments())}/fields/{self.name}"

    def pre_hash(self) -> str:
        """Give a text for the field, which is not kept in the cache."""
        return self.name + str(self.parent.pre_hash())

    def _candidates(self, name: str) -> Iterator[dict[str, Any]]:
        return self._list(self.canon_url(), analysis_result_id=self.parent._ready(), name=name)

    def load_blob(self, blob: dict[str, Any]) -> None:
        """Take the fields from an answer of the service.

        Args:
            blob: The answer.

        Raises:
            RemoteObjectError: If that is a field of another result.
            RemoteObjectOverwriteError: If a field that was set here has another value there.
        """
        owner = blob.get("analysis_result")
        if owner is not None and self.parent.uuid and owner != self.parent.uuid:
            message = f"field {self.name} is one of result {owner}, not of {self.parent.uuid}"
            raise RemoteObjectError(message)
        super().load_blob(blob)

    def _get(self) -> None:
        self.parent.idem()
        self._check_name()
        # By the result: the path of names leads to the newest one.
        self.load_blob(self._listed())

    def _create(self) -> None:
        self.parent.idem()
        check_json_serialization(self.stored_data)
        body = {
            "analysis_result": self.parent.uuid,
            "name": self._sendable("name"),
            "stored_data": _without_link(self.stored_data),
        }
        self._post(body)

    def _save(self) -> None:
        check_json_serialization(self.stored_data)
        super()._save()

    def _changes(self) -> dict[str, Any]:
        changes = super()._changes()
        if "stored_data" in changes:
            new = _without_link(changes["stored_data"])
            if new == _without_link(self._loaded.get("stored_data")):
                del changes["stored_data"]
            else:
                changes["stored_data"] = new
        return changes

    def _reread(self) -> None:
        """Take what the field holds now, whatever it held."""
        place = f"{self.canon_url()}/{self.uuid}"
        blob = self.knex._call("get", place, None, self.inherited_url_options)
        self.stored_data = blob["stored_data"]
        self.updated_at = blob["updated_at"]
        self._note()
        self._modified = False

    def _type(self) -> str:
        data = self.stored_data
        return str(data.get("__type__", "")).lower() if isinstance(data, dict) else ""

    def get_download_url(self) -> str:
        """Say where the file is.

        Raises:
            TypeError: If the field holds data.
        """
        kind = self._type()
        if kind == "s3":
            if self.stored_data.get("presigned_url"):
                return str(self.stored_data["presigned_url"])
            bucket, _, key = self._s3_place()
            return f"{self._s3_endpoint()}{bucket}/{key}" if bucket else key
        if kind in ("sra", "ftp"):
            return str(self.stored_data["url"])
        raise TypeError("Cannot fetch a file for a BLOB type result field.")

    def _s3_endpoint(self) -> str:
        return str(self.stored_data["endpoint_url"]).rstrip("/") + "/"

    def _s3_place(self) -> tuple[str, str, str]:
        uri = str(self.stored_data["uri"])
        if not uri.startswith("s3://"):
            return "", "", uri
        return uri.removeprefix("s3://").partition("/")

    def _download_url(self) -> str:
        """Where the file is, in a form that can be sent."""
        if self._type() == "s3" and not self.stored_data.get("presigned_url"):
            bucket, _, key = self._s3_place()
            if bucket:
                return self._s3_endpoint() + _bodies.quoted(f"{bucket}/{key}")
        return _bodies.sendable(self.get_download_url())

    def download_file(self, filename: str | None = None, cache: bool = True) -> str:
        """Download the file.

        Args:
            filename: Its path. Without one it is a temporary file, which goes with this object.
            cache: Whether the path is remembered, and given without another download.

        Returns:
            The path.

        Raises:
            TypeError: If the field holds data.
            PangeaNotFoundError: If the file was never uploaded as a whole.
            ValueError: If it can be reached neither by HTTP nor, where that is said, by FTP.
        """
        remembered = self._cached_filename
        if (
            cache
            and remembered
            and (filename is None or os.fspath(filename) == remembered)
            and os.path.isfile(remembered)
        ):
            return remembered
        kinds = {"s3": self._download_s3, "sra": self._download_sra, "ftp": self._download_ftp}
        if self._type() not in kinds:
            raise TypeError("Cannot fetch a file for a BLOB type result field.")
        return kinds[self._type()](filename, cache)

    def _download_s3(self, filename: str | None, cache: bool) -> str:
        return self._download_generic_url(filename, cache)

    def _download_sra(self, filename: str | None, cache: bool) -> str:
        return self._download_generic_url(filename, cache)

    def _download_ftp(self, filename: str | None, cache: bool) -> str:
        return self._download_generic_url(filename, cache)

    def _download_generic_url(self, filename: str | None, cache: bool) -> str:
        """Download from wherever it is."""
        kind = self._type()
        schemes = ("http", "https", "ftp") if kind == "ftp" else ("http", "https")
        if filename is None:
            # A folder that nobody else can look into: what comes has the mode of an ordinary file.
            path = os.path.join(tempfile.mkdtemp(), "file")
            self._temporary.append((os.getpid(), path))
        else:
            path = os.fspath(filename)

        def anew() -> str:
            self._reread()
            return self._download_url()

        is_signed = kind == "s3" and "presigned_url" in self.stored_data
        digest = self.stored_data.get("md5") if kind != "s3" else None
        _bodies.download(
            self.knex,
            self._download_url(),
            path,
            schemes=schemes,
            anew=anew if is_signed and self.uuid else None,
            renewal=self._renewal() if is_signed and self.uuid else None,
            has_etag=kind == "s3",
            digest=digest if isinstance(digest, str) else None,
            what=f"field {self.name}",
        )
        if cache:
            self._cached_filename = path
        return path

    def _renewal(self) -> _bodies.Renewal:
        """Where another URL of the file is found."""
        place = f"{self.canon_url()}/{self.uuid}"
        address = self.knex._address(place, self.inherited_url_options)
        headers = dict(self.knex.headers)
        if self.knex.auth is not None:
            headers["Authorization"] = f"Token {self.knex.auth}"
        return address, list(headers.items()), ["stored_data", "presigned_url"]

    def get_blob_filename(self) -> str:
        """Give a path for the data of the field, in a folder that is named by its sample."""
        return blob_filename(self.parent.parent.name, self.parent.module_name, self.name)

    def get_referenced_filename(self) -> str:
        """Give a path for the file of the field, in a folder that is named by its sample.

        Raises:
            TypeError: If the field holds data.
        """
        data = self.stored_data
        names = [data.get(key) for key in ("filename", "uri", "url")] if self._type() else []
        name = next((str(one) for one in names if one), None)
        if name is None:
            raise TypeError("Cannot make a reference filename for a BLOB type result field.")
        return referenced_filename(
            self.parent.parent.name, self.parent.module_name, self.name, name
        )

    def upload_file(
        self, filepath: str, multipart_thresh: int = FIVE_MB, **kwargs: Any
    ) -> AnalysisResultField:
        """Upload a file: small ones in one request, larger ones in parts.

        Args:
            filepath: The file.
            multipart_thresh: From how many bytes on it is sent in parts.
            **kwargs: For `upload_large_file`.

        Raises:
            PangeaGeneralError: If the service or the store refuses it.
        """
        size = os.path.getsize(filepath)
        if size >= multipart_thresh:
            return self.upload_large_file(filepath, size, **kwargs)
        return self.upload_small_file(filepath)

    def _ask(self, filepath: str, **more: Any) -> dict[str, Any]:
        """Ask the service to begin an upload."""
        body = {"filename": os.path.basename(filepath), **more}
        place = f"{self.canon_url()}/{self._ready()}/upload_s3"
        options = self.inherited_url_options
        response = self.knex._call("post", place, body, options, json_response=False)
        if not response.content:
            # Of a 200 without a word nobody would think that it is a failure.
            raise _failed(response, "the service could not start the upload at S3")
        answer: dict[str, Any] = response.json()
        return answer

    def _warn_of_twin(self, key: str) -> None:
        """Say that another field of the sample has its file in the same place."""
        if not isinstance(self.parent, SampleAnalysisResult):
            return
        try:
            results = self.parent.parent.get_manifest()["analysis_results"]
        except (PangeaGeneralError, KeyError, TypeError) as error:
            logger.debug("other fields of the sample are not known: %s", error)
            return
        for result in results:
            for field in result.get("fields", ()):
                data = field.get("stored_data")
                uri = data.get("uri") if isinstance(data, dict) else None
                if field["uuid"] != self.uuid and str(uri).endswith(f"/{key}"):
                    message = (
                        f"{uri} is the file of field {field['name']} of "
                        f"{result['module_name']}, too, which is overwritten"
                    )
                    warnings.warn(message, stacklevel=4)

    def upload_small_file(self, filepath: str) -> AnalysisResultField:
        """Upload a file in one request.

        Args:
            filepath: The file.

        Raises:
            PangeaGeneralError: If the service or the store refuses it.
        """
        answer = self._ask(filepath)
        self._warn_of_twin(answer["fields"].get("key", ""))
        _bodies.post_form(self.knex, answer, filepath, lambda: self._ask(filepath))
        self._reread()
        return self

    def upload_large_file(
        self,
        filepath: str,
        file_size: int,
        chunk_size: int = FIVE_MB,
        max_retries: int = 3,
        logger: Callable[[str], object] = lambda x: x,
    ) -> AnalysisResultField:
        """Upload a file in parts, several at a time.

        Args:
            filepath: The file.
            file_size: Its size.
            chunk_size: Bytes of a part.
            max_retries: How often a part is tried.
            logger: Is told of each part, in this thread.

        Raises:
            PangeaGeneralError: If the service or the store refuses it.
            RemoteObjectError: If the file was changed meanwhile, or has not come as a whole.
        """
        logger(f'[INFO] Starting upload for "{filepath}"')
        size, count = _bodies.part_size(file_size, chunk_size)
        warned = False

        def ask() -> dict[str, Any]:
            nonlocal warned
            answer = self._ask(filepath, n_parts=count, stance="upload-multipart")
            if not warned:
                warned = True
                path = unquote(urlsplit(answer["urls"][0]).path)
                self._warn_of_twin(path.lstrip("/").partition("/")[2])
            return answer

        parts, upload_id = _bodies.put_parts(
            self.knex, ask, filepath, file_size, size, count, max_retries, logger
        )
        place = f"{self.canon_url()}/{self.uuid}/complete_upload_s3"
        body = {"parts": parts, "upload_id": upload_id}
        options = self.inherited_url_options
        response = self.knex._call("post", place, body, options, json_response=False)
        if not response.content or response.json().get("status") != "success":
            raise _failed(response, "the service could not complete the upload at S3")
        self._reread()
        stored = _bodies.stored_size(self.knex, self._download_url())
        if stored is not None and stored != file_size:
            raise RemoteObjectError(f"{filepath} has {file_size} bytes, the store has {stored}")
        logger(f'[INFO] Finished Upload for "{filepath}"')
        return self


def _failed(response: Any, text: str) -> PangeaInternalError:
    error = error_of(response, text)
    return PangeaInternalError(*error.args, response=response)


def _without_link(data: Any) -> Any:
    """What a field holds, without what the service adds to each answer."""
    if isinstance(data, dict) and str(data.get("__type__", "")).lower() == "s3":
        return {key: value for key, value in data.items() if key != "presigned_url"}
    return data


class SampleAnalysisResultField(AnalysisResultField):
    """A field of a sample's result."""

    def canon_url(self) -> str:
        """Say where such fields are."""
        return "sample_ar_fields"


class SampleGroupAnalysisResultField(AnalysisResultField):
    """A field of a group's result."""

    def canon_url(self) -> str:
        """Say where such fields are."""
        return "sample_group_ar_fields"
