"""Whether somebody can be asked."""

from __future__ import annotations

import sys

from selenite._terminal import is_terminal


def is_notebook() -> bool:
    """Say whether this runs in a notebook.

    Returns:
        True in the kernel of a notebook.

    Example:
        >>> is_notebook()
        False
    """
    shell = sys.modules.get("IPython")
    if shell is None:
        return False
    running = shell.get_ipython()
    return running is not None and "IPKernelApp" in running.config


def _is_interactive() -> bool:
    """Say whether somebody can be asked."""
    return is_terminal(sys.stdin) or is_notebook()
