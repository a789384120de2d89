"""The commands of `catalogue`."""

from typing import Annotated, Any

import typer

from schemas.journey import DEFAULT_FILE, Journeys
from streams.cli.output import FAILED, answers, errors_in_one_line, load_settings, people, print_json, print_table


def check(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Errors and gaps in the journey: exit code 1 when there is an error.

    Example: TOUCHSTREAM_JOURNEY_FILE=journey.yaml touchstream catalogue check
    """
    settings = load_settings()
    with errors_in_one_line():
        findings = Journeys.load(settings.journey_file or DEFAULT_FILE).check()
    rows: list[dict[str, Any]] = [
        {"severity": str(finding.severity), "where": finding.where, "message": finding.message} for finding in findings
    ]
    if as_json:
        print_json(rows)
    elif rows:
        print_table(rows, ["severity", "where", "message"])
    else:
        answers.print("the catalogue has no errors and no gaps")
    if any(row["severity"] == "error" for row in rows):
        people.print("the catalogue has errors")
        raise typer.Exit(FAILED)
