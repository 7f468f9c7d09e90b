#!/usr/bin/env python3
"""Print what was tried as a table of action and kind of fault: table.py ROWS.

A cell has the points of a run (or, for errors, the calls that failed), and how many states that
differ were tried; in parentheses, how many faults were found.
"""

import sys
from pathlib import Path


def main() -> None:
    """Read the rows that `support.crash.row` has written."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    kinds: dict[str, list[int]] = {}
    order = ("kill", "lost", "EIO", "ENOSPC", "EDQUOT", "refuse", "lose")
    for line in sorted(Path(sys.argv[1]).read_text().splitlines()):
        service, action, kind, points, tried, faults, _ = line.strip("| ").split(" | ")
        shown = points if points == tried else f"{tried} of {points}"
        found.setdefault((service, action), {})[kind] = shown + f" ({faults})" * (faults != "0")
        total = kinds.setdefault(kind, [0, 0, 0])
        for at, number in enumerate((points, tried, faults)):
            total[at] += int(number)
    kinds = dict(sorted(kinds.items(), key=lambda kind: order.index(kind[0].split(",")[0])))
    kinds = dict(sorted(kinds.items(), key=lambda kind: "," in kind[0]))
    print("| | " + " | ".join(kinds) + " |")
    print("|---|" + "---|" * len(kinds))
    for (service, action), cells in found.items():
        print(f"| {service} {action} | " + " | ".join(cells.get(kind, "") for kind in kinds) + " |")
    sums = [f"{tried} of {points}, {faults} faults" for points, tried, faults in kinds.values()]
    print("| sum | " + " | ".join(sums) + " |")


if __name__ == "__main__":
    main()
