"""Documents are what Python's own parser makes of them."""

from __future__ import annotations

import gc
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selenite import _core

PIECE = 512 * 1024

_texts = st.text() | st.sampled_from(["", "a", "é", "\U0001f600", '"\\/\b\n', "\0", "x" * 40])
_leaves = st.none() | st.booleans() | st.integers() | st.integers(0, 10**7) | st.floats() | _texts
_documents = st.recursive(
    _leaves,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.dictionaries(_texts, inner, max_size=5)
        | st.lists(st.fixed_dictionaries({"size": inner}, optional={"link": inner}), max_size=80)
    ),
    max_leaves=30,
)
_indents = st.sampled_from([None, 0, 1, 4, "\t"])


def _read(file: Path, text: str | bytes) -> Any:
    file.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass"))
    return _core.read_json(file)


def _same(found: Any, expected: Any) -> bool:
    # As text, so that the order of keys, the types of numbers and NaN are compared too.
    return json.dumps(found) == json.dumps(expected)


def _outcome(parse: Callable[[str], Any], text: str) -> tuple[str, int]:
    try:
        return json.dumps(parse(text)), -1
    except json.JSONDecodeError as error:
        return error.doc, error.pos


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("json") / "document.json"


@given(document=_documents, indent=_indents, ascii_only=st.booleans())
def test_every_document_is_read_as_python_reads_it(
    file: Path, document: Any, indent: int | str | None, ascii_only: bool
) -> None:
    text = json.dumps(document, indent=indent, ensure_ascii=ascii_only)
    assert _same(_read(file, text), json.loads(text))


@given(document=_documents, indent=_indents, data=st.data())
def test_damaged_text_is_refused_when_python_refuses_it(
    file: Path, document: Any, indent: int | str | None, data: st.DataObject
) -> None:
    text = json.dumps([{"size": 1}] * 3 + [document], indent=indent)
    begin = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(begin, min(len(text), begin + 3)))
    damaged = text[:begin] + data.draw(st.text('{}[]",:\\u01e.-\x1f é', max_size=3)) + text[end:]
    assert _outcome(json.loads, damaged) == _outcome(lambda text: _read(file, text), damaged)


@pytest.mark.parametrize(
    "entries",
    [
        '"a": 1, "a": 2',
        '"a": {"b": 1, "b": {"c": 2}}, "a": {"b": 3, "b": 4}',
        '"a": {}, "b": {"x": 1}, "c": {"x": 1,"y": 2}, "d": { "x":1}, "e": {"x" : 1}',
        '"a": {"x": 01}',
        '"a": {"x": 1,}',
        '"a": {"x" 1}',
        '"a": {,"x": 1}',
        '"\\u0061": {"\\u0078": "\\ud83d\\ude00", "y": "\\ud800"}',
        '"a": 123456789012345678901234567890, "b": -1, "c": 1.5, "d": NaN',
    ],
)
def test_objects_that_resemble_others_are_not_taken_for_them(file: Path, entries: str) -> None:
    usual = ", ".join(f'"k{n}": {{"x": {n}, "y": "v"}}' for n in range(100))
    text = f"{{{usual}, {entries}}}"
    assert _outcome(json.loads, text) == _outcome(lambda text: _read(file, text), text)


def test_a_large_file_is_the_same_wherever_its_pieces_end(file: Path) -> None:
    entry = {"size": 1234567, "md5sum": "é" * 16, "link": {"path": 'a"b', "n": [True, None, {}]}}
    length = len(json.dumps({"path 000001": entry})) + 2
    rest = json.dumps({f"path {n:06}": entry for n in range(PIECE // length + 40)})[1:]
    cuts = set()
    for shift in range(length + 20):
        text = f'{{"{"x" * shift}": {shift}, {rest} \n'
        # One cut in the middle of a word or number is like another; what matters is around it.
        around = re.sub("[0-9A-Za-z]", "a", text[PIECE - 4 : PIECE + 4])
        if around not in cuts:
            cuts.add(around)
            assert _read(file, text) == json.loads(text)
    assert len(cuts) > 40


@pytest.mark.parametrize("end", ["", ",}", "}}", "} x", ', "a": }', "]", ', "\xff": 1}'])
def test_faults_behind_the_first_piece_are_found(file: Path, end: str) -> None:
    text = json.dumps({f"path {n}": n for n in range(PIECE // 8)})[:-1] + end
    with pytest.raises(json.JSONDecodeError):
        _read(file, text.encode("latin-1"))


@pytest.mark.parametrize(
    "document",
    [
        {"one": "x" * 2 * PIECE, "two": 2},
        {"one": {str(n): n for n in range(PIECE // 4)}, "two": {"three": 3}},
        list(range(PIECE)),
        "x" * 2 * PIECE,
        {str(n): n for n in range(PIECE // 8)},
        {str(n): {str(n): -1.5} for n in range(PIECE // 8)},
    ],
)
def test_large_files_of_other_kinds_are_read_too(file: Path, document: Any) -> None:
    for text in (json.dumps(document), "\n" + json.dumps(document) + "\n" * 2 * PIECE):
        assert _same(_read(file, text), document)


def test_objects_of_one_shape_share_keys_until_they_are_changed(file: Path) -> None:
    entries = [{"size": n, "md5sum": str(n)} for n in range(200)]
    found = _read(file, json.dumps(entries))
    assert sys.getsizeof(found[-1]) < sys.getsizeof(dict(entries[-1].items()))
    for change in (entries, found):
        change[150]["more"] = {}
        change[151]["other"] = []
        del change[152]["size"]
        change[152]["size"] = "last"
        change[153].clear()
        change[154].popitem()
        change[155] |= {str(n): n for n in range(50)}
    assert _same(found, entries)


def test_the_collector_is_left_as_it_was(file: Path) -> None:
    text = json.dumps({f"path {n}": {"size": n} for n in range(PIECE // 8)})
    assert gc.isenabled()
    _read(file, text)
    assert gc.isenabled()
    gc.disable()
    try:
        _read(file, text)
        assert not gc.isenabled()
        with pytest.raises(ValueError, match="document"):
            _read(file, text[:-1])
    finally:
        gc.enable()


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        _core.read_json(tmp_path / "none.json")
