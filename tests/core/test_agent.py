"""Requests say which package makes them."""

from __future__ import annotations

from pathlib import Path

import gypsum_client as gyp
import pygobbler as pyg
import selenite
from selenite import _core
from support.fake import Reply, as_json, serving

OWN = f"selenite/{selenite.__version__}"


def test_each_package_names_itself_and_the_core_none(tmp_path: Path) -> None:
    heads: list[dict[str, str]] = []

    def script(_method: str, path: str) -> Reply:
        if path.endswith("info"):
            return as_json({"staging": "/s", "registry": "/r"})
        return as_json([]) if "list" in path else Reply(b"x")

    with serving(script, heads=heads) as fake:
        _core.download_files(fake.url, ["a"], tmp_path)
        pyg.service_info(fake.url)
        gyp.list_projects(url=fake.url)
    assert [head["user-agent"] for head in heads] == [
        OWN,
        f"{OWN} (pygobbler/{pyg.__version__})",
        f"{OWN} (gypsum_client/{gyp.__version__})",
    ]
