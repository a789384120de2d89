"""The commands, put together. Each is imported when it is called: `touchstream wait` needs no dataframes."""

import logging
from importlib import import_module
from inspect import getdoc
from typing import Annotated, Any, Final

import typer
from typer.core import TyperGroup

from touchstream import __version__

COMMANDS: Final[dict[str, str | dict[str, str]]] = {
    "up": "touchstream.streams.cli.up:up",
    "init": "touchstream.streams.cli.init:init",
    "worker": "touchstream.streams.cli.worker:worker",
    "watch": "touchstream.streams.cli.watch:watch",
    "gateway": {"": "touchstream.streams.cli.gateway:gateway", "key": "touchstream.streams.cli.gateway:key"},
    "page": "touchstream.streams.cli.page:page",
    "publish": "touchstream.streams.cli.publish:publish",
    "simulate": "touchstream.streams.cli.simulate:simulate",
    "wait": "touchstream.streams.cli.wait:wait",
    "metrics": "touchstream.streams.cli.metrics:ask_metrics",
    "customer": "touchstream.streams.cli.customer:ask_customer",
    "transitions": "touchstream.streams.cli.transitions:ask_transitions",
    "alerts": {"": "touchstream.streams.cli.alerts:alerts", "test": "touchstream.streams.cli.alerts:rehearse"},
    "clv": {"fit": "touchstream.streams.cli.clv:fit", "scores": "touchstream.streams.cli.clv:scores"},
    "forget": "touchstream.streams.cli.forget:forget",
    "dead-letters": {
        "list": "touchstream.streams.cli.dead_letters:list_dead_letters",
        "replay": "touchstream.streams.cli.dead_letters:replay_dead_letters",
    },
    "definitions": {
        "list": "touchstream.streams.cli.definitions:list_definitions",
        "replay": "touchstream.streams.cli.definitions:replay_definitions",
        "use": "touchstream.streams.cli.definitions:use_definitions",
    },
    "control-key": {
        "show": "touchstream.streams.cli.control_key:show_keys",
        "new": "touchstream.streams.cli.control_key:new_key",
        "rotate": "touchstream.streams.cli.control_key:rotate_key",
        "adopt": "touchstream.streams.cli.control_key:adopt_key",
    },
    "reconcile": "touchstream.streams.cli.reconcile:reconcile",
    "catalogue": {
        "check": "touchstream.streams.cli.catalogue:check",
        "list": "touchstream.streams.cli.catalogue:metrics",
        "touchpoints": "touchstream.streams.cli.catalogue:inventory",
    },
    "settings": "touchstream.streams.cli.settings:show_settings",
}
"""Command (or group of commands) to `module:function`. A group's own function stands at the empty name."""

GROUP_HELP: Final = {
    "clv": "Predicted value of customers.",
    "dead-letters": "Events that could not be used.",
    "definitions": "Versions of the definitions, and the tables that were derived under each.",
    "control-key": "Keys that sign control records: changes of definitions, erasures of persons.",
    "catalogue": "Journey, metrics and alerts as they are declared.",
}


class LazyCommands(TyperGroup):
    """The commands of COMMANDS."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - click's signature
        """All names, in the order in which a person meets them."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002
        """Import a command; None if there is none of that name."""
        place = COMMANDS.get(cmd_name)
        if place is None:
            return None
        made = _typer()
        if isinstance(place, str):
            made.command(cmd_name)(_function(place))
        else:
            own = _function(place[""]) if "" in place else None
            text = getdoc(own) if own else GROUP_HELP[cmd_name]
            made.callback(help=text, invoke_without_command=own is not None, no_args_is_help=own is None)(
                own or (lambda: None)
            )
            for name in filter(None, place):
                made.command(name)(_function(place[name]))
        command = typer.main.get_command(made)
        command.name = cmd_name
        return command


def _typer(**options: Any) -> typer.Typer:
    return typer.Typer(
        add_completion=False, no_args_is_help=True, rich_markup_mode=None, pretty_exceptions_enable=False, **options
    )


def _function(place: str) -> Any:
    module, name = place.split(":")
    return getattr(import_module(module), name)


app = _typer(name="touchstream", cls=LazyCommands, help="Measures customer experience while it happens.")


def _show_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"touchstream {__version__}")
        raise typer.Exit


@app.callback()
def _touchstream(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Measures customer experience while it happens."""


def main() -> None:
    """The entry point `touchstream`."""
    # It logs what it raises, and errors are reported once.
    logging.getLogger("clickhouse_connect").addHandler(logging.NullHandler())
    app()
