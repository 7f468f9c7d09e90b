"""How requests are made."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

#: Read at every request. ``REQUESTS_MOD["verify"]`` is True to believe the certificates that the
#: environment or the system names, False to believe everybody, or the path of a bundle.
REQUESTS_MOD: dict[str, Any] = {"verify": True}
