"""Web servers of others, where they are installed."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from support.service import Service

# Debian keeps them where ordinary users do not look.
_PLACES = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"])

NGINX = shutil.which("nginx", path=_PLACES)
APACHE = shutil.which("apache2", path=_PLACES)


@dataclass(frozen=True)
class Site:
    """A proxy with both services behind it."""

    plain: str
    secure: str
    certificate: Path
    gobbler: Service

    def url(self, is_secure: bool, place: str) -> str:
        return f"{self.secure if is_secure else self.plain}/{place}"
