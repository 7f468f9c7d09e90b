"""What several tests share; importable as `support` because pytest puts `tests/` on the path."""
