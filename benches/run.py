"""Measure selenite beside its peers: run.py [--quick | --full] [--only H1,J2].

Run it with the Python for which selenite is installed. See README.md beside this file.
"""

from __future__ import annotations

import argparse
import datetime
import fnmatch
import importlib
import json
import os
import platform
import re
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))

import data
from cases.base import Case, Contestant, Row, Skip

MODULES = ("hash", "copy", "walk", "http", "json", "imports", "jobs", "girder", "far")
UNSTABLE_SPREAD = 0.5
GATE_RETRIES = 4
BUSY = 0.15
"""Share of the processors that others may use before a case counts as disturbed."""


@dataclass
class Outcome:
    """What was measured of one contestant."""

    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)
    server: list[float] = field(default_factory=list)
    skip: str | None = None
    wrong: str | None = None

    def median(self, metric: str) -> float:
        """The median of the repetitions."""
        return statistics.median(self.wall if metric == "wall" else self.cpu)

    def spread(self, metric: str) -> float:
        """How far the repetitions lie apart, in medians."""
        values = self.wall if metric == "wall" else self.cpu
        return (max(values) - min(values)) / self.median(metric)


@dataclass
class Line:
    """One finished line of the table."""

    ident: str
    operation: str
    ours: str
    peer: str
    ratio: float | None
    cpu_ratio: float | None
    must: float
    stretch: float
    inverse: bool
    floor: float | None
    verdict: str
    stable: bool
    busy: float
    measured: dict[str, dict[str, Any]]


class Worker:
    """The process of one contestant."""

    def __init__(
        self, module: str, case: int, contestant: Contestant, peers: Path, before: str
    ) -> None:
        order = {
            "benches": str(HERE),
            "peers": str(peers),
            "before": before,
            "module": module,
            "case": case,
            "contestant": contestant.name,
            "side": contestant.side,
        }
        self.name = contestant.name
        self.order, self.environment = order, contestant.environment
        self.process: subprocess.Popen[str] | None = self.start()

    def start(self) -> subprocess.Popen[str]:
        """Start the process, which waits for what it is told."""
        foreign = ("SELENITE_", "PYTHON", "HTTP_", "HTTPS_", "ALL_", "NO_")
        clean = {k: v for k, v in os.environ.items() if not k.upper().startswith(foreign)}
        return subprocess.Popen(
            [sys.executable, "-I", str(HERE / "worker.py"), json.dumps(self.order)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**clean, "SELENITE_PROGRESS": "off", **self.environment},
        )

    def run(self, told: dict[str, Any]) -> dict[str, Any]:
        """Have one repetition done."""
        process = self.process = self.process or self.start()
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps(told) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        if not line:
            return {"error": f"the process of {self.name} ended: {process.wait()}"}
        answer: dict[str, Any] = json.loads(line)
        return answer

    def end(self) -> None:
        """Let it go; what is done next is done in a new one."""
        process, self.process = self.process, None
        if process is None:
            return
        assert process.stdin is not None
        process.stdin.close()
        process.wait()


def busy(seconds: float = 0.1) -> float:
    """Share of the processors that is used now, while this process does nothing."""

    def ticks() -> tuple[int, int]:
        values = [int(text) for text in Path("/proc/stat").read_text().split("\n")[0].split()[1:]]
        return sum(values) - values[3] - values[4], sum(values)

    if not Path("/proc/stat").exists():
        return 0.0
    before = ticks()
    time.sleep(seconds)
    after = ticks()
    return (after[0] - before[0]) / max(1, after[1] - before[1])


