"""A whole life of a registry, told as a list of facts; run with either client.

    python -I life.py CLIENT STAGING REGISTRY URL WORK

CLIENT is the directory in which the original client is installed, or `-` for the installed package.
The facts go to standard output as JSON. Nothing here may depend on the rest of the tests.
"""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path
from typing import Any

if sys.argv[1] != "-":
    sys.path.insert(0, sys.argv[1])

import pygobbler as pyg

facts: list[Any] = []


def fact(what: str, value: Any = None) -> None:
    """Note a fact; sets of names are compared without order."""
    if isinstance(value, list):
        value = sorted(value, key=json.dumps)
    facts.append([what, value])


def failure(what: str, call: Any) -> None:
    """Note with which status a call is refused."""
    try:
        call()
    except Exception as error:
        fact(what, [type(error).__name__, str(error.args[0])])
    else:
        fact(what, "no error")


def summary(document: dict[str, Any]) -> dict[str, Any]:
    """A summary without its times."""
    assert document["upload_start"] <= document["upload_finish"]
    return {
        key: value for key, value in document.items() if key[:7] != "upload_" or key[-3:] == "_id"
    }


def state(staging: str, registry: str, url: str, cache: str) -> None:
    """Note all that a reader can see, from the files and over HTTP."""
    for force in (False, True):
        reader: dict[str, Any] = {"registry": registry, "url": url, "force_remote": force}
        fetcher: dict[str, Any] = {**reader, "cache": cache, "overwrite": True}
        for project in sorted(pyg.list_projects(**reader)):
            fact("usage", [project, pyg.fetch_usage(project, **reader)])
            fact("permissions", pyg.fetch_permissions(project, **reader))
            for asset in sorted(pyg.list_assets(project, **reader)):
                fact("latest", [project, asset, pyg.fetch_latest(project, asset, **reader)])
                fact("asset permissions", pyg.fetch_permissions(project, asset=asset, **reader))
                for version in sorted(pyg.list_versions(project, asset, **reader)):
                    names = (project, asset, version)
                    fact("version", "/".join(names))
                    files = sorted(pyg.list_files(*names, **reader))
                    # From the files, the original also lists directories that hold directories.
                    empty = [
                        one
                        for one in files
                        if one[-1] != "/" or sum(other.startswith(one) for other in files) == 1
                    ]
                    fact("files", empty)
                    fact("manifest", pyg.fetch_manifest(*names, **fetcher))
                    fact("summary", summary(pyg.fetch_summary(*names, **fetcher)))
                    path = Path(pyg.version_path(*names, **fetcher))
                    for file in files:
                        if not os.path.basename(file).startswith("..") and file[-1] != "/":
                            one = Path(pyg.fetch_file("/".join((*names, file)), **fetcher))
                            assert one.read_bytes() == (path / file).read_bytes()
                            fact("file", [file, one.read_text()])


