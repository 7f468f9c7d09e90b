"""``python -m selenite`` is the command ``selenite``."""

from __future__ import annotations

from selenite._command import main

if __name__ == "__main__":
    main()
