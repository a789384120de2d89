"""Migrations are split into statements without being misled by quotes and comments."""

import re

import pytest

from touchstream.sinks.clickhouse.migrations.migrate import Migrating, known_migrations, statements


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        (" ; ;\n", []),
        ("SELECT 1; SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("SELECT ';' AS a; SELECT \"b;\"; SELECT `c;`", ["SELECT ';' AS a", 'SELECT "b;"', "SELECT `c;`"]),
        ("SELECT 'it''s; one'; SELECT 'it\\'s; two'", ["SELECT 'it''s; one'", "SELECT 'it\\'s; two'"]),
        ("-- it's; a comment\nSELECT 1; /* so; is 'this */ SELECT 2", ["SELECT 1", "SELECT 2"]),
        ("SELECT '-- no comment'; SELECT 4 / 2 - 1", ["SELECT '-- no comment'", "SELECT 4 / 2 - 1"]),
    ],
)
def test_only_a_semicolon_between_statements_parts_them(text: str, expected: list[str]) -> None:
    assert statements(text) == expected


def test_migrations_are_numbered_without_gaps() -> None:
    assert [migration.number for migration in known_migrations()] == list(range(1, len(known_migrations()) + 1))


REPEATABLE = re.compile(
    r"(CREATE|ALTER|DROP)\b.*\bIF (NOT )?EXISTS\b|INSERT INTO (journey_touches|identities)\s+SELECT\b|REBUILD \w+$",
    re.DOTALL,
)


def test_every_statement_may_run_again() -> None:
    for migration in known_migrations():
        for statement in statements(migration.text):
            assert REPEATABLE.match(statement), statement


@pytest.mark.parametrize("days", [0, -1, 36_501])
def test_a_retention_that_would_delete_everything_or_wrap_around_is_refused(days: int) -> None:
    with pytest.raises(ValueError, match="RAW_RETENTION_DAYS"):
        Migrating(days)