class Bench:
    """One run of the suite."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.work = Path(options.work).expanduser().resolve()
        self.scratch = self.work / f"run-{os.getpid()}"
        self.peers = install_peers(self.work)
        # A gate judges ratios to peers alone.
        self.floors = None if options.gate and not options.floors else build_floors(options.floors)
        self.counter = 0

    def lines(self) -> Iterator[Line]:
        """Measure all cases that are asked for."""
        for module in MODULES:
            for index, case in enumerate(importlib.import_module(f"cases.{module}").CASES):
                rows = [row for row in case.rows if self.wanted(row)]
                if rows:
                    yield from self.case(module, index, case, rows)

    def wanted(self, row: Row) -> bool:
        """Whether `--only` names the row, or the beginning of its name."""
        only = self.options.only
        return not only or any(
            fnmatch.fnmatch(row.ident, pattern + "*" if pattern.isalpha() else pattern)
            or re.fullmatch(re.escape(pattern) + "[A-Z]", row.ident)
            for pattern in only.split(",")
        )

    def case(self, module: str, index: int, case: Case, rows: list[Row]) -> Iterator[Line]:
        """Measure one case; again if it was unstable."""
        names = {name for row in rows for name in (row.ours, *row.peers, row.floor)}
        contestants = [c for c in case.contestants if c.name in names]
        outcomes, load = self.measure(module, index, case, contestants)
        if not all(self.is_stable(row, outcomes) for row in rows):
            outcomes, load = self.measure(module, index, case, contestants)
        for row in rows:
            yield self.line(row, outcomes, load)

    def measure(
        self, module: str, index: int, case: Case, contestants: list[Contestant]
    ) -> tuple[dict[str, Outcome], float]:
        """Let the contestants take turns, the first time without counting."""
        outcomes = {contestant.name: Outcome() for contestant in contestants}
        self.counter += 1
        place = self.scratch / f"{self.counter}-{module}-{index}"
        place.mkdir(parents=True)
        load = 0.0
        found = data.make(
            self.work / f"data-{self.options.scale:g}", case.needs, self.options.scale
        )
        try:
            with ExitStack() as stack:
                facts = stack.enter_context(case.setup(found, place, self.floors))
                facts = {**facts, "peers": str(self.peers)}
                workers = {}
                for contestant in contestants:
                    if contestant.side == "before" and not self.options.before:
                        outcomes[contestant.name].skip = "no `--before`"
                        continue
                    before = self.options.before
                    worker = Worker(module, index, contestant, self.peers, before)
                    stack.callback(worker.end)
                    workers[contestant.name] = worker
                for number in range(self.options.repetitions + 1):
                    if number > 0:  # at first the workers are still starting
                        load = max(load, busy())
                    self.round(case, contestants, workers, outcomes, number, place, found, facts)
        except Skip as reason:
            for outcome in outcomes.values():
                outcome.skip = str(reason)
        if case.discard:
            shutil.rmtree(place)
        return outcomes, load

    def round(
        self,
        case: Case,
        contestants: list[Contestant],
        workers: dict[str, Worker],
        outcomes: dict[str, Outcome],
        number: int,
        place: Path,
        found: dict[str, Path],
        facts: dict[str, Any],
    ) -> None:
        """One repetition of every contestant, whose results must be equal."""
        expected: tuple[str, str] | None = None
        for position, contestant in enumerate(contestants):
            outcome = outcomes[contestant.name]
            if outcome.skip or outcome.wrong or number > contestant.repetitions:
                continue
            scratch = place / f"{number}-{position}"
            told = {
                "data": {name: str(path) for name, path in found.items()},
                "facts": facts,
                "scratch": str(scratch),
                "label": f"{self.counter}-{number}-{position}",
                "repetition": f"{self.counter}-{number}",
                "floors": self.floors,
                "thorough": number == 0,
            }
            worker = workers[contestant.name]
            answer = worker.run(told)
            if case.is_fresh:
                worker.end()
            outcome.skip = answer.get("skip")
            outcome.wrong = answer.get("error")
            if "wall" in answer and not contestant.is_floor:
                expected = expected or (contestant.name, answer["fingerprint"])
                if answer["fingerprint"] != expected[1]:
                    outcome.wrong = f"the result differs from that of {expected[0]}"
            if outcome.wrong:
                print(f"{contestant.name}: {outcome.wrong}", file=sys.stderr)
            elif number > 0 and outcome.skip is None:
                outcome.wall.append(answer["wall"])
                outcome.cpu.append(answer["cpu"])
                if answer["server"] is not None:
                    outcome.server.append(answer["server"])
            if case.discard:
                shutil.rmtree(scratch, ignore_errors=True)

    def is_stable(self, row: Row, outcomes: dict[str, Outcome]) -> bool:
        """Whether the repetitions that a row is made of lie close together."""
        used = [outcomes[name] for name in (row.ours, *row.peers)]
        return all(
            outcome.spread(row.metric) <= UNSTABLE_SPREAD for outcome in used if outcome.wall
        )

    def line(self, row: Row, outcomes: dict[str, Outcome], load: float) -> Line:
        """Judge what was measured for a row."""
        ours = outcomes[row.ours]
        there = [name for name in row.peers if outcomes[name].wall]
        ratio, cpu, floor, best = None, None, None, row.peers[0]
        wrong = [n for n in (row.ours, *row.peers) if outcomes[n].wrong]
        if wrong:
            verdict = f"WRONG: {', '.join(wrong)}"
        elif not ours.wall:
            verdict = f"skipped: {ours.skip}"
        elif not there:
            verdict = f"skipped: {outcomes[row.peers[0]].skip}"
        else:
            best = min(there, key=lambda name: outcomes[name].median(row.metric))
            ratio = outcomes[best].median(row.metric) / ours.median(row.metric)
            if ours.median("cpu") > 0 and row.unit == "s" and not row.in_server:
                cpu = outcomes[best].median("cpu") / ours.median("cpu")
            if row.inverse:
                ratio, cpu = 1 / ratio, 1 / cpu if cpu else None
            verdict = judge(row, ratio)
        if ours.wall and row.floor and outcomes[row.floor].wall:
            floor = outcomes[row.floor].median("wall") / ours.median("wall")
        return Line(
            *(row.ident, row.operation, row.ours, best, ratio, cpu, row.must, row.stretch),
            *(row.inverse, floor, verdict, self.is_stable(row, outcomes), load),
            measured={name: asdict(outcome) for name, outcome in outcomes.items()},
        )


def judge(row: Row, ratio: float) -> str:
    """The verdict on a ratio."""
    if row.inverse:
        return "stretch" if ratio <= row.stretch else "met" if ratio <= row.must else "MISSED"
    return "stretch" if ratio >= row.stretch else "met" if ratio >= row.must else "MISSED"


def install_peers(work: Path) -> Path:
    """Install the pinned peers into a directory that is on nobody's path."""
    # Some are compiled for one Python only.
    wanted = f"{(HERE / 'peers.txt').read_text()}# {sys.version}\n"
    peers = work / "peers"
    mark = peers / "peers.txt"
    if not mark.exists() or mark.read_text() != wanted:
        shutil.rmtree(peers, ignore_errors=True)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(peers)]
        # Those that could not be installed are skipped, each with its reason.
        subprocess.run(
            [*command, "--disable-pip-version-check", "-r", str(HERE / "peers.txt")], check=False
        )
        peers.mkdir(parents=True, exist_ok=True)
        mark.write_text(wanted)
    return peers


