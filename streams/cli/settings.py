"""The command `settings`."""

from touchstream.streams.cli.output import Json, load_settings, print_json, print_table


def show_settings(as_json: Json = False) -> None:
    """Settings in force and where each came from; secrets are hidden.

    Example: TOUCHSTREAM_FLUSH_SECONDS=1 touchstream settings
    """
    settings = load_settings(local=False)
    rows = [
        {"name": line.name, "value": line.value, "from": line.origin, "description": line.description}
        for line in settings.sources()
    ]
    if as_json:
        print_json(rows)
    else:
        print_table(rows, ["name", "value", "from", "description"])
