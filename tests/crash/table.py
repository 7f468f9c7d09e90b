#!/usr/bin/env python3
"""Print what was tried, for each service a table of action and kind of fault: table.py ROWS.

A cell has the points of a run (or, for errors, the calls that failed), and how many states that
differ were tried; in parentheses, how many faults were found.
"""

import sys
from pathlib import Path

SERVICES = ("Gobbler", "gypsum", "gypsum on S3", "client")
KINDS = ("kill", "lost", "EIO", "ENOSPC", "EDQUOT", "refuse", "lose")


def place(kind: str) -> tuple[bool, int, str]:
    """Where the column of a kind is: what a file system may lack comes last."""
    return "," in kind, KINDS.index(kind.split(",")[0]), kind


def main() -> None:
    """Read the rows that `support.crash.row` has written."""
    services: dict[str, dict[str, dict[str, tuple[int, int, int]]]] = {}
    for line in sorted(Path(sys.argv[1]).read_text().splitlines()):
        service, action, kind, *numbers, _ = line.strip("| ").split(" | ")
        points, tried, faults = map(int, numbers)
        services.setdefault(service, {}).setdefault(action, {})[kind] = points, tried, faults
    for service in sorted(services, key=SERVICES.index):
        actions = services[service]
        kinds = sorted({kind for cells in actions.values() for kind in cells}, key=place)
        print(f"| {service} | " + " | ".join(kinds) + " |")
        print("|---|" + "---|" * len(kinds))
        for action, cells in actions.items():
            shown = (cell(*cells[kind]) if kind in cells else "" for kind in kinds)
            print(f"| {action} | " + " | ".join(shown) + " |")
        columns = ([cells[kind] for cells in actions.values() if kind in cells] for kind in kinds)
        sums = (cell(*map(sum, zip(*column, strict=True))) for column in columns)
        print("| sum | " + " | ".join(sums) + " |\n")


def cell(points: int, tried: int, faults: int) -> str:
    """Show what was tried."""
    shown = str(points) if points == tried else f"{tried} of {points}"
    return shown + f" ({faults})" * bool(faults)


if __name__ == "__main__":
    main()
