"""``selenite search``: the metadata of a gypsum registry."""

from __future__ import annotations

import json

import click

from selenite._display import count_text
from selenite.cli._common import Options, argument, command, flag, option, place_of
from selenite.cli._errors import USAGE, CommandError
from selenite.cli._output import Output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_WIDEST_TITLE = 60


@command(
    "search",
    argument("query", required=False, default=""),
    option("--project", metavar="NAME", help="Of this project."),
    option("--asset", metavar="NAME", help="Of this asset."),
    option("--version", metavar="NAME", help="Of this version."),
    option("--path", metavar="PATH", help="At this path; % stands for any letters."),
    option("--user", metavar="NAME", help="Uploaded by this user."),
    option("--after", metavar="TIME", help="Uploaded after this time, as 2024-02-29."),
    option("--before", metavar="TIME", help="Uploaded until this time."),
    flag("--latest", help="Of the latest version of each asset only."),
    option("--limit", default=50, show_default=True, type=click.IntRange(min=1), help="So many."),
    option("--database", default="bioconductor.sqlite3", show_default=True, help="Which metadata."),
    flag("--refresh", help="Fetch the database again."),
    examples=(
        'selenite search "brain AND (mouse OR human)" --latest',
        'selenite search "title: pancrea% NOT islet" --project scRNAseq',
        "selenite search --user alice --after 2024-01-01",
    ),
)
def search(
    options: Options,
    query: str,
    latest: bool,
    limit: int,
    database: str,
    refresh: bool,
    **conditions: str | None,
) -> None:
    """Search the metadata of a gypsum registry.

    Words of QUERY beside each other must all be there. AND, OR and NOT combine words, parentheses
    group, `field:` says in which field the next words must be, and % stands for any letters.
    """
    from gypsum_client import cache_directory, fetch_metadata_database

    try:
        clauses = _clauses(query, conditions)
    except ValueError as error:
        raise CommandError(USAGE, str(error)) from error
    if not clauses:
        raise CommandError(USAGE, "nothing to search for", "give words, or one of the conditions")
    cache = place_of("gypsum", options).cache or cache_directory()
    path = fetch_metadata_database(database, cache_dir=cache, overwrite=refresh)
    rows = _found(path, clauses, latest, limit)
    output = Output(options)
    output.items(rows, _line, lambda row: str(row["address"]))
    if len(rows) == limit:
        output.note(f"the first {count_text(limit, 'result')}; `--limit` shows more")
    elif not rows:
        output.note("nothing was found")


def _clauses(query: str, conditions: dict[str, str | None]) -> list[Any]:
    from gypsum_client import define_search_clause, parse_text_query

    found = [parse_text_query(query)] if query.strip() else []
    for kind in ("project", "asset", "version", "path", "user"):
        text = conditions[kind]
        if text is not None:
            partial = kind == "path" and "%" in text
            given: dict[str, Any] = {kind: text, "partial": partial}
            found.append(define_search_clause(**given))
    for kind in ("after", "before"):
        text = conditions[kind]
        if text is not None:
            found.append(define_search_clause(time=text, after=kind == "after"))
    return found


def _found(path: str, clauses: list[Any], latest: bool, limit: int) -> list[dict[str, Any]]:
    """Look for what all clauses hold for, and in which fields words were found."""
    from gypsum_client import GypsumError
    from gypsum_client.search_metadata import _rows, search_metadata_text_filter

    condition = search_metadata_text_filter(clauses)
    where = [*condition["where"], *(["versions.latest = 1"] if latest else [])]
    statement = (
        "SELECT paths.pid, versions.project, versions.asset, versions.version, paths.path,"
        " versions.latest, paths.metadata FROM paths LEFT JOIN versions"
        " ON paths.vid = versions.vid"
        + (f" WHERE {' AND '.join(where)}" if where else "")
        + f" ORDER BY paths.pid LIMIT {limit}"
    )
    words = [word.strip("%") for word in condition["parameters"].values()]
    found = []
    for pid, project, asset, version, file, is_latest, metadata in _rows(
        path, statement, condition["parameters"]
    ):
        matched = _rows(
            path,
            "SELECT DISTINCT fields.field FROM links JOIN fields ON fields.fid = links.fid"
            " JOIN tokens ON tokens.tid = links.tid WHERE links.pid = :pid AND ("
            + " OR ".join(f"tokens.token LIKE '%' || :w{at} || '%'" for at in range(len(words)))
            + ") ORDER BY fields.field",
            {"pid": pid, **{f"w{at}": word for at, word in enumerate(words)}},
        )
        try:
            title = json.loads(metadata).get("title") if metadata else None
        except (ValueError, AttributeError) as error:
            raise GypsumError(f"{path!r} holds metadata that is no JSON object") from error
        found.append(
            {
                "address": f"gypsum://{project}/{asset}/{version}/{file}",
                "project": project,
                "asset": asset,
                "version": version,
                "path": file,
                "title": title if isinstance(title, str) else None,
                "latest": bool(is_latest),
                "fields": [field for (field,) in matched],
            }
        )
    return found


def _line(row: dict[str, Any]) -> str:
    title = row["title"] or ""
    if len(title) > _WIDEST_TITLE:
        title = f"{title[: _WIDEST_TITLE - 1]}…"
    parts = [row["address"], title, f"[{', '.join(row['fields'])}]" if row["fields"] else ""]
    return "  ".join(part for part in parts if part)
