"""What the child process of an embedded service runs.

It is started as a file, without ``site`` and without the package around it: it is ready sooner.
"""

from __future__ import annotations

import sys


def main() -> int:
    """Serve with the listening socket as stdin and the parent's socket as stdout.

    The first argument is the folder that holds the packages, the second the name of the service,
    the third its settings.

    Returns:
        The exit status.
    """
    sys.path.insert(0, sys.argv[1])
    from selenite import _core

    serve = {"gobbler": _core.serve_gobbler, "gypsum": _core.serve_gypsum}[sys.argv[2]]
    return serve(sys.argv[3], embedded=True)


if __name__ == "__main__":
    sys.exit(main())
