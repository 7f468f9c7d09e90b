"""Searches in databases of metadata."""

from __future__ import annotations

import os

from ._errors import GypsumError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import date
    from typing import Any, TypeAlias

    _Query: TypeAlias = str | "GypsumSearchClause" | Sequence["str | GypsumSearchClause"]


class GypsumSearchClause:
    """A condition on the text of metadata. Clauses are combined by ``&``, ``|`` and ``~``.

    Attributes:
        type: ``"text"``, ``"and"``, ``"or"`` or ``"not"``; or what `define_search_clause` looks at.
        text: Words to look for, of a ``"text"`` clause; a name, a path, or seconds since 1970.
        field: Name of the field to look in, of a ``"text"`` clause; None for all fields.
        partial: Whether ``%`` in the text stands for anything, of a ``"text"`` clause.
        children: Clauses that are combined, of an ``"and"`` or ``"or"`` clause.
        child: Clause that must not hold, of a ``"not"`` clause.

    Example:
        >>> clause = GypsumSearchClause("text", text="brain")
        >>> (clause & ~clause).type
        'and'
    """

    def __init__(
        self,
        type: str,
        text: str | None = None,
        field: str | None = None,
        partial: bool = False,
        children: list[GypsumSearchClause] | None = None,
        child: GypsumSearchClause | None = None,
    ) -> None:
        """Keep the parts of the clause."""
        self.type = type
        self.text = text
        self.field = field
        self.partial = partial
        self.children: list[GypsumSearchClause] = [] if children is None else children
        self.child = child

    def __and__(self, other: GypsumSearchClause) -> GypsumSearchClause:
        """Make a clause that holds if both do."""
        return _combined("and", self, other)

    def __or__(self, other: GypsumSearchClause) -> GypsumSearchClause:
        """Make a clause that holds if either does."""
        return _combined("or", self, other)

    def __invert__(self) -> GypsumSearchClause:
        """Make a clause that holds if this one does not."""
        return GypsumSearchClause("not", child=self)

    def __repr__(self) -> str:
        """Show the clause as a program would write it."""
        if self.type == "text":
            return f"define_text_query({self.text!r}, {self.field!r}, {self.partial!r})"
        if self.type == "not":
            return f"~{self.child!r}"
        if self.type in ("after", "before"):
            return f"define_search_clause(time={self.text}, after={self.type == 'after'})"
        if self.type in _KINDS:
            return f"define_search_clause({self.type}={self.text!r}, partial={self.partial!r})"
        mark = " & " if self.type == "and" else " | "
        return "(" + mark.join(map(repr, self.children)) + ")"


def _combined(kind: str, *clauses: GypsumSearchClause) -> GypsumSearchClause:
    children: list[GypsumSearchClause] = []
    for clause in clauses:
        if not isinstance(clause, GypsumSearchClause):
            message = f"cannot combine a search clause with {clause!r}; use `define_text_query`"
            raise TypeError(message)
        children += clause.children if clause.type == kind else [clause]
    return GypsumSearchClause(kind, children=children)


def define_text_query(
    text: str, field: str | None = None, partial: bool = False
) -> GypsumSearchClause:
    """Define what to look for.

    Args:
        text: Words that must all be there, in any order and case. Words consist of letters, digits
            and ``-``.
        field: Name of the field to look in; None for all fields.
        partial: Let ``%`` stand for any characters, and ``_`` for any one.

    Returns:
        A clause; combine clauses by ``&``, ``|`` and ``~``.

    Example:
        >>> import gypsum_client
        >>> brain = gypsum_client.define_text_query("brain")
        >>> mouse = gypsum_client.define_text_query("10090", field="taxonomy_id")
        >>> (brain & ~mouse).type
        'and'
    """
    return GypsumSearchClause("text", text=text, field=field, partial=partial)


# Where each kind of condition on versions and paths looks.
_COLUMNS = {
    "project": "versions.project",
    "asset": "versions.asset",
    "version": "versions.version",
    "path": "paths.path",
    "user": "versions.user",
}
_TIME = (
    "CASE typeof(versions.time) WHEN 'text' THEN CAST(strftime('%s', versions.time) AS REAL)"
    " ELSE versions.time END"
)
_KINDS = {**dict.fromkeys(_COLUMNS, ""), "after": ">", "before": "<="}
# Databases say so by this number that they know users and times.
_KNOWS_USERS = 1_001_000


