"""The commands, put together."""

import typer

from streams.cli import ask, publish, run, up

app = typer.Typer(
    name="touchstream",
    help="Measures customer experience while it happens.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
letters = typer.Typer(help="Events that could not be used.", no_args_is_help=True)
catalogue = typer.Typer(help="Journey and metrics as they are declared.", no_args_is_help=True)
app.add_typer(letters, name="dead-letters")
app.add_typer(catalogue, name="catalogue")

app.command("up")(up.up)
app.command("init")(run.init)
app.command("worker")(run.worker)
app.command("publish")(publish.publish)
app.command("wait")(ask.wait)
app.command("metrics")(ask.ask_metrics)
app.command("settings")(ask.show_settings)
letters.command("list")(ask.list_dead_letters)
catalogue.command("check")(ask.check_catalogue)


def main() -> None:
    """The entry point `touchstream`."""
    app()
