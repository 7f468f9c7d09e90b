"""Searches in a database of metadata."""

from __future__ import annotations

import functools
import itertools
import json
import shutil
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import gypsum_client as gyp
import pytest
from gypsum_client import define_text_query as text
from gypsum_client import parse_text_query as parse
from gypsum_client.search_metadata import (
    GypsumSearchClause,
    sanitize_query,
    search_metadata_text_filter,
)
from hypothesis import given, settings
from hypothesis import strategies as st

# Path to its words by field; those of `old` are not the latest.
PATHS: dict[str, dict[str, str]] = {
    "brain": {"title": "mouse brain atlas", "species": "10090"},
    "pancreas": {"title": "human pancreas", "species": "9606"},
    "both": {"title": "human brain and pancreas", "note": "mouse-free"},
    "müller": {"title": "Müller cells 視神経 under_score"},
    "nothing": {},
    "old": {"title": "mouse brain"},
}


def words_of(value: str) -> list[str]:
    for mark in "_":
        value = value.replace(mark, " ")
    return value.lower().split()


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("search") / "meta.sqlite3"
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(
            "CREATE TABLE versions(vid INTEGER PRIMARY KEY, project, asset, version, latest);"
            "CREATE TABLE paths(pid INTEGER PRIMARY KEY, vid, path, metadata);"
            "CREATE TABLE tokens(tid INTEGER PRIMARY KEY, token UNIQUE);"
            "CREATE TABLE fields(fid INTEGER PRIMARY KEY, field UNIQUE);"
            "CREATE TABLE links(pid, fid, tid);"
            "INSERT INTO versions VALUES (0, 'p', 'a', 'v2', 1), (1, 'p', 'a', 'v1', 0);"
        )
        for pid, (name, fields) in enumerate(PATHS.items()):
            row = (pid, int(name == "old"), name, json.dumps(fields))
            connection.execute("INSERT INTO paths VALUES (?, ?, ?, ?)", row)
            for field, value in fields.items():
                connection.execute("INSERT OR IGNORE INTO fields(field) VALUES (?)", (field,))
                for word in words_of(value):
                    connection.execute("INSERT OR IGNORE INTO tokens(token) VALUES (?)", (word,))
                    connection.execute(
                        "INSERT INTO links SELECT ?, fid, tid FROM fields, tokens"
                        " WHERE field = ? AND token = ?",
                        (pid, field, word),
                    )
    return path


def found(database: Path, query: Any, **options: Any) -> list[str]:
    return [row["path"] for row in gyp.search_metadata_text(database, query, **options)]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("brain", ["brain", "both"]),
        ("Brain HUMAN", ["both"]),
        (["brain", "human"], ["both"]),
        (("brain", text("human")), ["both"]),
        (["pancreas"], ["pancreas", "both"]),
        (text("mouse") & text("brain"), ["brain"]),
        (text("mouse") | text("human"), ["brain", "pancreas", "both"]),
        (~text("brain"), ["pancreas", "müller", "nothing"]),
        (text("brain") & ~text("mouse"), ["both"]),
        (~(text("brain") | text("pancreas")), ["müller", "nothing"]),
        (text("10090", field="species"), ["brain"]),
        (text("10090", field="title"), []),
        (text("9606", "species") | text("atlas", "title"), ["brain", "pancreas"]),  # D26
        (text("9606", "species") | text("atlas"), ["brain", "pancreas"]),
        (~text("brain") | ~text("human"), ["brain", "pancreas", "müller", "nothing"]),  # D26
        ((text("brain") & text("mouse")) | text("cells"), ["brain", "müller"]),
        (text("pan%", partial=True), ["pancreas", "both"]),
        (text("br%n atl_s", partial=True), ["brain"]),
        (text("pan%"), []),
        (text("mouse-free"), ["both"]),
        ("MÜLLER 視神経", ["müller"]),  # D27
        ("under_score", ["müller"]),
        ("  ..!  ", ["brain", "pancreas", "both", "müller", "nothing"]),
        (text("!") & text("brain"), ["brain", "both"]),
        (text("!") | text("cells"), ["müller"]),
        (text("brain") & ~text("!"), ["brain", "both"]),
    ],
)
def test_queries_find_what_they_say(database: Path, query: Any, expected: list[str]) -> None:
    assert found(database, query) == expected


def test_results_have_the_columns_asked_for(database: Path) -> None:
    (row,) = gyp.search_metadata_text(database, "cells")
    assert list(row) == ["project", "asset", "version", "path", "metadata"]
    assert row["metadata"] == PATHS["müller"]
    rows = gyp.search_metadata_text(database, "mouse", latest=False, include_metadata=False)
    assert list(rows[0]) == ["project", "asset", "version", "path", "latest"]
    assert [(row["path"], row["latest"]) for row in rows] == [("brain", 1), ("old", 0)]


