"""``selenite doctor``: what keeps selenite from working, and what to paste into a report."""

from __future__ import annotations

import os
import platform
import sys
from pathlib import Path

import click

from selenite import __version__, _core
from selenite._exceptions import SeleniteError
from selenite.cli import _profiles
from selenite.cli._common import Options, command, flag
from selenite.cli._errors import CommandError
from selenite.cli._output import Output, sized

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

# Locks and links are not everywhere what they are on local disks.
_SHARED = {"nfs", "nfs4", "lustre", "gpfs", "beegfs", "cifs", "smb3", "fuse.sshfs", "ceph"}
_LOW_BYTES = 1_000_000_000
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_CERTIFICATES = (
    "SELENITE_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "CURL_CA_BUNDLE",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
)


@command(
    "doctor",
    flag("--no-network", help="Ask no service."),
    flag("--fix", help="Mend what can be: files of secrets that others can read."),
    examples=("selenite doctor", "selenite doctor --no-network --json"),
)
def doctor(options: Options, no_network: bool, fix: bool) -> None:
    """Find out what keeps selenite from working.

    The exit status is 1 if something fails.
    """
    checks = list(_checks(options, no_network=no_network, fix=fix))
    output = Output(options)
    if output.is_human:
        for one in checks:
            output.write(f"{one['state']:4}  {one['name']}: {one['text']}")
        output.write("")
        for line in _report(checks):
            output.write(line)
    else:
        output.facts({"checks": checks}, (), None)
    is_faulty = any(one["state"] == "fail" for one in checks)
    click.get_current_context().exit(int(is_faulty))


def _checks(options: Options, *, no_network: bool, fix: bool) -> Iterator[dict[str, str]]:
    yield _check("ok", "version", f"selenite {__version__}, Python {platform.python_version()}")
    yield _settings()
    yield from _packages()
    try:
        yield from _caches(options)
    except CommandError as problem:
        yield _check("fail", "profiles", problem.message)
        return
    yield from _secrets(options, fix=fix)
    proxies = [name for name in _PROXIES if os.environ.get(name) or os.environ.get(name.lower())]
    yield _check("ok", "proxies", ", ".join(proxies) or "none")
    found = next((name for name in _CERTIFICATES if os.environ.get(name)), None)
    if found is None:
        yield _check("ok", "certificates", "those of the system")
    else:
        is_there = Path(os.environ[found]).exists()
        text = f"{found}={os.environ[found]}"
        yield _check(
            "ok" if is_there else "fail",
            "certificates",
            text if is_there else f"{text}, which is not there",
        )
    if no_network or _core.is_offline():
        yield _check("ok", "network", "not asked")
        return
    for service in _profiles.SERVICES:
        yield _reached(service, options)


def _check(state: str, name: str, text: str) -> dict[str, str]:
    return {"state": state, "name": name, "text": text}


def _settings() -> dict[str, str]:
    try:
        _core.digest_files([])
    except SeleniteError as error:
        return _check("fail", "settings", str(error))
    names = sorted(name for name in os.environ if name.startswith("SELENITE_"))
    return _check("ok", "settings", ", ".join(names) or "defaults")


def _packages() -> Iterator[dict[str, str]]:
    from selenite import _dropin
    from selenite._compat import state

    for name in _dropin.DISTRIBUTIONS:
        try:
            found = state(name)
        except SeleniteError as error:
            yield _check("fail", name, str(error))
            return
        advice = f"; {found.advice}" if found.is_broken else ""
        kind = "fail" if found.is_broken else "ok" if found.runs == "selenite" else "warn"
        yield _check(kind, name, f"{found.runs}: {found.why}{advice}")


def _caches(options: Options) -> Iterator[dict[str, str]]:
    from selenite.cli.cache import places

    for service, path in places(options).items():
        here = path
        while not here.exists():
            here = here.parent
        name = f"{service} cache"
        if not os.access(here, os.W_OK):
            yield _check("fail", name, f"{path}: nothing can be written to {here}")
            continue
        kind = _file_system(here)
        found = os.statvfs(here)
        free = found.f_bavail * found.f_frsize
        text = f"{path} ({kind}, {sized(free)} free)"
        if kind in _SHARED:
            yield _check("warn", name, f"{text}: a shared file system; see docs/scale.md")
        elif free < _LOW_BYTES:
            yield _check("warn", name, f"{text}: little room is left")
        else:
            yield _check("ok", name, text)


def _file_system(path: Path) -> str:
    """Name the kind of the file system that a path is on."""
    try:
        lines = Path("/proc/self/mounts").read_text(errors="replace").splitlines()
    except OSError:
        return "unknown"  # another system
    best, kind = "", "unknown"
    text = str(path.resolve())
    for line in lines:
        _, place, found, *_ = line.split(" ")
        place = place.replace("\\040", " ")
        is_around = text == place or text.startswith(f"{place.rstrip('/')}/")
        if is_around and len(place) >= len(best):
            best, kind = place, found
    return kind


def _secrets(options: Options, *, fix: bool) -> Iterator[dict[str, str]]:
    from selenite.cli.cache import places

    found = [os.environ.get("GYPSUM_TOKEN_FILE", "")]
    found.append(str(places(options)["gypsum"] / "credentials" / "token.txt"))
    for text in found:
        path = Path(text)
        if not text or not path.is_file():
            continue
        mode = path.stat().st_mode & 0o777
        if not mode & 0o077:
            yield _check("ok", "token", f"{path}")
        elif fix:
            path.chmod(0o600)
            yield _check("ok", "token", f"{path}: others could read it; it has mode 600 now")
        else:
            text = f"{path}: others can read it (mode {mode:03o}); `selenite doctor --fix`"
            yield _check("fail", "token", text)


def _reached(service: str, options: Options) -> dict[str, str]:
    from selenite.cli._target import place_for
    from selenite.cli.config import _of

    own = Options(given=_of(service, options))
    try:
        settled = _profiles.settle(service, own.given)
        if "url" not in settled and service == "gobbler":
            return _check("ok", service, "no URL is set")
        where = place_for(service, own)
    except CommandError as problem:
        return _check("fail", service, problem.message)
    return _check("ok", service, f"{where.shown} answers")


def _report(checks: list[dict[str, str]]) -> Iterator[str]:
    yield "Copy this into a report:"
    yield ""
    yield f"- selenite {__version__}"
    yield f"- {sys.implementation.name} {platform.python_version()} ({platform.platform()})"
    for name in ("click", "tqdm", "requests", "fsspec"):
        yield f"- {name} {_version(name)}"
    for one in checks:
        if one["state"] != "ok":
            yield f"- {one['state']}: {one['name']}: {one['text']}"


def _version(name: str) -> str:
    from importlib import metadata

    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "is not installed"