def define_search_clause(
    *,
    project: str | None = None,
    asset: str | None = None,
    version: str | None = None,
    path: str | None = None,
    user: str | None = None,
    time: str | date | float | None = None,
    after: bool = True,
    partial: bool = False,
) -> GypsumSearchClause:
    """Define of what the metadata is to be, rather than what stands in it.

    All conditions that are given must hold. Not all databases know users and times.

    Args:
        project: Name of the project.
        asset: Name of the asset.
        version: Name of the version.
        path: Path within the version.
        user: Who uploaded the version.
        time: When it was uploaded: a datetime, a date, a text like ``"2024-02-29"``, or seconds
            since 1970.
        after: Find what was uploaded after that time, else what was until then.
        partial: Let ``%`` in names and paths stand for any characters, and ``_`` for any one.

    Returns:
        A clause, to be combined with others by ``&``, ``|`` and ``~``.

    Raises:
        ValueError: If nothing is given, or the time is none.

    Example:
        >>> import gypsum_client
        >>> brain = gypsum_client.define_text_query("brain")
        >>> (brain & define_search_clause(project="celldex", path="%.h5", partial=True)).type
        'and'
    """
    names = {"project": project, "asset": asset, "version": version, "path": path, "user": user}
    found = [
        GypsumSearchClause(kind, text=text, partial=partial)
        for kind, text in names.items()
        if text is not None
    ]
    if time is not None:
        kind = "after" if after else "before"
        found.append(GypsumSearchClause(kind, text=str(_seconds(time))))
    if not found:
        raise ValueError("give at least one of the conditions")
    return found[0] if len(found) == 1 else _combined("and", *found)


def _seconds(time: str | date | float) -> float:
    from datetime import date, datetime

    if isinstance(time, str):
        time = datetime.fromisoformat(time)
    if isinstance(time, datetime):
        return time.astimezone().timestamp()
    if isinstance(time, date):
        return datetime(time.year, time.month, time.day).astimezone().timestamp()
    return float(time)


def parse_text_query(text: str) -> GypsumSearchClause:
    """Read a query as people write one.

    Words beside each other must all be there. ``AND``, ``OR`` and ``NOT`` in capital letters
    combine words; ``NOT`` binds most and ``OR`` least; parentheses group. ``field:`` before words
    says in which field they must be, up to the next operator or parenthesis. ``%`` in a word stands
    for any characters.

    Args:
        text: The query.

    Returns:
        A clause.

    Raises:
        ValueError: If a parenthesis or an operator has no counterpart.

    Example:
        >>> parse_text_query("title: brain atlas OR NOT panc%").type
        'or'
    """
    return _Reader(text).read()


class _Reader:
    """A reader of queries, one word at a time."""

    def __init__(self, text: str) -> None:
        import re

        self._text = text
        self._words: list[str] = re.findall(r"[()]|[^\s()]+", text)
        self._at = 0

    def read(self) -> GypsumSearchClause:
        found = self._any()
        if self._peek() is not None:
            raise self._fault()
        return found

    def _peek(self) -> str | None:
        return self._words[self._at] if self._at < len(self._words) else None

    def _take(self, word: str) -> bool:
        is_next = self._peek() == word
        self._at += is_next
        return is_next

    def _fault(self) -> ValueError:
        place = self._peek()
        where = "at its end" if place is None else f"at {place!r}"
        return ValueError(f"cannot read the query {self._text!r}: something is wrong {where}")

    def _any(self) -> GypsumSearchClause:
        found = [self._all()]
        while self._take("OR"):
            found.append(self._all())
        return found[0] if len(found) == 1 else _combined("or", *found)

    def _all(self) -> GypsumSearchClause:
        found = [self._one()]
        while self._take("AND") or self._peek() not in (None, ")", "OR"):
            found.append(self._one())
        return found[0] if len(found) == 1 else _combined("and", *found)

    def _one(self) -> GypsumSearchClause:
        if self._take("NOT"):
            return ~self._one()
        if self._take("("):
            found = self._any()
            if not self._take(")"):
                raise self._fault()
            return found
        return self._run()

    def _run(self) -> GypsumSearchClause:
        """Read one word, or a field with the words that belong to it."""
        word = self._peek()
        if word is None or not self._is_field(word):
            return self._word(None)
        self._at += 1
        found = [self._word(word[:-1])]
        while (follower := self._peek()) is not None and self._is_word(follower):
            found.append(self._word(word[:-1]))
        return found[0] if len(found) == 1 else _combined("and", *found)

    def _word(self, field: str | None) -> GypsumSearchClause:
        word = self._peek()
        if word is None or not self._is_word(word):
            raise self._fault()
        self._at += 1
        return define_text_query(word, field, partial="%" in word)

    def _is_field(self, word: str) -> bool:
        return len(word) > 1 and word.endswith(":")

    def _is_word(self, word: str) -> bool:
        return word not in ("(", ")", "AND", "OR", "NOT") and not self._is_field(word)