def jsonb(value: str | dict[str, str]) -> bytes:
    """Metadata as SQLite 3.45 keeps it: the kind and the size of each part before it."""
    if isinstance(value, str):
        kind, content = 10, value.encode()
    else:
        kind, content = 12, b"".join(map(jsonb, itertools.chain(*value.items())))
    return bytes([0xD0 | kind]) + len(content).to_bytes(2, "big") + content


@pytest.mark.parametrize("binary", [jsonb, lambda fields: json.dumps(fields).encode()])
def test_metadata_may_be_binary(
    database: Path, tmp_path: Path, binary: Callable[[dict[str, str]], bytes]
) -> None:
    path = tmp_path / "binary.sqlite3"
    shutil.copy(database, path)
    with closing(sqlite3.connect(path)) as connection, connection:
        for name, fields in PATHS.items():
            row = (binary(fields), name)
            connection.execute("UPDATE paths SET metadata = ? WHERE path = ?", row)
        connection.execute("UPDATE paths SET metadata = NULL WHERE path = 'brain'")
    everything = gyp.search_metadata_text(path, "", include_metadata=False)
    assert [row["path"] for row in everything] == [name for name in PATHS if name != "old"]
    if binary is jsonb and sqlite3.sqlite_version_info < (3, 45):
        with pytest.raises(gyp.GypsumError, match=r"JSONB, which SQLite 3\.\S+ cannot read"):
            gyp.search_metadata_text(path, "")
    else:
        rows = gyp.search_metadata_text(path, "")
        expected: dict[str, Any] = {**PATHS, "brain": None}
        del expected["old"]
        assert {row["path"]: row["metadata"] for row in rows} == expected


def test_bad_queries_and_databases_are_refused(database: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^'query' must have atleast 1 element.$"):
        found(database, [])
    missing = tmp_path / "odd name?#.sqlite3"
    with pytest.raises(FileNotFoundError):
        found(missing, "brain")
    assert not missing.exists()  # D27
    with pytest.raises(TypeError, match="define_text_query"):
        text("a") & "b"  # type: ignore[operator]


def test_the_filter_fits_statements_of_ones_own(database: Path) -> None:
    condition = search_metadata_text_filter(text("brain") | text("cells"), pid_name="p.pid")
    assert list(condition["parameters"]) == ["p0", "p1"]
    where = " AND ".join(["p.pid < 100", *condition["where"], "p.pid <> 3"])
    statement = f"SELECT path FROM paths p WHERE {where}"
    with closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(statement, condition["parameters"]).fetchall()
    assert [row[0] for row in rows] == ["brain", "both", "old"]
    assert search_metadata_text_filter("...") == {"where": [], "parameters": {}}


def test_clauses_are_never_changed_and_can_be_keys() -> None:  # D27
    one, two = text("Brain atlas"), text("mouse")
    both = one & two
    more = both & text("x")
    assert both.children == [one, two]
    assert more.children is not None
    assert len(more.children) == 3
    before = repr(more)
    search_metadata_text_filter(more)
    sanitize_query(more)
    assert repr(more) == before
    assert one.text == "Brain atlas"
    assert functools.lru_cache(lambda clause: clause.type)(more) == "and"
    assert text("a") != text("a")


def test_parameters_are_in_the_order_of_the_words() -> None:
    assert text("a").children == []
    for query in (["a", "b c"], text("a b") & text("c"), text("a") & (text("b") & text("c"))):
        found = search_metadata_text_filter(query)
        assert found["parameters"] == {"p0": "a", "p1": "b", "p2": "c"}


def test_deep_queries_cost_little(database: Path) -> None:  # D27
    query = text("brain")
    for number in range(60):
        query = (query & text("brain")) if number % 2 else (query | text("cells"))
    begin = time.perf_counter()
    assert found(database, query) == ["brain", "both"]
    wide = functools.reduce(lambda one, other: one | other, [text(f"w{n}") for n in range(100)])
    assert found(database, wide) == []
    assert time.perf_counter() - begin < 20


LEAVES = st.builds(
    text,
    st.sampled_from(["brain", "mouse", "human pancreas", "cells", "!", "9606"]),
    st.sampled_from([None, "title", "species"]),
)
CLAUSES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(lambda one, other: one & other, inner, inner),
        st.builds(lambda one, other: one | other, inner, inner),
        st.builds(lambda one: ~one, inner),
    ),
    max_leaves=8,
)


def holds(clause: GypsumSearchClause, fields: dict[str, str]) -> bool | None:
    """Whether a clause holds, `None` if it says nothing; by the definitions alone."""
    if clause.type == "text":
        words = [word for word in (clause.text or "").split() if word != "!"]
        there = [
            word
            for field, value in fields.items()
            if clause.field in (None, field)
            for word in words_of(value)
        ]
        return all(word in there for word in words) if words else None
    if clause.type == "not":
        assert clause.child is not None
        inner = holds(clause.child, fields)
        return None if inner is None else not inner
    parts = [holds(child, fields) for child in clause.children or []]
    known = [part for part in parts if part is not None]
    if not known:
        return None
    return all(known) if clause.type == "and" else any(known)


