"""The command ``selenite serve gypsum``."""

from __future__ import annotations

from pathlib import Path

import click
from click.core import ParameterSource

_PREFIX = "SELENITE_GYPSUM"


def _all_or_none(values: dict[str, str | None], what: str) -> dict[str, str] | None:
    given = {name: value for name, value in values.items() if value is not None}
    if not given:
        return None
    if len(given) < len(values):
        missing = ", ".join(f"`{name}`" for name in values if name not in given)
        raise click.UsageError(f"{what} also need {missing}")
    return given


class _Command(click.Command):
    """A command whose errors name the variable that a bad value comes from."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Take the options from the command line and the environment."""
        try:
            return super().parse_args(ctx, args)
        except click.BadParameter as error:
            name = error.param and error.param.name
            if not name or ctx.get_parameter_source(name) is not ParameterSource.ENVIRONMENT:
                raise
            message = f"{error.message} (from {_PREFIX}_{name.upper()})"
            raise click.BadParameter(message, ctx, error.param) from None


@click.command(
    "gypsum",
    cls=_Command,
    context_settings={
        "auto_envvar_prefix": _PREFIX,
        "show_default": True,
        "help_option_names": ["-h", "--help"],
    },
)
@click.option(
    "--registry",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The registry's directory; writable by the service only.",
)
@click.option(
    "--allow-root",
    "allow_roots",
    multiple=True,
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Where projects may be, too, if the registry has links to them; repeatable.",
)
@click.option(
    "--store",
    metavar="URL",
    help="A bucket instead: s3://BUCKET?endpoint=URL&region=NAME, with the AWS_* variables.",
)
@click.option(
    "--tokens",
    type=click.Path(dir_okay=False, path_type=Path),
    help='JSON: {"TOKEN": {"login": NAME, "organizations": [NAME, ...]}, ...}. A TOKEN may be '
    "`sha256:` and the digest of the token. Read again when it changes.",
)
@click.option(
    "--insecure-tokens", is_flag=True, help="Accept a file of tokens that others can read."
)
@click.option("--github-url", metavar="URL", help="Ask this server for users, as api.github.com.")
@click.option(
    "--admin", "admins", multiple=True, metavar="NAME", help="User or organization; repeatable."
)
@click.option("--host", default="127.0.0.1", help="Address to listen on.")
@click.option("--port", default=0, type=click.IntRange(0, 65535), help="0 for any free one.")
@click.option(
    "--public-url", metavar="URL", help="What clients call the service; default: as they did."
)
@click.option(
    "--allow-host",
    "hosts",
    multiple=True,
    metavar="NAME",
    help="One more name by which clients may call the service; repeatable.",
)
@click.option("--quota-baseline", default=10e9, help="Bytes for new projects.")
@click.option("--quota-growth", default=20e9, help="Bytes more in each year.")
@click.option(
    "--lock-timeout",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="Longest time of an upload before others may end it; default: any.",
)
@click.option(
    "--url-lifetime",
    default=3600,
    type=click.IntRange(min=1),
    metavar="SECONDS",
    help="How long a file may be sent to its presigned URL.",
)
@click.option(
    "--log-format", default="text", type=click.Choice(["text", "json"]), help="Form of the log."
)
@click.option("--print-url", is_flag=True, help="Write the URL to standard output, too.")
@click.option("--durable/--not-durable", default=True, help="Wait for disks; not: for tests.")
@click.option("--s3-endpoint", metavar="URL", help="Handed out for reading by S3, with the next 3.")
@click.option("--s3-bucket", metavar="NAME")
@click.option("--s3-key", metavar="KEY")
@click.option("--s3-secret", metavar="SECRET", help="Better by the variable than on the line.")
@click.option("--github-app-id", metavar="ID", help="Handed out for logging in, with its secret.")
@click.option("--github-app-secret", metavar="SECRET")
def serve_gypsum(
    registry: Path | None,
    allow_roots: tuple[Path, ...],
    store: str | None,
    tokens: Path | None,
    insecure_tokens: bool,
    github_url: str | None,
    admins: tuple[str, ...],
    host: str,
    port: int,
    public_url: str | None,
    hosts: tuple[str, ...],
    quota_baseline: float,
    quota_growth: float,
    lock_timeout: float | None,
    url_lifetime: int,
    log_format: str,
    print_url: bool,
    durable: bool,
    s3_endpoint: str | None,
    s3_bucket: str | None,
    s3_key: str | None,
    s3_secret: str | None,
    github_app_id: str | None,
    github_app_secret: str | None,
) -> None:
    """Run the gypsum service until SIGTERM or SIGINT.

    A line of standard error tells its URL. Every option can be given by a variable
    instead: SELENITE_GYPSUM_ and its name in capitals.
    """
    import json

    from selenite import _core

    if (registry is None) == (store is None):
        raise click.UsageError("give one of `--registry` and `--store`")
    s3 = {"endpoint": s3_endpoint, "bucket": s3_bucket, "key": s3_key, "secret": s3_secret}
    app = {"id": github_app_id, "secret": github_app_secret}
    settings = {
        "registry": None if registry is None else str(registry),
        "allow_roots": [str(root) for root in allow_roots],
        "store": store,
        "tokens": None if tokens is None else str(tokens),
        "insecure_tokens": insecure_tokens,
        "github_url": github_url,
        "administrators": list(admins),
        "host": host,
        "port": port,
        "public_url": public_url,
        "hosts": list(hosts),
        "quota_baseline": quota_baseline,
        "quota_growth": quota_growth,
        "lock_timeout": lock_timeout,
        "url_lifetime": url_lifetime,
        "print_url": print_url,
        "log_format": log_format,
        "durable": durable,
        "s3_credentials": _all_or_none(s3, "credentials for S3"),
        "github_app": _all_or_none(app, "credentials of a GitHub application"),
    }
    if tokens is None and github_url is None:
        note = "warning: nobody may write, since there is neither --tokens nor --github-url"
        click.echo(note, err=True)
    click.get_current_context().exit(_core.serve_gypsum(json.dumps(settings)))