def search_metadata_text(
    path: str | os.PathLike[str],
    query: _Query,
    latest: bool = True,
    include_metadata: bool = True,
) -> list[dict[str, Any]]:
    """Search a database of metadata.

    Args:
        path: Path of the database, as ``fetch_metadata_database`` returns it.
        query: A text, a clause of ``define_text_query``, or several of them that must all hold. A
            query without any words finds everything.
        latest: Look only at the latest version of each asset.
        include_metadata: Return the metadata, too.

    Returns:
        What was found: dictionaries with ``project``, ``asset``, ``version``, ``path``,
        ``metadata`` (if wanted), and ``latest`` (1 or 0, unless only those were looked at).

    Raises:
        ValueError: If ``query`` is empty.
        FileNotFoundError: If there is no such database.
        GypsumError: If the database holds metadata in the binary form of SQLite 3.45 (JSONB), and
            Python has an older one.

    Example:
        >>> import gypsum_client
        >>> path = gypsum_client.fetch_metadata_database(cache_dir=cache)
        >>> [found["path"] for found in gypsum_client.search_metadata_text(path, "brain")]
        ['brain.h5']
    """
    condition = search_metadata_text_filter(query)
    columns = ["versions.project", "versions.asset", "versions.version", "paths.path"]
    names = ["project", "asset", "version", "path"]
    if include_metadata:
        columns.append(_metadata_column())
        names.append("metadata")
    if not latest:
        columns.append("versions.latest")
        names.append("latest")
    where: list[str] = [*condition["where"]]
    if latest:
        where.append("versions.latest = 1")
    statement = (
        f"SELECT {', '.join(columns)} FROM paths"
        " LEFT JOIN versions ON paths.vid = versions.vid"
        + (f" WHERE {' AND '.join(where)}" if where else "")
        + " ORDER BY paths.pid"
    )
    found = [
        dict(zip(names, row, strict=True))
        for row in _rows(path, statement, condition["parameters"])
    ]
    if include_metadata:
        for row in found:
            if row["metadata"] is not None:
                row["metadata"] = _metadata(row["metadata"], path)
    return found


def _metadata_column() -> str:
    """Write what reads metadata as text, whichever form of JSON it is kept in."""
    import sqlite3

    if sqlite3.sqlite_version_info < (3, 45):
        return "paths.metadata"
    return (
        "CASE typeof(paths.metadata) WHEN 'blob' THEN json(paths.metadata) ELSE paths.metadata END"
    )


def _metadata(value: str | bytes, path: str | os.PathLike[str]) -> Any:
    """Read metadata."""
    import json

    try:
        return json.loads(value)
    except ValueError:
        if isinstance(value, str):
            raise
    import sqlite3

    message = (
        f"{os.fspath(path)!r} holds metadata as JSONB, which SQLite {sqlite3.sqlite_version}"
        " cannot read: take a Python with SQLite 3.45 or later"
    )
    raise GypsumError(message)


def _rows(
    path: str | os.PathLike[str], statement: str, parameters: dict[str, str]
) -> list[tuple[Any, ...]]:
    import errno
    import sqlite3
    from contextlib import closing
    from pathlib import Path

    if not os.path.exists(path):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), os.fspath(path))
    uri = Path(path).absolute().as_uri() + "?mode=ro"
    with closing(sqlite3.connect(uri, uri=True)) as connection:
        known = connection.execute("PRAGMA user_version").fetchone()[0]
        if known < _KNOWS_USERS and ("versions.user" in statement or "versions.time" in statement):
            raise GypsumError(f"{os.fspath(path)!r} does not know users and times of uploads")
        return connection.execute(statement, parameters).fetchall()


def search_metadata_text_filter(query: _Query, pid_name: str = "paths.pid") -> dict[str, Any]:
    """Make the condition of a search, for statements of one's own.

    Args:
        query: As for ``search_metadata_text``.
        pid_name: Name of the column that holds identifiers of paths.

    Returns:
        A dictionary with ``where``, conditions in SQL that must all hold (none for a query without
        any words), and ``parameters``, the values of the conditions' named parameters.

    Raises:
        ValueError: If ``query`` is empty.

    Example:
        >>> search_metadata_text_filter("brain")["parameters"]
        {'p0': 'brain'}
    """
    clause = sanitize_query(_clause(query))
    if clause is None:
        return {"where": [], "parameters": {}}
    parameters: dict[str, str] = {}
    condition = build_query(clause, pid_name, parameters)
    # Callers put further conditions beside it.
    return {"where": [f"({condition})"], "parameters": parameters}


def _clause(query: _Query) -> GypsumSearchClause:
    if isinstance(query, GypsumSearchClause):
        return query
    if isinstance(query, str):
        return define_text_query(query)
    if not hasattr(query, "__iter__"):
        raise TypeError(f"`query` should be a text, a clause or a list of these, not {query!r:.80}")
    clauses = [_clause(one) for one in query]
    if not clauses:
        message = "'query' must have atleast 1 element."
        raise ValueError(message)
    return clauses[0] if len(clauses) == 1 else _combined("and", *clauses)


