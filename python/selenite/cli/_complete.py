"""Words that a shell completes: addresses, from one listing within a second, else nothing."""

from __future__ import annotations

import os
import threading

import click
from click.shell_completion import CompletionItem

from selenite.cli._common import Options

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_SECONDS = 1.0


def candidates(ctx: click.Context, incomplete: str) -> list[CompletionItem]:
    """List what the beginning of an address may go on with.

    Args:
        ctx: The command line so far.
        incomplete: What was typed of the address.
    """
    schemes = [f"{scheme}:" for scheme in ("gobbler", "gypsum", "girder")]
    if ":" not in incomplete:
        found = [scheme for scheme in schemes if scheme.startswith(incomplete)]
        files = [CompletionItem(incomplete, type="file")]
        return [CompletionItem(one) for one in found] or files
    listed: list[str] = []
    # Who is typing must not wait: what has not come by then does not matter.
    worker = threading.Thread(target=_listed, args=(ctx, incomplete, listed), daemon=True)
    worker.start()
    worker.join(_SECONDS)
    return [CompletionItem(one) for one in list(listed) if one.startswith(incomplete)]


def _listed(ctx: click.Context, incomplete: str, found: list[str]) -> None:
    from selenite.cli._target import level_of, parse, version_of

    os.environ.setdefault("SELENITE_RETRIES", "0")
    options = ctx.find_root().obj
    if not isinstance(options, Options):
        options = Options()
    above, slash, _ = incomplete.rpartition("/")
    inside = f"{above}{slash}" if slash else incomplete[: incomplete.index(":") + 1]
    target = parse(inside.rstrip("/") or inside)
    if target.scheme not in ("gobbler", "gypsum"):
        return
    if len(target.names) < 3:
        names = level_of(target, options).names()
        end = "" if len(target.names) == 2 else "/"
        found += [f"{inside}{name}{end}" for name in names]
        return
    manifest = version_of(target, options).manifest
    for child in manifest.children(target.path or ""):
        found.append(f"{inside}{child.name}{'/' if child.is_directory else ''}")


class AddressType(click.ParamType):  # type: ignore[type-arg] # is no generic class before 8.5
    """An address, which a shell can complete."""

    name = "address"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[Any]:
        """List what an address may go on with."""
        return candidates(ctx, incomplete)
