"""The one exception of ``requests`` that cannot be pickled as it is."""

from __future__ import annotations

import requests

from selenite._portable import Portable


class JSONDecodeError(Portable, requests.exceptions.JSONDecodeError):
    """An answer that is not JSON."""