def build_floors(given: str | None) -> str | None:
    """Build the floors, if Rust is there."""
    if given:
        return str(Path(given).resolve())
    if shutil.which("cargo") is None:
        return None
    command = ["cargo", "build", "--locked", "--release", "--no-default-features", "--quiet"]
    answer = subprocess.run(
        [*command, "--example", "floors", "--message-format=json"],
        cwd=HERE.parent,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    messages = [json.loads(line) for line in answer.stdout.splitlines()]
    made = [m["executable"] for m in messages if m.get("target", {}).get("name") == "floors"]
    return next((path for path in made if path), None)


def machine(work: Path) -> dict[str, Any]:
    """What the figures were measured on."""
    from importlib.metadata import version

    cpu = Path("/proc/cpuinfo").read_text() if Path("/proc/cpuinfo").exists() else ""
    model = re.search(r"model name\s*: (.*)", cpu)
    flags = re.search(r"flags\s*: (.*)", cpu)
    known = {"avx2", "avx512f", "sha_ni", "asimd", "sha2"}
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    kind = subprocess.run(
        ["findmnt", "--noheadings", "--output", "FSTYPE", "--target", str(work)],
        capture_output=True,
        text=True,
    ).stdout.strip()
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=HERE, capture_output=True, text=True
    ).stdout.strip()
    return {
        "cpu": model[1] if model else platform.processor() or platform.machine(),
        "flags": sorted(known & set(flags[1].split())) if flags else [],
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30, 1),
        "kernel": platform.release(),
        "file_system": kind,
        "python": platform.python_version(),
        "selenite": version("selenite"),
        "commit": commit,
    }


def amount(value: float, row: Row) -> str:
    """A measurement to read."""
    if row.unit != "s":
        return f"{value:.3g} {row.unit}"
    if value >= 1:
        return f"{value:.2f} s"
    return f"{value * 1e3:.3g} ms" if value >= 1e-3 else f"{value * 1e6:.3g} us"


def show(lines: list[Line], about: dict[str, Any]) -> str:
    """The table, in Markdown."""
    head = "id | operation | ours | peer | ratio | CPU | must | stretch | floor | verdict"
    text = [f"| {head} |", "|" + " --- |" * 10]
    for line in lines:
        row = rows_by_ident()[line.ident]

        def cell(name: str, row: Row = row, line: Line = line) -> str:
            values = line.measured[name][row.metric]
            if not values:
                return name
            low, high = min(values), max(values)
            middle = statistics.median(values)
            text = f"{name} {amount(middle, row)} ({amount(low, row)} to {amount(high, row)})"
            server = line.measured[name]["server"]
            return text + (f", server {statistics.median(server):.0%}" if server else "")

        sign = "<= " if line.inverse else ""
        marks = ("" if line.stable else " UNSTABLE") + (" *" if line.busy > BUSY else "")
        cells = [
            *(line.ident, line.operation, cell(line.ours), cell(line.peer)),
            "" if line.ratio is None else f"{line.ratio:.2f}",
            "" if line.cpu_ratio is None else f"{line.cpu_ratio:.2f}",
            *(f"{sign}{line.must:g}", f"{sign}{line.stretch:g}"),
            "" if line.floor is None else f"{line.floor:.0%}",
            line.verdict + marks,
        ]
        text.append("| " + " | ".join(cells) + " |")
    text.append("")
    text.append(
        f"{about['cpu']} ({', '.join(about['flags'])}), {about['cores']} cores, "
        f"{about['memory_gib']} GiB, Linux {about['kernel']}, {about['file_system']}, "
        f"Python {about['python']}, selenite {about['selenite']} ({about['commit']}), "
        f"scale {about['scale']:g}, {about['repetitions']} repetitions, {about['date']}"
    )
    if any(line.busy > BUSY for line in lines):
        text.append("\\* Something else used the processors during this case.")
    return "\n".join(text)


