"""What notebooks that are run without a browser show of long calls, and what log files do."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest
from support.fake import Fake, Reply, as_json, serving

# Bars are for what takes longer than a second.
SECONDS = 1.3
TIME = "2026-01-01T00:00:00Z"
CALL = """
import selenite
version = selenite.open("gobbler:p/a/{}", endpoint="{}", cache="{}")
path = version.path("slow")
"""


@pytest.fixture
def slow() -> Iterator[Fake]:
    """A Gobbler whose files take their time."""
    digest = hashlib.md5(b"x", usedforsecurity=False).hexdigest()
    documents: dict[str, Any] = {
        "..manifest": {"slow": {"size": 1, "md5sum": digest}},
        "..summary": {"upload_user_id": "x", "upload_start": TIME, "upload_finish": TIME},
        "info": {"staging": "/s", "registry": "/r"},
    }

    def script(_: str, path: str) -> Reply:
        name = path.rsplit("/", 1)[-1]
        if name in documents:
            return as_json(documents[name])
        time.sleep(SECONDS)
        return Reply(b"x")

    with serving(script) as fake:
        yield fake


def seen(text: str) -> list[str]:
    """The lines that remain of a text, as a notebook shows it."""
    return [line.rpartition("\r")[2] for line in text.removesuffix("\n").split("\n")]


def test_a_notebook_has_a_line_for_each_call(
    slow: Fake, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SELENITE_PROGRESS")
    cells = [CALL.format(version, slow.url, tmp_path) for version in ("v1", "v2")]
    # The second file of a version is there: nothing is to be told.
    cells.append("quick = version.path('slow')")
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    nbclient.NotebookClient(book, timeout=60, kernel_name="python3").execute()
    outputs = [cell["outputs"] for cell in book["cells"]]
    for number, shown in enumerate(outputs[:2], 1):
        texts = [one["text"] for one in shown if one["output_type"] == "stream"]
        assert len(texts) == len(shown), shown
        (line,) = seen("".join(texts))
        assert line.startswith("fetch: 100%"), (number, line)
        assert "1/1 files" in line
    assert outputs[2] == []


@pytest.mark.parametrize("mode", ["auto", "on"])
def test_a_log_file_has_lines(slow: Fake, tmp_path: Path, mode: str) -> None:
    code = CALL.format("v1", slow.url, tmp_path / "cache")
    often = "from selenite import _progress; _progress._LINE_SECONDS = 1.0"
    log = tmp_path / "log"
    with log.open("wb") as file:
        subprocess.run(
            [sys.executable, "-c", often + code],
            stdout=file,
            stderr=file,
            env={**os.environ, "SELENITE_PROGRESS": mode},
            check=True,
        )
    text = log.read_text()
    assert "\r" not in text
    lines = text.splitlines()
    # One in the midst and one at the end; a busy machine takes longer, and has more.
    assert len(lines) >= 2 if mode == "on" else lines == []
    assert all(line.startswith("fetch: ") for line in lines)
