"""Tags of samples, groups and other tags."""

from .tag import Tag

__all__ = ["Tag"]
