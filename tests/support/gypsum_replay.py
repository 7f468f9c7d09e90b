"""Replay recorded scenarios (see `tests/vectors/gypsum/README.md`) against a gypsum service."""

from __future__ import annotations

import base64
import datetime
import hashlib
import json
import re
import shutil
import urllib.parse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from support.gypsum import exchange
from support.service import Answer

YEAR = datetime.datetime.now(datetime.UTC).year
PATTERNS = {
    "{{iso_ms}}": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z",
    "{{digits6}}": r"\d{6}",
    "{{http_date}}": r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT",
    "{{any_string}}": ".*",
    "{{any_tail}}": ".*",
}


class Replay:
    """One scenario on an empty registry."""

    def __init__(
        self, url: str, registry: Path, settle: Callable[[], object] = lambda: None
    ) -> None:
        self.url = url
        self.registry = registry
        # Waits until what requests have left is done with.
        self.settle = settle
        self.variables: dict[str, str] = {}

    def run(self, scenario: dict[str, Any]) -> list[str]:
        """Replay it; returns what is different."""
        for path in self.registry.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        for key, value in scenario["seed"].items():
            self.place(
                key, value["text"] if "text" in value else json.dumps(numbers(value["json"]))
            )
        problems = []
        for number, step in enumerate(scenario["steps"]):
            if "place" in step:
                for key, text in step["place"].items():
                    self.place(key, text)
            else:
                problems += [f"step {number}: {problem}" for problem in self.step(step)]
        self.settle()
        return problems + self.afterwards(scenario)

    def place(self, key: str, text: str) -> None:
        path = self.registry / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, newline="")

    def fill(self, value: Any) -> Any:
        """Put captured variables in."""
        if isinstance(value, str):
            for name, known in {**self.variables, "base": self.url}.items():
                value = value.replace("{{" + name + "}}", known)
        elif isinstance(value, list):
            value = [self.fill(item) for item in value]
        elif isinstance(value, dict):
            value = {self.fill(key): self.fill(item) for key, item in value.items()}
        return value

    def step(self, step: dict[str, Any]) -> list[str]:
        request = step["request"]
        body = request.get("text", "").encode()
        if "json" in request:
            body = json.dumps(self.fill(request["json"])).encode()
        url, path = self.url, self.fill(request.get("path", ""))
        if "url" in request:
            url = self.fill(request["url"])
            parts = urllib.parse.urlsplit(url)
            path = f"{parts.path}?{parts.query}"
        headers = self.fill(request.get("headers", {}))
        answer = exchange(url, request["method"], path, headers, body)
        for name, pointer in step.get("capture", {}).items():
            value = answer.json()
            for part in pointer.strip("/").split("/"):
                value = value[int(part)] if isinstance(value, list) else value[part]
            self.variables[name] = value
        accepted = [step.get("corrected", step["response"]), *step.get("also_allowed", [])]
        results = [self.compare(expected, answer) for expected in accepted]
        return results[0] if all(results) else []

    def compare(self, expected: dict[str, Any], answer: Answer) -> list[str]:
        problems = []
        if answer.status != expected["status"]:
            problems.append(
                f"status {answer.status}, expected {expected['status']}: {answer.body!r}"
            )
        for name, value in expected.get("headers", {}).items():
            problems += self.same(value, answer.headers.get(name), f"header {name}")
        if expected.get("empty") and answer.body:
            problems.append(f"body {answer.body!r}, expected none")
        if "json" in expected:
            problems += self.same(expected["json"], answer.json(), "$")
        if "text" in expected:
            problems += self.same(expected["text"], answer.body.decode(), "body")
        return problems

    def same(self, expected: Any, found: Any, place: str) -> list[str]:
        expected = numbers(expected)
        if expected == "{{any}}":
            return []
        if isinstance(expected, str) and "{{" in expected:
            if isinstance(found, str) and re.fullmatch(self.pattern(expected), found, re.DOTALL):
                return []
        elif isinstance(expected, dict) and isinstance(found, dict):
            if expected.keys() == found.keys():
                members = [(key, expected[key], found[key]) for key in expected]
                return self.each(members, place)
        elif isinstance(expected, list) and isinstance(found, list):
            if len(expected) == len(found):
                return self.each(list(zip(range(len(found)), expected, found, strict=True)), place)
        elif expected == found and type(expected) is type(found):
            return []
        return [f"{place} is {found!r}, expected {expected!r}"]

    def each(self, members: list[tuple[Any, Any, Any]], place: str) -> list[str]:
        return [
            problem
            for name, expected, found in members
            for problem in self.same(expected, found, f"{place}/{name}")
        ]

    def pattern(self, text: str) -> str:
        parts = []
        for part in re.split(r"(\{\{[^}]*\}\})", text):
            if part in PATTERNS:
                parts.append(PATTERNS[part])
            elif part.startswith("{{sha256_b64:"):
                token = self.variables[part.removeprefix("{{sha256_b64:").removesuffix("}}")]
                digest = hashlib.sha256(token.encode()).digest()
                parts.append(re.escape(base64.b64encode(digest).decode()))
            else:
                parts.append(re.escape(self.fill(part)))
        return "".join(parts)

    def afterwards(self, scenario: dict[str, Any]) -> list[str]:
        """Compare the registry, to the last file, with what is recorded."""
        expected = scenario.get("bucket_after_corrected", scenario.get("bucket_after"))
        if expected is None:
            return []
        files = [path for path in self.registry.rglob("*") if path.is_file()]
        found = {str(path.relative_to(self.registry)): path.read_bytes().decode() for path in files}
        events = [key for key in found if key.startswith("..logs/") and key not in expected]
        logs = [json.loads(found.pop(key)) for key in sorted(events)]
        ignored = tuple(scenario.get("bucket_ignore", []))
        problems = []
        for key in sorted(found.keys() | expected.keys()):
            if key.startswith(ignored):
                continue
            if key not in expected or key not in found:
                problems.append(f"{key} is {'missing' if key in expected else 'not expected'}")
            elif "json" in expected[key]:
                problems += self.same(expected[key]["json"], json.loads(found[key]), key)
            else:
                problems += self.same(expected[key]["text"], found[key], key)

        def ordered(events: list[Any]) -> list[str]:
            return sorted(json.dumps(event, sort_keys=True) for event in events)

        if ordered(logs) != ordered(scenario["logs_after"]):
            problems.append(f"events {logs}, expected {scenario['logs_after']}")
        return problems


def numbers(value: Any) -> Any:
    """Put years in, which are numbers."""
    if isinstance(value, dict):
        return {key: numbers(item) for key, item in value.items()}
    if isinstance(value, list):
        return [numbers(item) for item in value]
    year = re.fullmatch(r"\{\{year(-\d+)?\}\}", value) if isinstance(value, str) else None
    return YEAR + int(year[1] or 0) if year else value
