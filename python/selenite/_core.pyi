from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from typing import (
    Any,
    Final,
    Literal,
    NotRequired,
    TypedDict,
    final,
    overload,
    type_check_only,
)

__all__ = [
    "Checked",
    "Difference",
    "Table",
    "__version__",
    "believe_everybody",
    "check_folder",
    "check_gobbler_settings",
    "digest_files",
    "download_files",
    "fetch_item",
    "fetch_stored",
    "girder_download",
    "girder_download_packed",
    "girder_upload",
    "gobbler_acquire",
    "gobbler_allocate",
    "gobbler_cache_folder",
    "gobbler_clone",
    "gobbler_fetch",
    "gobbler_info",
    "gobbler_left_out",
    "gobbler_list_directories",
    "gobbler_list_files",
    "gobbler_path",
    "gobbler_read",
    "gobbler_request",
    "gobbler_upload",
    "gypsum_clone",
    "gypsum_describe",
    "gypsum_download",
    "gypsum_finish",
    "gypsum_list_directories",
    "gypsum_list_files",
    "gypsum_number",
    "gypsum_prepare",
    "gypsum_read",
    "gypsum_record",
    "gypsum_request",
    "gypsum_resolve_links",
    "gypsum_save_file",
    "gypsum_save_version",
    "gypsum_session_token",
    "gypsum_start",
    "gypsum_upload",
    "is_offline",
    "md5_file",
    "parse_address",
    "read_json",
    "registry_at_hand",
    "registry_document",
    "registry_fetch",
    "registry_file",
    "registry_folder",
    "registry_get",
    "registry_manifest",
    "registry_names",
    "registry_ranges",
    "send_content",
    "send_parts",
    "serve_gobbler",
    "serve_gypsum",
    "set_settings",
    "stage_directory",
    "store_private",
    "upload_files",
    "upload_plan",
    "walk",
]

__version__: Final[str]

_Path = str | PathLike[str]
# URL of a service, and what `requests` calls `verify`.
_Site = tuple[str, bool | _Path]
_Version = tuple[str, str, str]
_Progress = Callable[[int, int, int, int, int], None]
# For which package, for how many seconds a server may be silent, and how often to try again.
_Asker = tuple[str, float | None, int | None]
# Whatever a server, or a user's file, holds: who asks knows what it should be, and looks.
_Document = Any

@type_check_only
class Link(TypedDict):
    project: str
    asset: str
    version: str
    path: str
    ancestor: NotRequired[Link]

@type_check_only
class ManifestEntry(TypedDict):
    size: int
    md5sum: str
    link: NotRequired[Link]

@type_check_only
class Manifest(dict[str, ManifestEntry]): ...

@type_check_only
class Summary(TypedDict):
    upload_user_id: str
    upload_start: str
    upload_finish: NotRequired[str]
    on_probation: NotRequired[bool]

@type_check_only
class Uploader(TypedDict):
    id: str
    asset: NotRequired[str]
    version: NotRequired[str]
    until: NotRequired[str]
    trusted: NotRequired[bool]

@type_check_only
class Permissions(TypedDict):
    owners: list[str]
    uploaders: list[Uploader]
    global_write: NotRequired[bool]

@type_check_only
class Latest(TypedDict):
    version: str

@type_check_only
class Usage(TypedDict):
    total: int

@type_check_only
class Address(TypedDict):
    address: str
    scheme: Literal["gobbler", "gypsum", "girder"] | None
    project: str | None
    asset: str | None
    version: str | None
    path: str | None
    is_folder: bool

@type_check_only
class Info(TypedDict):
    staging: str
    registry: str

_LinkTo = TypedDict(
    "_LinkTo",
    {"from.path": str, "to.project": str, "to.asset": str, "to.version": str, "to.path": str},
)

@type_check_only
class Prepared(TypedDict):
    files: list[str]
    links: list[_LinkTo]

@type_check_only
class Place(TypedDict):
    path: str
    url: str
    method: str

@type_check_only
class Session(TypedDict):
    file_urls: list[Place]
    complete_url: str
    abort_url: str
    session_token: str

# Kind, URL of the service, directory of the registry, cache, what `requests` calls `verify`, and
# whether nobody is asked.
_Place = tuple[str, str | None, _Path | None, _Path | None, bool | _Path, bool]
# Path, size, digest and link.
_Row = tuple[str, int, str, str | None]

@final
class Table:
    def __len__(self) -> int: ...
    def get(self, path: str) -> _Row | None: ...
    def rows(self, start: int, stop: int) -> list[_Row]: ...
    def paths(self, start: int, stop: int) -> list[str]: ...
    def below(self, folder: str) -> tuple[int, int]: ...
    def children(self, folder: str) -> list[tuple[str, _Row | None, bool]] | None: ...
    def sums(self, start: int, stop: int) -> tuple[int, int, int, int]: ...
    def origin(self, path: str) -> str | None: ...
    def pick(self, numbers: Sequence[int]) -> Table: ...
    def diff(self, other: Table) -> Difference: ...

