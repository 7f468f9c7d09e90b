"""A client with the defaults and results of the oldest API.

>>> GirderClient("h").urlBase
'http://h:8080/api/v1/'
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import GirderClient as _GirderClient
from . import _bodies

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    Record = dict[str, Any]


class GirderClient(_GirderClient):
    """A client that speaks plain HTTP to port 8080 unless it is told otherwise, and gives lists."""

    def __init__(
        self,
        host: str = "localhost",
        port: int = 8080,
        apiRoot: str | None = None,
        scheme: str | None = None,
        **further: Any,
    ) -> None:
        """Say where the server is. Nothing is sent.

        Args:
            host: Name of the server.
            port: Its port.
            apiRoot: Path of its API.
            scheme: ``http``, or ``https``.
            **further: Further arguments of `girder_client.GirderClient`.
        """
        super().__init__(host, port, apiRoot, scheme or "http", **further)

    def listResource(  # type: ignore[override]
        self,
        path: str,
        params: Mapping[str, Any] | None = None,
        limit: int | None = None,
        offset: int | None = None,
    ) -> list[Record]:
        """List records.

        Args:
            path: Path of the list.
            params: What the server is told.
            limit: How many; None for all.
            offset: How many to leave out.
        """
        return list(super().listResource(path, params, limit, offset))


_bodies.remember(GirderClient)
