"""Functions for other processes; `spawn` must be able to import them."""

from __future__ import annotations

import importlib
import os
import signal
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any


def fetch(arguments: tuple[str, str, str]) -> dict[str, str]:
    """Fetch a version over HTTP into a cache and return its texts."""
    import pygobbler as pyg

    registry, url, cache = arguments
    place = pyg.version_path(
        "test", "sample", "v1", registry=registry, url=url, cache=cache, force_remote=True
    )
    root = Path(place)
    return {
        str(path.relative_to(root)): path.read_text()
        for path in root.rglob("*")
        if path.is_file() and not path.name.startswith("..")
    }


def upload(arguments: tuple[str, str, str, str, str]) -> str:
    """Upload a version; returns the reason of a refusal, or nothing."""
    import pygobbler as pyg
    import requests

    asset, version, directory, staging, url = arguments
    try:
        pyg.upload_directory("test", asset, version, directory, staging=staging, url=url)
    except requests.HTTPError as error:
        return f"{error.args[0]}: {error.args[1]}"
    return ""


def stop_service(_: Any) -> int:
    """Try to stop the service of the parent process."""
    import pygobbler as pyg

    pyg.stop_gobbler()
    return os.getpid()


def save_version(arguments: tuple[str, str, bool]) -> str:
    """Save `p/a/v` from a gypsum service to a cache; returns where."""
    import gypsum_client as gyp

    url, cache, overwrite = arguments
    return gyp.save_version("p", "a", "v", cache, overwrite, url=url)


def call(package: str, function: str, arguments: dict[str, Any]) -> Any:
    """Call a function of a package; what it raises goes to the parent process."""
    return getattr(importlib.import_module(package), function)(**arguments)


def fork(work: Callable[[], object]) -> int:
    """Do this in a child, for at most a minute; returns its process id."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(60)
        result = 1
        try:
            work()
            result = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(result)
    return child
