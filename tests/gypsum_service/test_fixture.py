"""The projects that the clients' own tests read, built through the service."""

from __future__ import annotations

import doctest
import os
import threading
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
import selenite.testing
from selenite.testing import GypsumServer
from support import gypsum
from support.gypsum import Api


def test_the_fixture_is_what_clients_expect() -> None:
    with gypsum.server() as running:
        running.add_fixture()
        api = gypsum.api(running)
        assert api.all_keys() == [
            *(f"test-Py/..{name}" for name in ("permissions", "quota", "usage")),
            *(f"test-R/..{name}" for name in ("permissions", "quota", "usage")),
            "test-R/basic/..latest",
            "test-R/basic/v1/..manifest",
            "test-R/basic/v1/..summary",
            "test-R/basic/v1/blah.txt",
            "test-R/basic/v1/foo/bar.txt",
            *(
                f"test-R/basic/{version}/{name}"
                for version in ("v2", "v3")
                for name in ("..links", "..manifest", "..summary", "foo/..links")
            ),
        ]
        check_contents(api)


def check_contents(api: Api) -> None:
    assert api.get("test-R/basic/v1/blah.txt").body.startswith(b"A\nB\n")
    assert api.read("test-R/basic/..latest") == {"version": "v3"}
    assert api.read("test-R/..usage") == {"total": 73}
    first = {"project": "test-R", "asset": "basic", "version": "v1", "path": "foo/bar.txt"}
    assert api.read("test-R/basic/v2/foo/..links") == {"bar.txt": first}
    second = {**first, "version": "v2", "ancestor": first}
    assert api.read("test-R/basic/v3/..manifest") == {
        "blah.txt": {
            "size": 52,
            "md5sum": "0eb827652a5c272e1c82002f1c972018",
            "link": {
                **second,
                "path": "blah.txt",
                "ancestor": {**first, "path": "blah.txt"},
            },
        },
        "foo/bar.txt": {"size": 21, "md5sum": "c34bcea9f2263deb3379103c9f10c130", "link": second},
    }


def test_the_examples_in_the_documentation_are_true() -> None:
    result = doctest.testmod(selenite.testing)
    assert (result.failed, result.attempted >= 9) == (0, True)


def test_threads_start_a_server_once() -> None:
    barrier = threading.Barrier(4)

    def start(server: GypsumServer) -> str:
        barrier.wait(10)
        try:
            server.start()
        except RuntimeError as error:
            return str(error)
        return ""

    server = GypsumServer()
    try:
        with ThreadPoolExecutor(4) as pool:
            refused = "the service is running already"
            assert sorted(pool.map(start, [server] * 4)) == ["", refused, refused, refused]
        assert server.request("GET", "/list") == []
    finally:
        server.stop()


def test_a_child_does_not_stop_the_server_of_its_parent() -> None:
    with GypsumServer() as server:
        with warnings.catch_warnings():
            # Newer Pythons warn about forking with threads.
            warnings.simplefilter("ignore", DeprecationWarning)
            child = os.fork()
        if child == 0:
            server.stop()
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert os.path.isdir(server.registry)
        assert server.request("GET", "/list") == []


def test_one_name_is_one_administrator_or_organization() -> None:
    tokens = {"secret": {"login": "alice", "organizations": "lab"}}
    with GypsumServer(tokens=tokens, admins="lab") as server:
        server.add_fixture()
    with pytest.raises(TypeError, match="`admins`"):
        GypsumServer(admins=7)  # type: ignore[arg-type]
