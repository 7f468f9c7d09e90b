"""``selenite project``: what administrators do about projects."""

from __future__ import annotations

from selenite import _core
from selenite._failures import asking
from selenite.cli._common import LazyGroup, Options, argument, command, option
from selenite.cli._complete import AddressType
from selenite.cli._errors import CONFLICT, USAGE, CommandError
from selenite.cli._output import Output
from selenite.cli._target import place_for, registry

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

project = LazyGroup(
    "project",
    "Look after projects.",
    {"create": ("selenite.cli.project:create", "Make a project, as an administrator.")},
)


@command(
    "create",
    argument("address", type=AddressType()),
    option("--owner", metavar="USER", multiple=True, help="Who may change it; repeatable."),
    examples=(
        "selenite project create gobbler:demo",
        "selenite project create gypsum:demo --owner alice --owner bob",
    ),
)
def create(options: Options, address: str, owner: tuple[str, ...]) -> None:
    """Make a project: only administrators of the service may.

    Without `--owner`, a Gobbler makes who asks the owner, and gypsum whose token it is, if that is
    known.
    """
    target = registry(address, options, least=1)
    if len(target.names) > 1 or target.path is not None:
        raise CommandError(USAGE, f"`{address}` names more than a project")
    (name,) = target.names
    service = str(target.scheme)
    where = place_for(service, options)
    assert where.endpoint is not None
    with asking(where, (name,)):
        if name in _core.registry_names(where.native, None):
            raise CommandError(
                CONFLICT, f"project `{name}` exists in {where.title} at {where.shown}"
            )
        if service == "gobbler":
            payload: dict[str, Any] = {"project": name, "permissions": {}}
            if owner:
                payload["permissions"]["owners"] = list(owner)
            staging = where.staging or _core.gobbler_info(where.endpoint)["staging"]
            _core.gobbler_request(staging, where.endpoint, "create_project", payload)
        else:
            from gypsum_client import create_project

            from selenite.cli.auth import no_token, token_of

            found, _ = token_of(options)
            if found is None:
                raise no_token()
            owners = list(owner) or ([found["name"]] if found["name"] else [])
            create_project(name, owners=owners, url=where.endpoint, token=found["token"])
    made = f"{service}://{name}"
    Output(options).facts({"address": made}, [made], made)