def main(staging: str, registry: str, url: str, work: str) -> None:
    """Live."""
    writer: dict[str, Any] = {"staging": staging, "url": url}
    cache = os.path.join(work, "cache")
    see = (staging, registry, url, cache)
    os.umask(0o022)

    def stamp(version: str) -> None:
        """Give a version a time of its own; times are whole seconds, and decide who is latest."""
        file = Path(registry, "life", "asset", version, "..summary")
        times = rf'\g<1>"2020-01-0{version}T00:00:00Z"'
        file.write_text(re.sub(r'("upload_(?:start|finish)": )"[^"]*"', times, file.read_text()))

    def write(name: str, files: dict[str, str]) -> str:
        for path, text in files.items():
            full = Path(work, name, path)
            full.parent.mkdir(parents=True, exist_ok=True)
            full.write_text(text)
        return os.path.join(work, name)

    fact("info", pyg.service_info(url) == {"staging": staging, "registry": registry})
    pyg.create_project("life", **writer)
    failure("create again", lambda: pyg.create_project("life", **writer))
    pyg.create_project("more", owners=["ann"], uploaders=[{"id": "bob", "asset": "x"}], **writer)

    first = write(
        "first", {"a": "alpha", "b/c": "gamma", "b/d/e": "eps", ".dot": "dot", "é x": "é"}
    )
    os.makedirs(os.path.join(first, "empty", "er"))
    os.symlink("b/c", os.path.join(first, "linked"))
    os.symlink("../a", os.path.join(first, "b", "up"))
    pyg.upload_directory("life", "asset", "1", first, **writer)
    stamp("1")
    pyg.upload_directory("life", "dots", "1", first, ignore_dot=False, **writer)
    state(*see)

    second = write("second", {"a": "alpha", "b/c": "changed", "moved/e": "eps", "new": "new"})
    pyg.upload_directory("life", "asset", "2", second, concurrent=2, **writer)
    pyg.upload_directory("life", "asset", "3", first, **writer)
    stamp("2")
    stamp("3")
    os.symlink(os.path.join(registry, "life", "asset", "2", "b", "c"), os.path.join(second, "far"))
    pyg.upload_directory("more", "asset", "1", second, **writer)
    failure("upload again", lambda: pyg.upload_directory("life", "asset", "2", second, **writer))
    failure("no project", lambda: pyg.upload_directory("none", "asset", "2", second, **writer))
    state(*see)

    for source, version, decide in (
        (write("third", {"t": "three"}), "4", pyg.approve_probation),
        (write("fourth", {"f": "four"}), "5", pyg.reject_probation),
    ):
        pyg.upload_directory("life", "asset", version, source, probation=True, **writer)
        stamp(version)
        state(*see)
        decide("life", "asset", version, **writer)
        failure("decide again", lambda: pyg.approve_probation("life", "asset", "4", **writer))
    state(*see)

    place = pyg.allocate_upload_directory(staging)
    Path(place, "consumed").write_text("eaten")
    pyg.upload_directory("life", "staged", "1", place, consume=True, **writer)
    fact("left", os.listdir(place))
    clone = pyg.allocate_upload_directory(staging, create=False)
    pyg.clone_version("life", "asset", "2", clone, registry=registry)
    Path(clone, "added").write_text("added")
    pyg.upload_directory("life", "cloned", "1", clone, **writer)
    state(*see)

    permit: dict[str, Any] = {"registry": registry, **writer}
    pyg.set_permissions("life", owners=["eve"], uploaders=[{"id": "bob"}], **permit)
    pyg.set_permissions("life", global_write=True, **permit)
    pyg.set_permissions("more", owners=["eve"], append=False, **permit)
    pyg.set_permissions("life", asset="asset", uploaders=[{"id": "cat", "trusted": True}], **permit)
    fact("dry", pyg.set_permissions("life", owners=["fox"], dry_run=True, **permit))
    state(*see)

    for version in ("1", "2", "3", "4"):
        pyg.validate_version("life", "asset", version, **writer)
        pyg.reindex_version("life", "asset", version, **writer)
        pyg.validate_version("life", "asset", version, **writer)
    Path(registry, "life", "asset", "4", "stray").write_text("stray")
    failure("stray", lambda: pyg.validate_version("life", "asset", "4", **writer))
    pyg.reindex_version("life", "asset", "4", **writer)
    pyg.validate_version("life", "asset", "4", **writer)
    fact("usage", pyg.refresh_usage("life", **writer))
    fact("unpacked", pyg.unpack_path("life/asset/1/b/c"))
    state(*see)

    gone = [{"project": "life", "asset": "asset", "version": "1"}]
    fact("planned", pyg.reroute_links(gone, dry_run=True, **writer))
    fact("rerouted", pyg.reroute_links(gone, **writer))
    pyg.remove_version("life", "asset", "1", **writer)
    state(*see)
    pyg.remove_version("life", "asset", "4", **writer)
    fact("latest", pyg.fetch_latest("life", "asset", registry, url))
    pyg.remove_asset("life", "dots", **writer)
    pyg.remove_asset("life", "nope", **writer)
    pyg.remove_project("more", **writer)
    pyg.remove_project("nope", **writer)
    failure("no usage", lambda: pyg.fetch_usage("more", registry, url, force_remote=True))
    failure("no assets", lambda: pyg.list_assets("more", registry, url, force_remote=True))
    failure("no version", lambda: pyg.validate_version("life", "asset", "9", **writer))
    failure("no path", lambda: pyg.unpack_path("a/b"))
    fact("staging", [name for name in os.listdir(staging) if name.startswith("request-")])
    fact("projects", pyg.list_projects(registry, url))


# Processes of the original's pools import this file, too.
if __name__ == "__main__":
    main(*sys.argv[2:])
    json.dump(facts, sys.stdout)