@settings(max_examples=300)
@given(clause=CLAUSES)
def test_any_clause_means_what_it_says(database: Path, clause: GypsumSearchClause) -> None:
    expected = [name for name, fields in PATHS.items() if holds(clause, fields) is not False]
    assert found(database, clause, latest=False) == expected


@pytest.mark.parametrize(
    ("query", "same"),
    [
        ("mouse brain", text("mouse") & text("brain")),
        ("mouse AND brain", text("mouse") & text("brain")),
        ("human OR mouse atlas", text("human") | (text("mouse") & text("atlas"))),
        ("NOT brain pancreas", ~text("brain") & text("pancreas")),
        ("(human OR mouse) brain", (text("human") | text("mouse")) & text("brain")),
        ("NOT (human OR mouse)", ~(text("human") | text("mouse"))),
        (
            "title: mouse brain OR cells",
            (text("mouse", "title") & text("brain", "title")) | text("cells"),
        ),
        ("species: 9606 title: human", text("9606", "species") & text("human", "title")),
        ("pan% human", text("pan%", partial=True) & text("human")),
        ("and or not", text("and or not")),
        ("GO:0008150", text("GO:0008150")),
    ],
)
def test_people_write_queries_too(database: Path, query: str, same: GypsumSearchClause) -> None:
    ours, theirs = search_metadata_text_filter(parse(query)), search_metadata_text_filter(same)
    assert ours["parameters"] == theirs["parameters"]
    assert found(database, parse(query)) == found(database, same)


@pytest.mark.parametrize(
    "query", ["", "(", ")", "a OR", "NOT", "AND a", "(a", "a)", "f:", "f: OR a"]
)
def test_queries_that_make_no_sense_are_refused(query: str) -> None:
    with pytest.raises(ValueError, match="cannot read the query"):
        parse(query)


@pytest.fixture
def uploads(tmp_path: Path) -> Path:
    """A database that knows who has uploaded what, and when."""
    path = tmp_path / "uploads.sqlite3"
    rows = [
        (1, "p", "a", "v1", 0, "alice", 1_700_000_000, "x/one.h5"),
        (2, "p", "a", "v2", 1, "bob", 1_800_000_000, "x/two.h5"),
        (3, "q", "b", "v1", 1, "alice", 1_900_000_000, "three.csv"),
    ]
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executescript(
            "CREATE TABLE versions(vid, project, asset, version, latest, user, time);"
            "CREATE TABLE paths(pid, vid, path, metadata);"
            "CREATE TABLE tokens(tid, token); CREATE TABLE fields(fid, field);"
            "CREATE TABLE links(pid, fid, tid); INSERT INTO tokens VALUES (1, 'brain');"
            "INSERT INTO links VALUES (1, 1, 1); INSERT INTO links VALUES (2, 1, 1);"
            "PRAGMA user_version = 1001000;"
        )
        for number, *version, file in rows:
            connection.execute("INSERT INTO versions VALUES (?,?,?,?,?,?,?)", (number, *version))
            connection.execute("INSERT INTO paths VALUES (?,?,?,'{}')", (number, number, file))
    return path


@pytest.mark.parametrize(
    ("conditions", "expected"),
    [
        ({"project": "p"}, ["x/one.h5", "x/two.h5"]),
        ({"asset": "b"}, ["three.csv"]),
        ({"version": "v1"}, ["x/one.h5", "three.csv"]),
        ({"version": "v_", "partial": True}, ["x/one.h5", "x/two.h5", "three.csv"]),
        ({"path": "x/%", "partial": True}, ["x/one.h5", "x/two.h5"]),
        ({"path": "x/%"}, []),
        ({"user": "alice", "project": "p"}, ["x/one.h5"]),
        ({"time": 1_700_000_000}, ["x/two.h5", "three.csv"]),
        ({"time": 1_700_000_000, "after": False}, ["x/one.h5"]),
        ({"time": "2027-06-01"}, ["three.csv"]),
        ({"time": datetime(2027, 6, 1, tzinfo=UTC), "after": False}, ["x/one.h5", "x/two.h5"]),
        ({"time": date(2027, 6, 1)}, ["three.csv"]),
    ],
)
def test_what_the_metadata_is_of(
    uploads: Path, conditions: dict[str, Any], expected: list[str]
) -> None:
    clause = gyp.define_search_clause(**conditions)
    assert found(uploads, clause, latest=False) == expected
    both = found(uploads, clause & text("brain"), latest=False)
    assert both == [path for path in expected if path.startswith("x/")]
    others = {"x/one.h5", "x/two.h5", "three.csv"} - {*expected}
    assert {*found(uploads, ~clause, latest=False)} == others


def test_databases_without_users_say_so(database: Path) -> None:
    with pytest.raises(gyp.GypsumError, match="does not know users"):
        found(database, gyp.define_search_clause(user="alice"))
    with pytest.raises(ValueError, match="at least one"):
        gyp.define_search_clause()
