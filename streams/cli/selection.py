"""Conditions on dimensions as people type them."""

from touchstream.sinks.clickhouse.metrics.exact import DIMENSIONS
from touchstream.streams.cli.output import WRONG_USE, escaped, fail


def filters(pairs: list[str]) -> dict[str, str]:
    """Dimension to value from `dimension=value`. Ends with exit code 2 for anything else, and for two of one."""
    found: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or name not in DIMENSIONS:
            fail(f"--where {escaped(pair)}: write it as {'|'.join(DIMENSIONS)}=value", WRONG_USE)
        if found.setdefault(name, value) != value:
            fail(
                f"--where {escaped(pair)}: {name} is asked to be {escaped(found[name])} as well; ask once for each",
                WRONG_USE,
            )
    return found
