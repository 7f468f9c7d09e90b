"""One contestant in a process of its own: repetitions as JSON lines in, measurements out."""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cases.base import Case, Contestant


def main() -> None:
    """Run what standard input asks for until it ends."""
    order = json.loads(sys.argv[1])
    sys.path.insert(0, order["benches"])
    if order["side"] in ("peers", "before"):
        sys.path.insert(0, order[order["side"]])
    # Whatever contestants print must not get among the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    import importlib

    case = importlib.import_module(f"cases.{order['module']}").CASES[order["case"]]
    contestant = next(c for c in case.contestants if c.name == order["contestant"])
    for line in sys.stdin:
        answer = repetition(case, contestant, json.loads(line))
        if "wall" in answer:
            check_origins(order)
        print(json.dumps(answer), file=answers, flush=True)


def repetition(case: Case, contestant: Contestant, told: dict[str, Any]) -> dict[str, Any]:
    """Prepare, measure and check once."""
    import resource
    import time

    from cases.base import Skip, Task, Timed

    def cpu() -> float:
        both = (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        used = [resource.getrusage(who) for who in both]
        return sum(usage.ru_utime + usage.ru_stime for usage in used)

    thorough = told.pop("thorough")
    task = Task(**told)
    task.scratch = Path(task.scratch)
    task.data = {name: Path(path) for name, path in task.data.items()}
    task.scratch.mkdir(parents=True)
    try:
        call = contestant.prepare(task)
        if case.writes:
            os.sync()
        cpu_before, before = cpu(), time.perf_counter()
        value = call()
        wall, used = time.perf_counter() - before, cpu() - cpu_before
        server = None
        if isinstance(value, Timed):
            used = used if value.cpu is None else value.cpu
            wall, server, value = value.wall, value.server, value.value
        fingerprint = ""
        if not contestant.is_floor:
            fingerprint = case.check(value, task, thorough)
        return {"wall": wall, "cpu": used, "server": server, "fingerprint": fingerprint}
    except Skip as reason:
        return {"skip": str(reason)}
    except ModuleNotFoundError as error:
        return {"skip": f"{error.name} is not installed"}
    except Exception:
        return {"error": traceback.format_exc()}


def check_origins(order: dict[str, str]) -> None:
    """Nothing may come from the wrong place: the original packages have the same names."""
    peers = order["peers"] + os.sep
    tree = str(Path(order["benches"]).resolve().parent / "python") + os.sep
    for name in ("girder_client", "pygobbler", "selenite", "requests", "aiohttp", "orjson"):
        module = sys.modules.get(name)
        origin = (getattr(module, "__file__", None) or "") if module is not None else ""
        if not origin:
            continue
        if order["side"] == "before":
            is_right = origin.startswith(order["before"] + os.sep) or name == "requests"
        else:
            is_right = origin.startswith(peers) == (order["side"] == "peers")
        if not is_right or origin.startswith(tree):
            raise SystemExit(f"{order['contestant']}: {name} comes from {origin}")


if __name__ == "__main__":
    main()
