"""Who may do what with both services: the tables that the documents show and the tests try."""

from __future__ import annotations

from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"

YES = "yes"
NO = "-"
PROBATION = "on probation"

GOBBLER_USERS = (
    "anonymous",
    "stranger",
    "uploader of the asset",
    "uploader of the version",
    "uploader, time is over",
    "uploader, trusted",
    "owner of the asset",
    "owner of the project",
    "spoofer of the owner",
    "administrator",
)
"""Columns of the Gobbler's table. What is restricted to an asset or version is restricted to the
one of the request, unless the row says otherwise."""


def _gobbler(*cells: str) -> dict[str, str]:
    return dict(zip(GOBBLER_USERS, cells, strict=True))


_NOBODY = (NO,) * 9
_P = PROBATION

GOBBLER: dict[str, dict[str, str]] = {
    "list, fetch, info": _gobbler(*(YES,) * 10),
    "health_check": _gobbler(NO, *(YES,) * 9),
    "create_project": _gobbler(*_NOBODY, YES),
    "upload": _gobbler(NO, NO, _P, _P, NO, YES, YES, YES, YES, YES),
    "upload to another asset": _gobbler(NO, NO, NO, _P, NO, YES, NO, YES, YES, YES),
    "upload of another version": _gobbler(NO, NO, _P, NO, NO, YES, YES, YES, YES, YES),
    "upload of a new asset with global_write": _gobbler(NO, *(YES,) * 9),
    "set_permissions of the project": _gobbler(*(NO,) * 7, YES, YES, YES),
    "set_permissions of the asset": _gobbler(*(NO,) * 6, YES, YES, YES, YES),
    "approve_probation": _gobbler(*(NO,) * 7, YES, YES, YES),
    "reject_probation": _gobbler(*(NO,) * 7, YES, YES, YES),
    "refresh_latest": _gobbler(*_NOBODY, YES),
    "refresh_usage": _gobbler(*_NOBODY, YES),
    "reindex_version": _gobbler(*_NOBODY, YES),
    "validate_version": _gobbler(*_NOBODY, YES),
    "delete_version": _gobbler(*_NOBODY, YES),
    "delete_asset": _gobbler(*_NOBODY, YES),
    "delete_project": _gobbler(*_NOBODY, YES),
    "reroute_links": _gobbler(*_NOBODY, YES),
}

GYPSUM_USERS = (
    "anonymous",
    "stranger",
    "uploader of the asset",
    "uploader of the version",
    "uploader, time is over",
    "uploader, trusted",
    "organization that uploads",
    "owner",
    "organization that owns",
    "administrator",
    "organization of administrators",
)
"""Columns of gypsum's table."""


def _gypsum(*cells: str) -> dict[str, str]:
    return dict(zip(GYPSUM_USERS, cells, strict=True))


_ADMINISTRATORS = _gypsum(*(NO,) * 9, YES, YES)
_OWNERS = _gypsum(*(NO,) * 7, *(YES,) * 4)
_SESSION = _gypsum(*(NO,) * 11)

GYPSUM: dict[str, dict[str, str]] = {
    "GET /file, /list": _gypsum(*(YES,) * 11),
    "GET /github/user": _gypsum(NO, *(YES,) * 10),
    "POST /upload/start": _gypsum(NO, NO, _P, _P, NO, YES, _P, *(YES,) * 4),
    "POST /upload/start of another asset": _gypsum(NO, NO, NO, _P, NO, YES, _P, *(YES,) * 4),
    "POST /upload/start of another version": _gypsum(NO, NO, _P, NO, NO, YES, _P, *(YES,) * 4),
    "POST /upload/presigned-file, own token": _SESSION,
    "POST /upload/complete, own token": _SESSION,
    "POST /upload/abort, own token": _SESSION,
    "POST /create": _ADMINISTRATORS,
    "PUT /permissions": _OWNERS,
    "PUT /quota": _ADMINISTRATORS,
    "POST /refresh/usage": _ADMINISTRATORS,
    "POST /refresh/latest": _ADMINISTRATORS,
    "POST /probation/approve": _OWNERS,
    "POST /probation/reject": _OWNERS,
    "POST /probation/reject of an upload of one's own": _gypsum(
        NO, NO, YES, YES, NO, YES, YES, *(YES,) * 4
    ),
    "DELETE /unlock": _ADMINISTRATORS,
    "DELETE /remove of the version": _ADMINISTRATORS,
    "DELETE /remove of the asset": _ADMINISTRATORS,
    "DELETE /remove of the project": _ADMINISTRATORS,
}


def markdown(table: dict[str, dict[str, str]], first: str) -> str:
    """The table as the documents show it."""
    users = list(next(iter(table.values())))
    rows = [[first, *users], ["---"] * (len(users) + 1)]
    rows += [
        [f"`{name}`" if " " not in name else name, *row.values()] for name, row in table.items()
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)
