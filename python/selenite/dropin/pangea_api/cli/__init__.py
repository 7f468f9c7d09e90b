"""The command `pangea-api`."""

from .main import main

__all__ = ["main"]