def rows_by_ident() -> dict[str, Row]:
    """All rows of all cases."""
    modules = [importlib.import_module(f"cases.{module}") for module in MODULES]
    return {row.ident: row for m in modules for case in m.CASES for row in case.rows}


def failures(lines: list[Line], gate: float) -> dict[str, str]:
    """What must stop a release: wrong results, and ratios far below their targets."""
    bad = {}
    for line in lines:
        if line.verdict.startswith("WRONG"):
            bad[line.ident] = line.verdict
        # What others disturbed, or what varies, says nothing.
        elif line.ratio is not None and gate > 0 and line.busy <= BUSY and line.stable:
            limit = line.must / gate if line.inverse else line.must * gate
            if (line.ratio > limit) if line.inverse else (line.ratio < limit):
                bad[line.ident] = f"{line.ratio:.2f}, limit {limit:.2f}"
    return bad


def measure_again(bench: Bench, lines: list[Line], gate: float) -> None:
    """Give rows below the gate another chance: a busy machine must not stop a release."""
    for _ in range(GATE_RETRIES):
        bad = failures(lines, gate)
        if not bad:
            return
        bench.options.only = ",".join(bad)
        for line in bench.lines():
            if line.ident in failures([line], gate):
                continue
            position = next(n for n, old in enumerate(lines) if old.ident == line.ident)
            lines[position] = line


@contextmanager
def removed_at_the_end(path: Path) -> Iterator[None]:
    """Remove a directory, late: file systems are slow for a while after large removals."""
    try:
        yield
    finally:
        shutil.rmtree(path, ignore_errors=True)


def main() -> int:
    """Run."""
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    parser = argparse.ArgumentParser(description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a tenth of the size, 3 repetitions")
    size.add_argument("--full", action="store_true", help="whole size, 5 repetitions (default)")
    parser.add_argument("--scale", type=float, help="size of the sets of files")
    parser.add_argument("--repetitions", type=int, help="counted repetitions")
    parser.add_argument("--only", help="names of rows, or letters, separated by commas")
    parser.add_argument("--json", metavar="FILE", help="keep all figures there")
    parser.add_argument("--gate", type=float, default=0, help="fail below this share of a must")
    parser.add_argument(
        "--before", default="", help="directory into which an older selenite was installed"
    )
    parser.add_argument("--floors", help="program of the floors; by default it is built")
    parser.add_argument("--work", default=f"{cache}/selenite-benches", help="directory for files")
    options = parser.parse_args()
    options.scale = options.scale or (0.1 if options.quick else 1.0)
    options.before = options.before and str(Path(options.before).resolve())
    options.repetitions = options.repetitions or (3 if options.quick else 5)

    bench = Bench(options)
    begin = time.monotonic()
    lines = []
    with removed_at_the_end(bench.scratch):
        for line in bench.lines():
            lines.append(line)
            ratio = "" if line.ratio is None else f"{line.ratio:.2f}"
            print(f"{line.ident:5} {ratio:>7} {line.verdict}", file=sys.stderr, flush=True)
        if options.gate:
            measure_again(bench, lines, options.gate)
    about = machine(bench.work)
    about |= {
        "scale": options.scale,
        "repetitions": options.repetitions,
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
        "peers": (HERE / "peers.txt").read_text().split("\n")[1:-1],
        "minutes": round((time.monotonic() - begin) / 60, 1),
    }
    print(show(lines, about))
    if options.json:
        kept = {"machine": about, "lines": [asdict(line) for line in lines]}
        Path(options.json).parent.mkdir(parents=True, exist_ok=True)
        Path(options.json).write_text(json.dumps(kept, indent=1) + "\n")
    bad = failures(lines, options.gate)
    for ident, text in bad.items():
        print(f"error: {ident}: {text}", file=sys.stderr)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