@final
class Difference:
    @property
    def equal(self) -> int: ...
    def __len__(self) -> int: ...
    def rows(self, start: int, stop: int) -> list[tuple[str, int | None, int | None]]: ...

@final
class Checked:
    @property
    def extra(self) -> list[str]: ...
    def counts(self) -> tuple[int, int, int]: ...
    def rows(self, start: int, stop: int) -> list[dict[str, Any]]: ...
    def faults(self, start: int, stop: int) -> list[dict[str, Any]]: ...

def believe_everybody(wanted: bool) -> None: ...
def check_folder(
    table: Table,
    folder: _Path,
    registry: _Path | None,
    progress: _Progress | None,
    *,
    size_only: bool,
    find_extra: bool,
) -> Checked: ...
def check_gobbler_settings(settings: str) -> tuple[str, str, str, int]: ...
def digest_files(paths: Sequence[_Path], algorithm: str = "md5") -> list[str]: ...
def download_files(
    base_url: str,
    paths: Sequence[str],
    destination: _Path,
    expected: Sequence[tuple[int, str]] | None = None,
) -> int: ...
def fetch_item(
    address: str,
    given: Sequence[tuple[str, str]],
    target: _Path | None,
    name: str,
    asker: _Asker,
    progress: _Progress | None,
) -> bytes | None: ...
def fetch_stored(
    address: str,
    target: _Path,
    name: str,
    md5: str | None,
    has_tag: bool,
    renewal: tuple[str, Sequence[tuple[str, str]], Sequence[str]] | None,
    asker: _Asker,
    progress: _Progress | None,
) -> bool: ...
def girder_download(
    address: str,
    access: tuple[str, bool | _Path, int | None],
    target: _Path,
    size: int | None,
    sha512: str | None,
    document: tuple[str, str],
    endings: Sequence[str] | None,
    progress: _Progress | None,
) -> bool | None: ...
def girder_download_packed(
    address: str,
    access: tuple[str, bool | _Path, int | None],
    files: Sequence[tuple[str, int, str | None, _Path]],
    is_ordered: bool,
    progress: _Progress | None,
) -> list[bool]: ...
def girder_upload(
    api: str,
    access: tuple[str, bool | _Path, int | None],
    upload: str,
    file: _Path,
    start: int,
    sizes: tuple[int, int, int],
    progress: _Progress | None,
) -> Any: ...
def gobbler_acquire(cache_folder: _Path, path: _Path, url: str, *, overwrite: bool) -> str: ...
def gobbler_allocate(staging: _Path, *, create: bool) -> str: ...
def gobbler_cache_folder(cache: _Path | None, url: str) -> str: ...
def gobbler_clone(
    project: str, asset: str, version: str, destination: _Path, registry: _Path
) -> None: ...
def gobbler_fetch(
    path: _Path,
    registry: _Path | None,
    url: str | None,
    cache: _Path | None,
    concurrent: int,
    progress: _Progress | None,
    *,
    force_remote: bool,
    overwrite: bool,
    is_directory: bool,
) -> str: ...
def gobbler_info(url: str) -> Info: ...
def gobbler_left_out(directory: _Path, *, ignore_dot: bool) -> list[str]: ...
def gobbler_list_directories(
    path: _Path, registry: _Path | None, url: str | None, *, force_remote: bool
) -> list[str]: ...
def gobbler_list_files(
    project: str,
    asset: str,
    version: str,
    registry: _Path | None,
    url: str | None,
    prefix: _Path | None,
    *,
    include_dotdot: bool,
    force_remote: bool,
) -> list[str]: ...
def gobbler_path(project: str, asset: str | None = None, version: str | None = None) -> str: ...
def gobbler_read(
    path: str, registry: _Path | None, url: str | None, *, force_remote: bool, optional: bool
) -> _Document: ...
def gobbler_request(
    staging: _Path, url: str, action: str, payload: object
) -> dict[str, _Document]: ...
def gobbler_upload(
    project: str,
    asset: str,
    version: str,
    directory: _Path,
    staging: _Path,
    url: str,
    spoof: str | None,
    progress: _Progress | None,
    *,
    probation: bool,
    consume: bool | None,
    ignore_dot: bool,
    copy: _Path | None = None,
    keep_copy: bool | None = None,
) -> None: ...
def gypsum_clone(
    site: _Site, cache: _Path, version: _Version, destination: _Path, *, whole: bool
) -> None: ...
def gypsum_describe(directory: _Path, paths: Sequence[str]) -> list[dict[str, Any]]: ...
def gypsum_download(site: _Site, target: _Path, form: str) -> None: ...
def gypsum_finish(site: _Site, path: str, session: str, *, abort: bool) -> None: ...
def gypsum_list_directories(site: _Site, prefix: str, *, recursive: bool) -> list[str]: ...
def gypsum_list_files(
    site: _Site, folder: str, prefix: _Path, *, include_dot: bool
) -> list[str]: ...
def gypsum_number(site: _Site) -> float: ...
def gypsum_prepare(directory: _Path, links: str, cache: _Path) -> Prepared: ...
def gypsum_read(site: _Site, key: str) -> _Document: ...
@overload
def gypsum_record(
    site: _Site,
    cache: _Path,
    version: _Version,
    name: Literal["..manifest"],
    *,
    overwrite: bool,
) -> Manifest: ...
@overload
def gypsum_record(
    site: _Site,
    cache: _Path,
    version: _Version,
    name: Literal["..summary"],
    *,
    overwrite: bool,
) -> Summary: ...
@overload
def gypsum_record(
    site: _Site, cache: _Path, version: _Version, name: str, *, overwrite: bool
) -> _Document: ...
def gypsum_request(
    site: _Site,
    method: str,
    endpoint: str,
    parameters: Sequence[str],
    token: str | None,
    body: str,
    agent: str | None,
) -> tuple[list[tuple[str, str]], _Document]: ...
def gypsum_resolve_links(
    site: _Site, cache: _Path, version: _Version, *, overwrite: bool
) -> None: ...
def gypsum_save_file(
    site: _Site, cache: _Path, version: _Version, path: _Path, *, overwrite: bool
) -> str: ...
def gypsum_save_version(
    site: _Site,
    cache: _Path,
    version: _Version,
    concurrent: int,
    progress: _Progress | None,
    *,
    overwrite: bool,
    relink: bool,
) -> str: ...
def gypsum_session_token() -> str: ...
def gypsum_start(
    site: _Site,
    version: _Version,
    files: Sequence[str] | Sequence[Mapping[str, object]],
    links: Sequence[Mapping[str, object]],
    token: str,
    directory: _Path | None,
    *,
    deduplicate: bool,
    probation: bool,
    session: str | None = None,
) -> Session: ...
def gypsum_upload(
    site: _Site,
    places: Sequence[Mapping[str, object]],
    session: str,
    directory: _Path,
    concurrent: int,
    progress: _Progress | None,
    journal: _Path | None = None,
) -> None: ...
def is_offline() -> bool: ...
def md5_file(path: _Path) -> str: ...
def parse_address(text: str) -> Address: ...
def read_json(path: _Path) -> _Document: ...
def registry_at_hand(place: _Place) -> str | None: ...
def registry_document(place: _Place, path: str) -> _Document: ...
def registry_fetch(
    place: _Place,
    version: str,
    files: list[tuple[str, str | None]] | None,
    concurrent: int,
    progress: _Progress | None,
    *,
    overwrite: bool,
) -> tuple[list[str], int]: ...
def registry_file(place: _Place, version: str, table: Table, path: str) -> str | None: ...
def registry_folder(place: _Place, version: str) -> str: ...
def registry_get(
    place: _Place,
    version: str,
    table: Table,
    destination: _Path,
    concurrent: int,
    progress: _Progress | None,
    *,
    overwrite: bool,
) -> tuple[int, int, int]: ...
def registry_manifest(place: _Place, version: str) -> Table: ...
def registry_names(place: _Place, folder: str | None) -> list[str]: ...
def registry_ranges(
    place: _Place, version: str, table: Table, path: str, ranges: Sequence[tuple[int, int]]
) -> list[bytes]: ...
def send_content(
    method: str,
    address: str,
    given: Sequence[tuple[str, str]],
    source: tuple[_Path, int, int] | bytes | bytearray | memoryview,
    frame: tuple[bytes, bytes],
    suffix: bytes | None,
    asker: _Asker,
    progress: _Progress | None,
) -> tuple[int, list[tuple[str, str]], bytes, str | None]: ...
def send_parts(
    file: _Path,
    sizes: tuple[int, int],
    addresses: Sequence[str],
    tries: int,
    asker: _Asker,
    told: Callable[[int, int], object],
) -> list[str]: ...
def serve_gobbler(settings: str, *, embedded: bool = False) -> int: ...
def serve_gypsum(settings: str, *, embedded: bool = False) -> int: ...
def set_settings(jobs: int | None, offline: bool | None) -> None: ...
def stage_directory(source: _Path, destination: _Path) -> int: ...
def store_private(path: _Path, text: str) -> None: ...
def upload_files(base_url: str, paths: Sequence[str], directory: _Path) -> int: ...
def upload_plan(
    place: _Place,
    project: str,
    asset: str,
    directory: _Path,
    links_into: _Path | None,
    progress: _Progress | None,
    *,
    ignore_dot: bool,
    deduplicate: bool,
) -> list[tuple[str, int, str | None]]: ...
@overload
def walk(root: _Path, sizes: Literal[False] = False) -> list[str]: ...
@overload
def walk(root: _Path, sizes: Literal[True]) -> list[tuple[str, int]]: ...
@overload
def walk(root: _Path, sizes: bool) -> list[str] | list[tuple[str, int]]: ...
