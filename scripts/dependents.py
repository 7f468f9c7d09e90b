"""Calls of public packages that depend on girder_client, to a real server: see scripts/dependents.

Each package makes one call or more, and fails where its own code, ours or the server does.
"""

from __future__ import annotations

import importlib
import io
import os
import subprocess
import sys
import tempfile
import types
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any

import click.testing
import girder_client

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from support.girder import Girder, new_folder, running

Calls = dict[str, Callable[[], object]]


def load(name: str, *bare: str) -> Any:  # noqa: ANN401 -- a module of somebody else
    """Import a module of a package, without running what some packages around it import.

    Args:
        name: The module.
        bare: Packages of which the folder alone is wanted.
    """
    for package in bare:
        parent, _, last = package.rpartition(".")
        places = sys.modules[parent].__path__ if parent else sys.path
        module = types.ModuleType(package)
        module.__path__ = [str(Path(place, last)) for place in places if Path(place, last).is_dir()]
        sys.modules[package] = module
    return importlib.import_module(name)


def calls(server: Girder, work: Path) -> Calls:
    """What each package does.

    Args:
        server: The server.
        work: A folder for files.
    """
    gc = server.client()
    folder = new_folder(gc)
    content = b"content" * 1000
    file = gc.uploadStreamToFolder(folder["_id"], io.BytesIO(content), "file.bin", len(content))
    item = next(iter(gc.listItem(folder["_id"])))
    key = gc.post("api_key", parameters={"name": "dependents"})["key"]

    def worker() -> None:
        module = load("girder_worker.utils.transforms.girder_io")
        path = Path(module.GirderFileId(file["_id"], gc=gc).transform())
        assert path.read_bytes() == content
        path = Path(module.GirderItemId(item["_id"], gc=gc).transform())
        assert (path / "file.bin").read_bytes() == content
        module.GirderItemMetadata(item["_id"], gc=gc).transform({"seen": 1})
        (work / "result.txt").write_text("result")
        module.GirderUploadToItem(item["_id"], gc=gc).transform(str(work / "result.txt"))
        assert {one["name"] for one in gc.listFile(item["_id"])} == {"file.bin", "result.txt"}
        assert gc.getItem(item["_id"])["meta"] == {"seen": 1}

    def slicer() -> None:
        module = load("slicer_cli_web.upload_slicer_cli_task")
        # Stands for Docker, and has an image of one command; the server has no place for it.
        docker = work / "docker"
        docker.write_text("#!/bin/sh\necho '{\"one\": {}}'\n")
        docker.chmod(0o755)
        variables = {"GIRDER_API_KEY": key, "PATH": f"{work}{os.pathsep}{os.environ['PATH']}"}
        run = click.testing.CliRunner(env=variables).invoke
        done = run(module.upload_slicer_cli_task, [server.url, folder["_id"], "image"])
        assert isinstance(done.exception, girder_client.HttpError), done.exception
        assert done.exception.url.endswith("/slicer_cli_web/cli")
        assert done.exception.status in (400, 404)

    def histomics() -> None:
        # The packages around it import code for images, and what that needs.
        packages = [f"histomicstk{part}" for part in ("", ".utils", ".workflows")]
        module = load("histomicstk.utils.girder_convenience_utils", *packages)
        own = module.connect_to_api(server.url, apikey=key, interactive=False)
        path = module.get_absolute_girder_folderpath(own, folder_id=folder["_id"])
        assert path.endswith(f"{folder['name']}/"), path

    def helpers() -> None:
        module = load("dsa_helpers.girder_utils")
        own = module.login(server.url, "admin", "password123")
        (work / "model").mkdir()
        module.upload_dir_to_dsa(own, str(work / "model"), item["_id"])
        assert "checkpoint.zip" in [one["name"] for one in own.listFile(item["_id"])]

    def mount() -> None:
        # Nothing is mounted: for the import, a library of the one name that it looks up will do.
        code = b"void *fuse_get_context(void) { return 0; }"
        library = str(work / "fuse.so")
        subprocess.run(["cc", "-shared", "-x", "c", "-", "-o", library], input=code, check=True)
        os.environ["FUSE_LIBRARY_PATH"] = library
        module = load("girder_client_mount.girder_client_mount")
        own = module.get_girder_client({"apiUrl": server.url, "apiKey": key})
        view = module.ClientFuse(gc=own, options={})
        path = f"/user/admin/{folder['name']}"
        assert view.readdir(path, None) == [".", "..", "file.bin"]
        assert view.getattr(f"{path}/file.bin/file.bin")["st_size"] == len(content)
        handle = view.open(f"{path}/file.bin/file.bin", os.O_RDONLY)
        assert view.read(path, 7, 7, handle) == b"content"

    def volumes() -> None:
        module = load("gwvolman.utils")
        made = module._get_api_key(gc)
        assert made == module._get_api_key(gc)
        own = girder_client.GirderClient(apiUrl=server.url)
        assert own.authenticate(apiKey=made)["_id"] == folder["creatorId"]

    return {
        "girder-worker": worker,
        "girder-slicer-cli-web": slicer,
        "histomicstk": histomics,
        "dsa-helpers": helpers,
        "girder-client-mount": mount,
        "gwvolman": volumes,
    }


def main() -> None:
    """Make all calls."""
    origin = str(girder_client.__file__)
    assert "selenite" in origin, origin
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        with running(work / "server") as server:
            for name, call in calls(server, work).items():
                call()
                print(f"{name} {version(name)}: as it should be")
    print(f"girder_client of {origin}")


if __name__ == "__main__":
    main()
