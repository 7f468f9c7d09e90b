"""A whole life of a gypsum registry, told as a list of facts; run with either client.

    python -I gypsum_life.py CLIENT URL GITHUB_URL WORK

CLIENT is the directory in which the original client is installed, or `-` for the installed package.
The facts go to standard output as JSON. Nothing here may depend on the rest of the tests. What the
original does wrong is left out or worked around, with a note.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

if sys.argv[1] != "-":
    sys.path.insert(0, sys.argv[1])

import gypsum_client as gyp

facts: list[Any] = []
original = sys.argv[1] != "-"


def fact(what: str, value: Any = None) -> None:
    """Note a fact."""
    facts.append([what, value])


def failure(what: str, call: Callable[[], object]) -> None:
    """Note with which message a call fails."""
    try:
        call()
    except Exception as error:
        fact(what, str(error))
    else:
        fact(what, "no error")


def plain(value: Any) -> Any:
    """Times as text, without those that differ from run to run."""
    if isinstance(value, dict):
        return {
            key: plain(one)
            for key, one in value.items()
            if key[:7] != "upload_" or key[7:] == "user_id"
        }
    if isinstance(value, list):
        return [plain(one) for one in value]
    return value if isinstance(value, int | float | str | None) else str(value)


def tree(root: str | Path) -> dict[str, str]:
    """All files below a directory, but for what the original leaves there (D15)."""
    found = {}
    for path in sorted(Path(root).rglob("*")):
        name = str(path.relative_to(root))
        if not path.is_file() or name.endswith(".LOCK") or path.name == "..summary":
            continue
        text = path.read_text()
        if path.name.startswith(".."):
            # The order of uploads shows in the records.
            text = json.dumps(json.loads(text), sort_keys=True)
        found[name] = text
    return found


def write(folder: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def main(url: str, github: str, work: Path) -> None:
    """Live."""
    cache = str(work / "cache")
    admin: dict[str, Any] = {"url": url, "token": "admin-token"}

    def latest(project: str, asset: str) -> Callable[[], None]:
        return lambda: fact("is", gyp.fetch_latest(project, asset, url=url))

    def state() -> None:
        """Note all that a reader can see."""
        for project in sorted(gyp.list_projects(url=url)):
            fact("permissions", plain(gyp.fetch_permissions(project, url=url)))
            fact("quota", gyp.fetch_quota(project, url=url))
            fact("usage", gyp.fetch_usage(project, url=url))
            for asset in sorted(gyp.list_assets(project, url=url)):
                failure("latest", latest(project, asset))
                for version in sorted(gyp.list_versions(project, asset, url=url)):
                    names = (project, asset, version)
                    fact("version", "/".join(names))
                    fact("files", sorted(gyp.list_files(*names, url=url)))
                    # The original keeps internal files of inner directories.
                    plain_files = gyp.list_files(*names, include_dot=False, url=url)
                    fact("files", sorted(name for name in plain_files if "/.." not in name))
                    fact("prefix", sorted(gyp.list_files(*names, prefix="d/", url=url)))
                    for place in (cache, None):
                        place_options: dict[str, Any] = {
                            "cache_dir": place,
                            "url": url,
                            "overwrite": True,
                        }
                        fact("manifest", gyp.fetch_manifest(*names, **place_options))
                        fact("summary", plain(gyp.fetch_summary(*names, **place_options)))

    fact("urls", [gyp.rest_url(), gyp.rest_url(url), gyp.rest_url()])
    # The environment names the first one.
    gyp.cache_directory(cache)
    fact("caches", gyp.cache_directory(cache) == cache)

    token = gyp.set_access_token("admin-token", github_url=github, cache_dir=cache)
    fact("token", [token["name"], token["token"]] if token else None)
    fact("tokens", gyp.access_token(cache_dir=cache))
    fact("token file", (work / "cache/credentials/token.txt").read_text().split()[:2])
    failure("refused", lambda: gyp.set_access_token("no", github_url=github, cache_dir=None))

    gyp.create_project("life", owners=["alice"], **admin)
    uploaders = [{"id": "bob", "asset": "data", "until": "2030-01-01T00:00:00Z"}]
    gyp.create_project(
        "more",
        owners=["alice", "eve"],
        uploaders=uploaders,
        baseline=5000,
        growth_rate=7,
        year=2020,
        **admin,
    )
    failure("create again", lambda: gyp.create_project("life", owners=["x"], **admin))
    failure(
        "not allowed",
        lambda: gyp.create_project("new", owners=["x"], url=url, token="outsider-token"),
    )
    state()

    first = write(work / "first", {"a": "alpha", "d/b": "beta", "d/e/c": "gamma", "same": "alpha"})

    def upload(source: Path, asset: str, version: str, **options: Any) -> Any:
        return gyp.upload_directory(
            str(source), "life", asset, version, **{"cache_dir": cache, **admin, **options}
        )

    # The original never deduplicates when it is asked to, and always when not (D1, D2).
    same: dict[str, Any] = {} if original else {"deduplicate": False}
    fact("uploaded", upload(first, "data", "1", **same))
    fact("uploaded", upload(first, "data", "2", concurrent=2, **same))
    fact("uploaded", upload(first, "data", "trial", probation=True, **same))
    state()
    gyp.approve_probation("life", "data", "trial", **admin)
    fact("uploaded", upload(first, "other", "trial", probation=True, **same))
    gyp.reject_probation("life", "other", "trial", **admin)
    failure("approve again", lambda: gyp.approve_probation("life", "data", "trial", **admin))
    failure("reject nothing", lambda: gyp.reject_probation("life", "data", "none", **admin))
    state()

    fact("saved", tree(gyp.save_version("life", "data", "1", cache, url=url)))
    clone = work / "clone"
    gyp.clone_version("life", "data", "1", str(clone), cache_dir=cache, url=url)
    fact(
        "clone",
        [os.readlink(clone / "a") == f"{cache}/bucket/life/data/1/a", (clone / "d/b").read_text()],
    )
    for links in ("auto", "always", "never"):
        found = gyp.prepare_directory_upload(str(clone), links=links, cache_dir=cache)
        by_path = sorted(found["links"], key=lambda link: str(link["from.path"]))
        fact("prepared", [sorted(found["files"]), by_path])
    (clone / "a").unlink()
    write(clone, {"a": "changed", "new": "new"})
    fact("uploaded", upload(clone, "data", "3", **same))
    second = work / "second"
    gyp.clone_version("life", "data", "3", str(second), cache_dir=cache, url=url)
    fact("uploaded", upload(second, "data", "4", **same))
    for version in ("3", "4"):
        fact("saved", tree(gyp.save_version("life", "data", version, cache, url=url)))
        lone = str(work / f"lone-{version}")
        fact(
            "file", Path(gyp.save_file("life", "data", version, "d/e/c", lone, url=url)).read_text()
        )
        fact("resolved", gyp.resolve_links("life", "data", version, cache, url=url))
    failure("no file", lambda: gyp.save_file("life", "data", "4", "none", cache, url=url))
    failure("no links", lambda: gyp.save_file("life", "data", "1", "d/none", cache, url=url))
    failure(
        "no version", lambda: gyp.fetch_manifest("life", "data", "none", cache_dir=None, url=url)
    )
    failure(
        "no cached version",
        lambda: gyp.fetch_manifest("life", "data", "none", cache_dir=cache, url=url),
    )
    failure("no latest", lambda: gyp.fetch_latest("life", "none", url=url))
    state()

    init = gyp.start_upload(
        "life",
        "steps",
        "1",
        ["a", "d/b"],
        directory=str(first),
        **admin,
        links=[
            {
                "from.path": "l",
                "to.project": "life",
                "to.asset": "data",
                "to.version": "4",
                "to.path": "a",
            }
        ],
    )
    fact("started", [sorted(init), sorted(one["path"] for one in init["file_urls"])])
    failure("locked", lambda: gyp.start_upload("life", "steps", "2", [], **admin))
    failure("incomplete", lambda: gyp.complete_upload(init, url=url))
    gyp.upload_files(init, directory=str(first), url=url)
    gyp.complete_upload(init, url=url)
    init = gyp.start_upload(
        "life", "steps", "2", [{"path": "x", "size": 1, "md5sum": "0" * 32}], **admin
    )
    gyp.abort_upload(init, url=url)
    failure("aborted again", lambda: gyp.abort_upload(init, url=url))
    failure("mixed", lambda: gyp.start_upload("life", "steps", "3", ["a", {"path": "b"}], **admin))
    # Our message is that of the service, which the original asks and which it makes delete (D35).
    failure("exists", lambda: gyp.start_upload("life", "steps", "1", [], **admin))
    state()

    gyp.set_quota("more", baseline=1234, **admin)
    gyp.set_permissions("more", owners=["zoe"], append=False, **admin)
    gyp.set_permissions("more", uploaders=[{"id": "cat", "trusted": True}], append=False, **admin)
    fact("usage", gyp.refresh_usage("life", **admin))
    fact("latest", gyp.refresh_latest("life", "data", **admin))
    failure("refresh", lambda: gyp.refresh_usage("none", **admin))
    failure("quota", lambda: gyp.set_quota("none", baseline=1, **admin))
    failure("permissions", lambda: gyp.set_permissions("none", owners=["x"], append=False, **admin))
    failure("remove", lambda: gyp.remove_project("life", url=url, token="outsider-token"))
    fact("removed", gyp.remove_version("life", "data", "4", **admin))
    fact("removed", gyp.remove_asset("life", "steps", **admin))
    fact("removed", gyp.remove_project("more", **admin))
    state()
    fact("s3", gyp.public_s3_config(url=url))

    schema = (
        write(work, {"schema.json": '{"type": "object", "required": ["title"]}'}) / "schema.json"
    )
    fact("valid", gyp.validate_metadata({"title": 1}, str(schema)))
    failure("invalid", lambda: gyp.validate_metadata({}, str(schema)))
    fact("forgotten", gyp.set_access_token(None, cache_dir=cache))


# Processes of the original's pools import this file, too.
if __name__ == "__main__":
    main(sys.argv[2], sys.argv[3], Path(sys.argv[4]))
    json.dump(facts, sys.stdout)
