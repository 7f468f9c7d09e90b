"""Fixtures: running services, directories to upload, and a clean environment for each test."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pygobbler as pyg
import pytest
from hypothesis import HealthCheck, settings
from support import crash
from support.original import installed
from support.service import Gobbler, Service
from support.tree import SAMPLE, Tree, make
from support.web import APACHE, NGINX

# Only where there is a server for it.
collect_ignore = [] if "SELENITE_S3_SERVER" in os.environ else ["gypsum_store"]
if "SELENITE_FOLDING_FOLDER" not in os.environ:
    collect_ignore.append("folding")
if not (APACHE and NGINX):
    collect_ignore.append("proxies")
if not crash.POSSIBLE:
    collect_ignore.append("crash")
FOREIGN = ("SELENITE_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "XDG_", "GYPSUM_")


def pytest_configure(config: pytest.Config) -> None:
    """Declare the marks of this suite, and what holds for all of its tests."""
    config.addinivalue_line("markers", "big: moves 100 MiB or more")
    # A busy machine is no fault; what hangs has a limit of its own.
    checks = [HealthCheck.too_slow]
    settings.register_profile("selenite", deadline=None, suppress_health_check=checks)
    settings.load_profile("selenite")
    # Shells ignore it in what they run in the background, and children inherit that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


# Those that take longest are begun first, so that at the end no process waits for another.
LONGEST = [
    "wheel/test_signals.py",
    "gobbler_client/test_round_trip.py",
    "girder_client/test_real_life.py",
    "gobbler_service/test_requests.py",
    "wheel/test_readme.py",
    "gypsum_store/test_store.py",
    "pangea_api/test_files.py",
    "gypsum_client/test_faults.py",
    "core/test_read_json.py",
    "crash/test_gypsum.py",
    "crash/test_gobbler.py",
    "gypsum_store/test_crash.py",
    "gobbler_service/test_concurrency.py",
    "gobbler_service/test_kill.py",
]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files, not what is in them."""
    root = Path(__file__).parent

    def rank(item: pytest.Item) -> int:
        name = item.path.relative_to(root).as_posix()
        return LONGEST.index(name) if name in LONGEST else len(LONGEST)

    items.sort(key=rank)


@pytest.fixture(autouse=True)
def clean_environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Default settings, and a data directory of the test's own."""
    keep = {
        "SELENITE_DEPENDENTS",
        "SELENITE_FOLDING_FOLDER",
        "SELENITE_GIRDER",
        "SELENITE_ORIGINAL_CLIENT",
        "SELENITE_S3_SERVER",
        "SELENITE_TEST_KILLS",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name in list(os.environ):
            if name.upper().startswith(FOREIGN) and name not in keep:
                patch.delenv(name)
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("caches")))
        patch.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("state")))
        patch.setenv("SELENITE_PROGRESS", "off")
        patch.setenv("NETRC", os.devnull)
        old = os.umask(0o022)
        yield
        os.umask(old)


@pytest.fixture(scope="session", autouse=True)
def no_process_stays() -> Iterator[None]:
    """After all tests no child process may be left."""
    yield
    children = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
    if children.exists():
        left = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in children.read_text().split()]
        # Python's own helper of multiprocessing lives as long as the interpreter.
        assert [line for line in left if b"resource_tracker" not in line] == []


@pytest.fixture
def gobbler(tmp_path: Path) -> Iterator[Gobbler]:
    """A fresh service, started as users start one in their own tests."""
    staging, registry = tmp_path / "gobbler-staging", tmp_path / "gobbler-registry"
    new, started_staging, started_registry, url = pyg.start_gobbler(
        staging=str(staging), registry=str(registry), wait=60
    )
    try:
        assert new
        yield Gobbler(started_staging, started_registry, url)
    finally:
        pyg.stop_gobbler()


@pytest.fixture
def stranger(tmp_path: Path) -> Iterator[Gobbler]:
    """A service on which the caller is not an administrator, with nothing in it."""
    with Service(tmp_path / "stranger", admin=["somebody-else"]) as service:
        yield service.gobbler


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Service]]:
    """Start services with settings of one's own; they end with the test."""
    started: list[Service] = []

    def start(name: str = "service", **settings: Any) -> Service:
        service = Service(tmp_path / name, **settings)
        started.append(service)
        service.start()
        return service

    yield start
    for service in started:
        service.kill()


@pytest.fixture(params=["local", "remote"])
def reader(request: pytest.FixtureRequest, gobbler: Gobbler) -> dict[str, Any]:
    """The reading functions' arguments, once for the files and once for HTTP."""
    return gobbler.local if request.param == "local" else gobbler.remote


@pytest.fixture
def is_remote(reader: dict[str, Any]) -> bool:
    """Whether `reader` goes over HTTP."""
    return "force_remote" in reader


@pytest.fixture
def fetcher(reader: dict[str, Any], tmp_path: Path) -> dict[str, Any]:
    """`reader` with a cache that is empty at first."""
    return {**reader, "cache": str(tmp_path / "cache")}


@pytest.fixture
def remote(gobbler: Gobbler, tmp_path: Path) -> dict[str, Any]:
    """Arguments for fetching over HTTP into a cache that is empty at first."""
    return {**gobbler.remote, "cache": str(tmp_path / "cache")}


@pytest.fixture
def source(tmp_path: Path) -> Callable[[Tree], str]:
    """Make a directory to upload, outside of the staging directory."""
    made = 0

    def build(tree: Tree) -> str:
        nonlocal made
        made += 1
        return str(make(tmp_path / f"source-{made}", tree))

    return build


@pytest.fixture
def sample(gobbler: Gobbler, source: Callable[[Tree], str]) -> Gobbler:
    """A service with the version `test/sample/v1` of three files."""
    pyg.create_project("test", **gobbler.writer)
    pyg.upload_directory("test", "sample", "v1", source(SAMPLE), **gobbler.writer)
    return gobbler


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of 127.0.0.1 with its key, signed by itself."""
    file = tmp_path_factory.mktemp("tls") / "both.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=127.0.0.1"
    facts = ["subjectAltName=IP:127.0.0.1", "basicConstraints=critical,CA:FALSE"]
    extensions = [word for fact in facts for word in ("-addext", fact)]
    files = ["-keyout", f"{file}.key", "-out", str(file)]
    subprocess.run([*command.split(), *extensions, *files], check=True, capture_output=True)
    return file


@pytest.fixture(scope="session")
def original_client(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory in which the original client is installed."""
    return installed(tmp_path_factory.mktemp("original"))
