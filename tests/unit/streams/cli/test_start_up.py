"""A command loads what it needs: a look at figures is not to wait for dataframes, Kafka or a web server."""

import subprocess
import sys
from typing import Final

import pytest

from touchstream.streams.cli.main import COMMANDS, LazyCommands, short_help

HEAVY: Final = (
    "aiohttp", "aiokafka", "cryptography", "fastavro", "faust", "jinja2", "kafka", "mode", "numpy", "pandas", "polars",
    "prometheus_client", "pyarrow", "starlette", "structlog", "uvicorn",
)  # fmt: skip
_PROBE: Final = """
import sys
from touchstream.streams.cli.main import main
sys.argv = ["touchstream", *sys.argv[1:]]
try:
    main()
finally:
    print("loaded", *sys.modules, file=sys.stderr)
"""
UNREACHABLE: Final = "http://default@127.0.0.1:1/touchstream"
"""A port that is never listened on: a command gets as far as its first question."""


def loaded(arguments: str, clickhouse_url: str = UNREACHABLE) -> tuple[int, set[str]]:
    """The exit code of a command in a process of its own, and the modules it had loaded at its end."""
    environment = {"TOUCHSTREAM_CLICKHOUSE_URL": clickhouse_url, "PATH": ""}
    argv = [sys.executable, "-c", _PROBE, *arguments.split()]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, set(done.stderr.rpartition("loaded ")[2].split())


@pytest.mark.parametrize(
    ("arguments", "exit_code"),
    [
        ("--help", 0),
        ("settings", 0),
        ("metrics --json", 1),
        ("metrics --window 5m", 1),
        ("alerts --firing", 1),
        ("customer 42", 1),
        ("transitions", 1),
        ("catalogue list", 0),
    ],
)
def test_a_command_that_only_looks_loads_no_heavy_library(arguments: str, exit_code: int) -> None:
    ended, modules = loaded(arguments)
    assert ended == exit_code
    assert "touchstream.streams.cli.main" in modules
    assert modules.isdisjoint(HEAVY), sorted(modules.intersection(HEAVY))


def test_the_list_of_commands_loads_none_of_them() -> None:
    _, modules = loaded("--help")
    commands = {place.partition(":")[0] for place in COMMANDS.values() if isinstance(place, str)}
    assert commands
    assert modules.isdisjoint(commands | {"pydantic", "clickhouse_connect"})


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_says_of_each_what_its_own_help_does(name: str) -> None:
    own = LazyCommands().get_command(None, name)
    assert short_help(name, 60) == own.get_short_help_str(60)