def sanitize_query(query: GypsumSearchClause) -> GypsumSearchClause | None:
    """Split texts into words, and drop what holds none.

    Args:
        query: A clause, which is not changed.

    Returns:
        A clause whose texts are single words; None if there is nothing to look for.

    Raises:
        ValueError: If a clause has an unknown type.

    Example:
        >>> sanitize_query(define_text_query("Brain atlas")).type
        'and'
    """
    if query.type == "text":
        words = [
            define_text_query(word, query.field, query.partial)
            for word in _words(query.text or "", query.partial)
        ]
        return _all_of("and", words)
    if query.type in _KINDS:
        return query
    if query.type == "not":
        child = None if query.child is None else sanitize_query(query.child)
        return None if child is None else ~child
    if query.type not in ("and", "or"):
        message = f"unknown type of clause {query.type!r}: expected 'text', 'and', 'or' or 'not'"
        raise ValueError(message)
    children: list[GypsumSearchClause] = []
    for one in query.children:
        clause = sanitize_query(one)
        if clause is not None:
            children += clause.children if clause.type == query.type else [clause]
    return _all_of(query.type, children)


def _all_of(kind: str, clauses: list[GypsumSearchClause]) -> GypsumSearchClause | None:
    if len(clauses) > 1:
        return GypsumSearchClause(kind, children=clauses)
    return clauses[0] if clauses else None


def _words(text: str, partial: bool) -> list[str]:
    import re

    return re.findall(r"[\w%-]+" if partial else r"(?:[^\W_]|-)+", text.lower())


def add_query_parameter(env: dict[str, str], value: str) -> str:
    """Keep a value under a name of its own.

    Args:
        env: Values by name.
        value: A further one.

    Returns:
        Its name.

    Example:
        >>> add_query_parameter({"p0": "brain"}, "atlas")
        'p1'
    """
    name = f"p{len(env)}"
    env[name] = value
    return name


def build_query(query: GypsumSearchClause, name: str, env: dict[str, str]) -> str:
    """Write a clause in SQL.

    Args:
        query: A clause of ``sanitize_query``.
        name: Name of the column that holds identifiers of paths.
        env: Values of named parameters; those of the clause are added.

    Returns:
        The condition.

    Example:
        >>> build_query(define_text_query("brain"), "pid", {}).startswith("pid IN (SELECT")
        True
    """
    if query.type == "text":
        return _any_text([query], name, env)
    if query.type in _KINDS:
        return _of_version(query, name, env)
    if query.type == "not":
        child = query.child or GypsumSearchClause("and", children=[])
        return f"NOT ({build_query(child, name, env)})"
    # What is nested comes first: SQLite's parser remembers all that it has read before.
    children = query.children
    texts = [child for child in children if child.type == "text"]
    parts = [f"({build_query(child, name, env)})" for child in children if child.type != "text"]
    if query.type == "and":
        parts += [build_query(text, name, env) for text in texts]
        return " AND ".join(parts)
    # One pass over the links finds all texts together.
    parts += [_any_text(texts, name, env)] if texts else []
    return " OR ".join(parts)


def _of_version(clause: GypsumSearchClause, name: str, env: dict[str, str]) -> str:
    """Write a condition on versions and paths in SQL."""
    value = f":{add_query_parameter(env, clause.text or '')}"
    if clause.type in _COLUMNS:
        condition = f"{_COLUMNS[clause.type]} {'LIKE' if clause.partial else '='} {value}"
    else:
        condition = f"{_TIME} {_KINDS[clause.type]} CAST({value} AS REAL)"
    tables = "paths LEFT JOIN versions ON paths.vid = versions.vid"
    return f"{name} IN (SELECT paths.pid FROM {tables} WHERE {condition})"


def _any_text(texts: list[GypsumSearchClause], name: str, env: dict[str, str]) -> str:
    joins = "LEFT JOIN tokens ON tokens.tid = links.tid"
    if any(text.field is not None for text in texts):
        joins += " LEFT JOIN fields ON fields.fid = links.fid"
    conditions = []
    for text in texts:
        mark = "LIKE" if text.partial else "="
        condition = f"tokens.token {mark} :{add_query_parameter(env, text.text or '')}"
        if text.field is not None:
            condition += f" AND fields.field = :{add_query_parameter(env, text.field)}"
        conditions.append(condition)
    where = " OR ".join(f"({one})" for one in conditions) if conditions[1:] else conditions[0]
    return f"{name} IN (SELECT links.pid FROM links {joins} WHERE {where})"
