"""What all commands have in common: their options, their help, and where things are."""

from __future__ import annotations

import importlib
import os
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field

import click

from selenite.cli._errors import close_to

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any

FORMS = ("human", "json", "jsonl", "quiet")


@dataclass
class Options:
    """What the options of every command say; the later one of two counts.

    Attributes:
        given: Values by name of the option, without those that were not given.
        command: Name of the command that runs.
        address: What it is about, for messages.
        wants_json: Whether errors are to be JSON, whatever else is wrong.
    """

    given: dict[str, Any] = field(default_factory=dict)
    command: str = ""
    address: str | None = None
    wants_json: bool = False

    @property
    def form(self) -> str:
        """The form of what is printed: one of `FORMS`."""
        return str(self.given.get("form", "human"))

    @property
    def verbosity(self) -> int:
        """How much is told beside it."""
        return int(self.given.get("verbose", 0))


def _kept(ctx: click.Context, option: click.Parameter, value: object) -> None:
    """Keep a value that was given, whether before the name of the command or behind it."""
    name = str(option.name)
    is_unset = value is None or value is False or (name == "verbose" and value == 0)
    if is_unset or ctx.resilient_parsing:
        return
    assert isinstance(ctx.obj, Options)
    if name == "json":
        name, value = "form", "json"
    elif name == "quiet":
        name, value = "form", "quiet"
    ctx.obj.given[name] = value


def common_options() -> list[click.Option]:
    """Make the options that every command has."""
    number = click.FloatRange(min=0, min_open=True)
    directory = click.Path(file_okay=False)

    def option(*names: str, **more: Any) -> click.Option:  # noqa: ANN401 (as click has it)
        return click.Option(list(names), expose_value=False, callback=_kept, **more)

    return [
        option("--url", metavar="URL", help="Where the service is."),
        option("--registry", metavar="DIR", type=directory, help="Its registry, if it is here."),
        option("--staging", metavar="DIR", type=directory, help="Staging directory of a Gobbler."),
        option("--cache", metavar="DIR", type=directory, help="Where downloads are kept."),
        option("--profile", metavar="NAME", help="A profile of selenite.toml."),
        option("--offline", is_flag=True, help="Send no requests; what is cached must do."),
        option("--timeout", metavar="S", type=number, help="Seconds without data before an error."),
        option(
            "--retries",
            metavar="N",
            type=click.IntRange(min=0),
            help="Tries after the first.",
            default=None,
            show_default=False,
        ),
        option(
            "--ca-bundle",
            metavar="FILE",
            type=click.Path(dir_okay=False),
            help="Certificates to believe.",
        ),
        option("--insecure", is_flag=True, help="Believe any server, whoever it is."),
        option(
            "-j",
            "--jobs",
            metavar="N",
            type=click.IntRange(min=1),
            help="Transfers at once at most.",
        ),
        option("--format", "form", type=click.Choice(FORMS), help="Form of what is printed."),
        option("--json", is_flag=True, help="Same as --format json."),
        option("-q", "--quiet", is_flag=True, help="Same as --format quiet."),
        option("-v", "--verbose", count=True, help="Tell what happens; -vv tells every request."),
        option("--progress", type=click.Choice(["auto", "on", "off"]), help="Bars or none."),
        option("--color", type=click.Choice(["auto", "always", "never"]), help="Colours or none."),
    ]


class _Helping(click.Command):
    """A command with help that ends with the common options and examples."""

    examples: Sequence[str] = ()
    _common: tuple[click.Option, ...] = ()

    def _take(self, examples: Sequence[str]) -> None:
        self.examples = examples
        self._common = tuple(common_options())
        self.params.extend(self._common)
        self.context_settings.setdefault("help_option_names", ["-h", "--help"])

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the command's own options first."""
        own: list[tuple[str, str]] = []
        common: list[tuple[str, str]] = []
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                (common if param in self._common else own).append(record)
        for title, records in (("Options", own), ("Options of every command", common)):
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        if self.examples:
            with formatter.section("Examples"):
                for example in self.examples:
                    formatter.write_text(example)


class Command(_Helping):
    """A command of selenite's own: its function is given the `Options` first."""

    def __init__(
        self,
        name: str,
        callback: Callable[..., Any],
        params: Sequence[click.Parameter],
        examples: Sequence[str],
    ) -> None:
        """Name its parts."""
        super().__init__(name, callback=callback, params=list(params), help=callback.__doc__)
        self._take(examples)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 (as click has it)
        """Obey the common options, and run."""
        options = ctx.obj
        assert isinstance(options, Options)
        options.command = ctx.command_path.removeprefix("selenite").strip()
        _obey(options)
        assert self.callback is not None
        return ctx.invoke(self.callback, options, **ctx.params)


def command(
    name: str, *params: click.Parameter, examples: Sequence[str] = ()
) -> Callable[[Callable[..., Any]], Command]:
    """Make a command of a function.

    Args:
        name: Its name.
        *params: Its own arguments and options.
        examples: Lines at the end of its help.
    """
    return lambda function: Command(name, function, params, examples)


def flag(*names: str, help: str, **more: Any) -> click.Option:  # noqa: ANN401 (as click has it)
    """Make an option without a value."""
    return click.Option(list(names), is_flag=True, help=help, **more)


def option(*names: str, help: str, **more: Any) -> click.Option:  # noqa: ANN401 (as click has it)
    """Make an option."""
    return click.Option(list(names), help=help, **more)


def argument(*names: str, **more: Any) -> click.Argument:  # noqa: ANN401 (as click has it)
    """Make an argument."""
    return click.Argument(list(names), **more)


