"""docs/tables.md names every table and view of ClickHouse."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[3]
MADE = re.compile(r"CREATE (?:TABLE|VIEW|MATERIALIZED VIEW) (?:IF NOT EXISTS )?(\w+)")


def made() -> set[str]:
    """Tables and views that the migrations make. `X_rebuilt` becomes `X` when its rows are there."""
    migrations = (ROOT / "sinks" / "clickhouse" / "migrations").glob("0*.sql")
    views = (path.stem.removeprefix("view_") for path in (ROOT / "sinks" / "clickhouse").rglob("view_*.sql"))
    found = {name.removesuffix("_rebuilt") for path in migrations for name in MADE.findall(path.read_text("utf-8"))}
    return found | set(views)


def test_the_migrations_make_tables_and_views() -> None:
    assert made() >= {"touchpoints", "stage_panes", "series", "stage_now", "customers"}


def test_tables_md_names_every_table_and_view() -> None:
    page = (ROOT / "docs" / "tables.md").read_text("utf-8")
    assert {name for name in made() if f"`{name}`" not in page} == set()
