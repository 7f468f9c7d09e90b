"""Lists of the service, which come in pages."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from .file_system_cache import FileSystemCache

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from .knex import Knex

logger = logging.getLogger(__name__)
logger.addHandler(logging.NullHandler())

__all__ = ["FileSystemCache", "paginated_iterator"]


def paginated_iterator(
    knex: Knex, initial_url: str, error_handler: Callable[[Exception], object] | None = None
) -> Iterator[Any]:
    """Give the entries of a list, reading its next page while those of one are used.

    Args:
        knex: The server.
        initial_url: The first page.
        error_handler: Is told of a page that cannot be read, which ends the list.
    """
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(knex._call, "get", initial_url)
        while True:
            try:
                page = future.result()
            except Exception as error:
                if error_handler is None:
                    raise
                error_handler(error)
                return
            following = page.get("next")
            if following:
                future = pool.submit(knex._call, "get", _place(following))
            yield from page["results"]
            if not following:
                return


def _place(url: str) -> str:
    """The path of a page: a server behind a proxy may take itself for another one."""
    return url.partition("/api/")[2] or url
