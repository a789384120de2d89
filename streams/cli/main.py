"""The commands, put together. Each is imported when it is called: `touchstream wait` needs no dataframes."""

import ast
import logging
from importlib import import_module
from importlib.util import find_spec
from inspect import cleandoc, getdoc
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from touchstream import __version__

COMMANDS: Final[dict[str, str | dict[str, str]]] = {
    "up": "touchstream.streams.cli.up:up",
    "init": "touchstream.streams.cli.init:init",
    "worker": "touchstream.streams.cli.worker:worker",
    "watch": "touchstream.streams.cli.watch:watch",
    "gateway": {"": "touchstream.streams.cli.gateway:gateway", "key": "touchstream.streams.cli.gateway:key"},
    "page": "touchstream.streams.cli.page:page",
    "publish": "touchstream.streams.cli.publish:publish",
    "normalise": "touchstream.streams.cli.normalise:normalise",
    "mapping": {
        "try": "touchstream.streams.cli.mapping:try_mapping",
        "list": "touchstream.streams.cli.mapping:list_mappings",
        "check": "touchstream.streams.cli.mapping:check_mapping",
    },
    "tail": "touchstream.streams.cli.tail:tail",
    "simulate": "touchstream.streams.cli.simulate:simulate",
    "wait": "touchstream.streams.cli.wait:wait",
    "status": "touchstream.streams.cli.status:status",
    "metrics": "touchstream.streams.cli.metrics:ask_metrics",
    "customer": "touchstream.streams.cli.customer:ask_customer",
    "identities": {"show": "touchstream.streams.cli.identities:show"},
    "transitions": "touchstream.streams.cli.transitions:ask_transitions",
    "alerts": {
        "": "touchstream.streams.cli.alerts:alerts",
        "test": "touchstream.streams.cli.alerts:rehearse",
        "history": "touchstream.streams.cli.alerts:history",
        "incidents": "touchstream.streams.cli.incidents:incidents",
        "power": "touchstream.streams.cli.alert_power:power",
        "ack": "touchstream.streams.cli.alert_actions:ack",
        "silence": "touchstream.streams.cli.alert_actions:silence",
        "unsilence": "touchstream.streams.cli.alert_actions:unsilence",
        "silences": "touchstream.streams.cli.alert_actions:silences",
    },
    "detect": "touchstream.streams.cli.detect:detect",
    "annotate": "touchstream.streams.cli.annotations:annotate",
    "annotations": {"list": "touchstream.streams.cli.annotations:list_annotations"},
    "clv": {"fit": "touchstream.streams.cli.clv:fit", "scores": "touchstream.streams.cli.clv:scores"},
    "explain": "touchstream.streams.cli.explain:ask_explain",
    "compare": "touchstream.streams.cli.compare:ask_compare",
    "drivers": "touchstream.streams.cli.drivers:ask_drivers",
    "spending": "touchstream.streams.cli.spending:ask_spending",
    "forget": "touchstream.streams.cli.forget:forget",
    "audit": "touchstream.streams.cli.audit:audit",
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
    "annotations": "What people and systems noted: deploys, campaigns, outages.",
    "clv": "Predicted value of customers.",
    "dead-letters": "Events that could not be used.",
    "identities": "Which anonymous ids are whose.",
    "definitions": "Versions of the definitions, and the tables that were derived under each.",
    "control-key": "Keys that sign control records: changes of definitions, erasures of persons.",
    "mapping": "How foreign messages become events.",
    "catalogue": "Journey, metrics and alerts as they are declared.",
}


class LazyCommands(TyperGroup):
    """The commands of COMMANDS."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002 - click's signature
        """All names, in the order in which a person meets them."""
        return list(COMMANDS)

    def format_commands(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002 - click's signature
        """All commands in a line each."""
        width = formatter.width - 6 - max(map(len, COMMANDS))  # click's own sum: two margins of a definition list
        with formatter.section("Commands"):
            formatter.write_dl([(name, short_help(name, width)) for name in COMMANDS])

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


def short_help(name: str, width: int) -> str:
    """A command's first sentence, cut to the width, from the source of its module: importing all takes seconds."""
    place = COMMANDS[name]
    of = place if isinstance(place, str) else place.get("")
    return TyperCommand(name, help=_docstring(of) if of else GROUP_HELP[name]).get_short_help_str(width)


def _docstring(place: str) -> str:
    """What `getdoc` says of a function `module:function`."""
    module, name = place.split(":")
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"there is no module {module}")
    tree = ast.parse(Path(spec.origin).read_text(encoding="utf-8"))
    function = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)
    return cleandoc(ast.get_docstring(function) or "")


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