def dry_run() -> click.Option:
    """Make the option that only shows what would be done."""
    return flag("-n", "--dry-run", help="Show what would be done, and change nothing.")


def patterns() -> list[click.Option]:
    """Make the options that choose files."""
    return [
        option("--include", metavar="GLOB", multiple=True, help="Only these; repeatable."),
        option("--exclude", metavar="GLOB", multiple=True, help="Not these; repeatable."),
    ]


class LazyGroup(click.Group):
    """A group whose commands are imported when they are asked for."""

    def __init__(
        self,
        name: str,
        help: str,
        commands: Mapping[str, tuple[str, str]],
        *,
        aliases: Mapping[str, str] | None = None,
    ) -> None:
        """Name the commands.

        Args:
            name: Name of the group.
            help: Its help text.
            commands: Name of each command to ``module:attribute`` and a line of help.
            aliases: Further names, which help does not show.
        """
        super().__init__(name, help=help, no_args_is_help=True)
        self.context_settings.setdefault("help_option_names", ["-h", "--help"])
        self._texts = {name: text for name, (_, text) in commands.items()}
        self._places = {name: place for name, (place, _) in commands.items()} | dict(aliases or {})

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of all commands, sorted."""
        return sorted(self._texts)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command, or return ``None`` if there is none of that name."""
        if cmd_name not in self._places:
            return None
        module, _, attribute = self._places[cmd_name].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is meant."""
        name = args[0]
        if name not in self._places and not name.startswith("-") and not ctx.resilient_parsing:
            raise NoSuchCommand(name, close_to(name, self._places), ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, self._texts[name]) for name in self.list_commands(ctx)])


class Group(_Helping, LazyGroup):
    """A group with the common options, which count for its commands."""

    def __init__(
        self,
        name: str,
        help: str,
        commands: Mapping[str, tuple[str, str]],
        *,
        aliases: Mapping[str, str] | None = None,
        examples: Sequence[str] = (),
    ) -> None:
        """Name the commands, as for `LazyGroup`."""
        LazyGroup.__init__(self, name, help, commands, aliases=aliases)
        self._take(examples)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands first."""
        self.format_commands(ctx, formatter)
        super().format_options(ctx, formatter)


class NoSuchCommand(click.UsageError):
    """A command that does not exist.

    Attributes:
        possibilities: Names that are like it.
    """

    def __init__(self, name: str, possibilities: list[str], ctx: click.Context) -> None:
        """Name it."""
        super().__init__(f"no such command `{name}`", ctx)
        self.possibilities = possibilities


# Where the core looks for what an option says.
_VARIABLES = {
    "timeout": "SELENITE_TIMEOUT",
    "retries": "SELENITE_RETRIES",
    "ca_bundle": "SELENITE_CA_BUNDLE",
    "jobs": "SELENITE_JOBS",
    "progress": "SELENITE_PROGRESS",
}


def _obey(options: Options) -> None:
    """Let the core know what the options say, and profiles where they do not."""
    from selenite.cli import _profiles

    given = options.given
    for name, variable in _VARIABLES.items():
        if name in given:
            value = given[name]
            os.environ[variable] = f"{value:g}" if isinstance(value, float) else str(value)
    if "offline" in given:
        os.environ["SELENITE_OFFLINE"] = "1"
    if "insecure" in given:
        from selenite import _core

        _core.believe_everybody(True)
    if options.verbosity:
        os.environ["SELENITE_LOG"] = "info" if options.verbosity == 1 else "debug"
    if not os.environ.get("SELENITE_JOBS"):
        jobs = _profiles.loaded().jobs
        if jobs is not None:
            os.environ["SELENITE_JOBS"] = str(jobs)


@contextmanager
def environment_kept() -> Iterator[None]:
    """Leave the environment as it was: the process may be somebody else's."""
    before = dict(os.environ)
    try:
        yield
    finally:
        core: Any = sys.modules.get("selenite._core")
        if core is not None:
            core.believe_everybody(False)
        for name in [*os.environ]:
            if name not in before:
                del os.environ[name]
        os.environ.update(before)


@dataclass(frozen=True)
class Place:
    """Where one service is, and where each of these facts comes from.

    Attributes:
        service: ``gobbler`` or ``gypsum``.
        url: Where it is, None if nobody has said.
        registry: Its registry, None if it is not here.
        staging: Where requests to a Gobbler go.
        cache: Where downloads are kept, None for the default.
        token_file: File of the token for a gypsum service.
    """

    service: str
    url: str | None
    registry: str | None
    staging: str | None
    cache: str | None
    token_file: str | None


def place_of(service: str, options: Options) -> Place:
    """Find out where a service is: by options, the environment, and profiles.

    Args:
        service: ``gobbler`` or ``gypsum``.
        options: Options of the command.
    """
    from selenite.cli import _profiles

    settled = _profiles.settle(service, options.given)
    values = {key: found.value for key, found in settled.items()}
    return Place(
        service,
        *(values.get(name) for name in ("url", "registry", "staging", "cache", "token-file")),
    )


def may_ask() -> bool:
    """Say whether somebody is there to be asked."""
    from selenite._terminal import is_terminal

    return is_terminal(sys.stdin) and is_terminal(sys.stderr)


def agree(question: str, yes: bool) -> None:
    """Ask before something is destroyed.

    Args:
        question: What is to be done.
        yes: Whether that was agreed to beforehand.

    Raises:
        click.UsageError: If nobody is there to be asked.
        click.Abort: If the answer is no.
    """
    if yes:
        return
    if not may_ask():
        raise click.UsageError(f"{question} needs `-y`, since nobody can be asked here")
    click.confirm(f"{question}?", abort=True, err=True)
