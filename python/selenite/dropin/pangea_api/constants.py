"""Sizes."""

FIVE_MB = 5 * 1024 * 2014
