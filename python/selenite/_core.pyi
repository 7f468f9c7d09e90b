from collections.abc import Sequence
from typing import Final

__all__ = [
    "__version__",
    "parse_gobbler_flags",
    "serve_gobbler",
]

__version__: Final[str]

def parse_gobbler_flags(arguments: Sequence[str]) -> tuple[str, str, str, int]: ...
def serve_gobbler(arguments: Sequence[str], *, embedded: bool = False) -> int: ...
