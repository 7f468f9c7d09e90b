"""Sessions of gypsum that a later call can end, wherever this one is cut off.

A project is locked while a session lasts, and only who knows its token can end it. So the token is
chosen, and noted, before the service is asked. A service that lets nobody choose gives another one,
which is noted once it is known: in between, only an administrator can end the session.
"""

from __future__ import annotations

from selenite import _core
from selenite._exceptions import StatusError

TYPE_CHECKING = False
if TYPE_CHECKING:
    import os
    from typing import Any

    from selenite._unfinished import Unfinished

_SERVER_FAULT = 500


def begun(
    unfinished: Unfinished,
    site: tuple[str, Any],
    names: tuple[str, str, str],
    content: dict[str, Any],
    token: str,
    directory: str | os.PathLike[str],
    *,
    deduplicate: bool,
    probation: bool,
    resumable: bool,
) -> _core.Session:
    """Start a session, and note it.

    Args:
        unfinished: Where it is noted.
        site: The service.
        names: Project, asset and version.
        content: What is uploaded, `files` and `links`.
        token: Who uploads.
        directory: Where the files are.
        deduplicate: Whether files that the service has are linked.
        probation: Whether the version is to be approved later.
        resumable: Whether later calls may go on with it, and not only end it.

    Returns:
        What the service has answered.
    """
    from urllib.parse import quote

    path = "/".join(quote(name, safe="") for name in names)
    chosen = {"abort_url": f"/upload/abort/{path}", "session_token": _core.gypsum_session_token()}
    unfinished.note({"session": chosen})
    try:
        session = _core.gypsum_start(
            site,
            names,
            content["files"],
            content["links"],
            token,
            directory,
            deduplicate=deduplicate,
            probation=probation,
            session=chosen["session_token"],
        )
    except StatusError as error:
        # Whether a session was begun that nobody answered for, the next call finds out.
        if error.status < _SERVER_FAULT:
            unfinished.forget()
        raise
    if not is_under_way(session):
        # Some refusals come with the status of a success.
        unfinished.forget()
    elif resumable:
        unfinished.note({"content": content, "session": session})
    else:
        given = chosen | {name: value for name, value in session.items() if name in chosen}
        if given != chosen:
            unfinished.note({"session": given})
    return session


def is_under_way(session: Any) -> bool:  # noqa: ANN401 (JSON)
    """Tell whether a session that was noted is known to have begun.

    Args:
        session: What was noted.

    Returns:
        False if the service has not answered, or that was not noted any more.
    """
    return isinstance(session, dict) and "file_urls" in session


def given_up(unfinished: Unfinished, site: tuple[str, Any]) -> None:
    """End the session that an earlier call has noted, if there is one.

    Args:
        unfinished: Where it is noted.
        site: The service.
    """
    if unfinished.known is None:
        return
    session = unfinished.known["session"]
    try:
        _core.gypsum_finish(site, session["abort_url"], session["session_token"], abort=True)
    except StatusError as error:
        if error.status >= _SERVER_FAULT:
            raise
        from selenite import _log

        # It never began, or somebody else has ended it, or the next request says why it cannot be.
        _log.tell(f"an earlier upload is not to be given up: {error}")
    unfinished.forget()
