"""What a statement may do: an allowlist over the statement as the engine itself has parsed it.

The engine in a process is a ClickHouse for command lines: it reads and writes whatever its user may. Its own access
rights (clickhouse_config.py) forbid sources outside of the data directory. They don't cover the scalar `file()`,
INTO OUTFILE, FROM INFILE, engines without a source, and settings of subqueries: those are refused here.

The text that is looked at is the engine's own (`formatQuerySingleLine`): comments, heredocs, quotes of every kind and
Unicode are gone, every string is in '…' and every odd name in `…`, with backslashes.
"""

import re
from collections.abc import Iterator
from typing import Any, Final

from touchstream.deploy.local.clickhouse.errors import ClickHouseError, Code, refused

TABLE_FUNCTIONS: Final = frozenset(
    {"numbers", "numbers_mt", "zeros", "zeros_mt", "generateseries", "generate_series", "merge", "view"}
)
"""Allowed table functions, in lower case. None takes columns or expressions in a string, which would go unchecked."""
ENGINES: Final = frozenset(
    {"Atomic", "Memory", "Null", "Set", "Join", "Log", "TinyLog", "StripeLog", "Merge", "Buffer"}
    | {f"{kind}MergeTree" for kind in ("", "Replacing", "Summing", "Aggregating", "Collapsing", "Coalescing")}
    | {"VersionedCollapsingMergeTree"}
)
"""Engines of tables and databases whose data is in the data directory."""
SETTINGS: Final = frozenset(
    # what Touchstream's statements use
    {"async_insert", "wait_for_async_insert", "optimize_on_insert", "insert_quorum", "insert_quorum_parallel"}
    | {"select_sequential_consistency", "mutations_sync", "alter_sync", "lightweight_deletes_sync"}
    | {"max_partitions_per_insert_block", "os_thread_priority", "compile_expressions", "join_use_nulls"}
    | {"max_bytes_before_external_group_by", "max_bytes_before_external_sort", "priority"}
    # bounds
    | {"max_execution_time", "max_threads", "max_insert_threads", "max_block_size", "max_insert_block_size"}
    | {"min_insert_block_size_rows", "min_insert_block_size_bytes"}
    | {"max_memory_usage", "max_rows_to_read", "max_bytes_to_read", "max_result_rows", "max_result_bytes"}
    | {"max_rows_to_group_by", "max_query_size", "result_overflow_mode", "read_overflow_mode", "timeout_overflow_mode"}
    | {"limit", "offset", "readonly"}
    # how results are computed and written
    | {"final", "session_timezone", "use_query_cache", "optimize_move_to_prewhere", "optimize_read_in_order"}
    | {"group_by_use_nulls", "union_default_mode", "any_join_distinct_right_table_keys", "join_algorithm"}
    | {"date_time_input_format", "date_time_output_format", "format_csv_delimiter", "format_tsv_null_representation"}
    | {"output_format_json_quote_64bit_integers", "output_format_json_quote_denormals", "extremes"}
    | {"cast_string_to_dynamic_use_inference"}
    | {"output_format_json_array_of_rows", "output_format_arrow_string_as_string", "output_format_write_statistics"}
    | {"output_format_native_encode_types_in_binary_format", "input_format_null_as_default"}
    | {"input_format_skip_unknown_fields", "input_format_defaults_for_omitted_fields", "log_comment"}
    # what the HTTP interface of a server takes, without effect here
    | {"enable_http_compression", "http_zlib_compression_level", "send_progress_in_http_headers"}
    | {"http_headers_progress_interval_ms", "cancel_http_readonly_queries_on_client_close", "log_queries"}
)
"""None names a file or an address, or holds an expression."""
STORAGE_SETTINGS: Final = frozenset(
    {"index_granularity", "index_granularity_bytes", "min_bytes_for_wide_part", "min_rows_for_wide_part"}
    | {"ttl_only_drop_parts", "merge_with_ttl_timeout", "allow_nullable_key", "non_replicated_deduplication_window"}
    | {"parts_to_delay_insert", "parts_to_throw_insert", "old_parts_lifetime", "min_age_to_force_merge_seconds"}
    | {"deduplicate_merge_projection_mode", "enable_block_number_column", "enable_block_offset_column"}
)
"""Settings that a table may have. Others say where it lies (disk, storage_policy)."""
BACKUP_SETTINGS: Final = frozenset({"async", "id", "allow_non_empty_tables", "structure_only"})
_CALLS: Final = (
    "SELECT lower(name) FROM system.table_functions UNION DISTINCT"
    " SELECT lower(name) FROM system.functions WHERE categories = 'AI'"
)
_CREATED: Final = ("TABLE", "TEMPORARY", "VIEW", "MATERIALIZED", "DATABASE", "OR")
_STATEMENTS: Final = frozenset(
    {"SELECT", "WITH", "INSERT", "EXPLAIN", "SHOW", "DESCRIBE", "EXISTS", "CHECK", "SET", "USE", "DROP"}
    | {"TRUNCATE", "OPTIMIZE", "RENAME", "EXCHANGE", "DELETE", "UPDATE", "BACKUP", "RESTORE", "KILL", "(", "CREATE"}
    | {"ALTER"}
)
_SECOND: Final[dict[str, tuple[str, ...]]] = {
    "CREATE": _CREATED,
    "ALTER": ("TABLE", "DATABASE"),
    "KILL": ("QUERY", "MUTATION"),
    "DROP": ("TABLE", "TEMPORARY", "VIEW", "DATABASE"),
}
_STORED: Final[dict[str, tuple[str, ...]]] = {"ATTACH": _CREATED, "CREATE": _CREATED}
"""In a database, and in a backup of one."""
_TOKEN: Final = re.compile(
    r"(?P<text>'(?:[^'\\]|\\.)*')|(?P<quoted>`(?:[^`\\]|\\.)*`|\"(?:[^\"\\]|\\.)*\")|(?P<word>[A-Za-z_]\w*)"
    r"|(?P<number>\d[\w.]*)|\s+|(?P<sign>.)",
    re.DOTALL,
)
_IN_SCOPE: Final = re.compile(r": In scope SELECT formatQuerySingleLine\(.*\)(?=\. \()", re.DOTALL)
_NAMES: Final = ("word", "quoted")
_CLOSING: Final = {")": -1, "]": -1, "}": -1, "(": 1, "[": 1, "{": 1}
_OUTSIDE: Final = "the local ClickHouse reads and writes nothing outside of its own directory"
# The default of the setting max_query_size; of a longer statement only an INSERT's data may be beyond it.
_STATEMENT_BYTES: Final = 262_144


def forbidden_calls(connection: Any) -> frozenset[str]:
    """Names, in lower case, that no statement may call: all table functions of this engine but those allowed."""
    found = bytes(connection.query(_CALLS, "TSVRaw").bytes()).decode().split()
    return frozenset(found) - TABLE_FUNCTIONS


def canonical(connection: Any, text: bytes) -> str:
    """The one statement of a text as the engine has parsed it, without an INSERT's data.

    Raises RuntimeError, the engine's, for what it can't parse, and for several statements.
    """
    escaped = text.replace(b"\\", b"\\\\").replace(b"'", b"\\'")
    if long := len(escaped) > _STATEMENT_BYTES // 2:
        connection.query(f"SET max_query_size = {len(escaped) + _STATEMENT_BYTES}")
    try:
        parsed = connection.query(b"SELECT formatQuerySingleLine('" + escaped + b"')", "RawBLOB")
    except RuntimeError as error:
        raise RuntimeError(_IN_SCOPE.sub("", str(error), count=1)) from None
    finally:
        if long:
            connection.query(f"SET max_query_size = {_STATEMENT_BYTES}")
    return bytes(parsed.bytes()).decode(errors="surrogateescape")


def check_setting(name: str) -> None:
    """Raises ClickHouseError (UNKNOWN_SETTING) for a setting of a statement or a request that isn't taken."""
    if name not in SETTINGS:
        raise refused(
            Code.UNKNOWN_SETTING, f"Unknown setting '{name}', or one that the local ClickHouse doesn't let be set"
        )


def check(statement: str, forbidden: frozenset[str], stored: bool = False) -> None:
    """Look at a statement as `canonical` gives it; stored: one that defines a table, as the engine keeps it.

    Raises ClickHouseError: ACCESS_DENIED for a kind of statement, function or engine that isn't allowed,
    INTO_OUTFILE_NOT_ALLOWED, UNKNOWN_SETTING.
    """
    tokens = list(_tokens(statement))
    _check_kind(tokens, _STORED if stored else _SECOND)
    _check_words(tokens, forbidden)
    for name in _setting_names(tokens):
        allowed = SETTINGS
        if tokens[0][1] in ("BACKUP", "RESTORE"):
            allowed |= BACKUP_SETTINGS
        if stored or tokens[0][1] in ("CREATE", "ALTER"):
            allowed |= STORAGE_SETTINGS
        if name not in allowed and not (tokens[0][1] == "SET" and name.startswith("param_")):
            check_setting(name)


Token = tuple[str, str]
"""Its kind (text, quoted, word, number, sign) and what it says, without quotes where it is a quoted name."""


def _tokens(statement: str) -> Iterator[Token]:
    for token in _TOKEN.finditer(statement):
        if token.lastgroup == "quoted":
            yield "quoted", re.sub(r"\\(.)", r"\1", token[0][1:-1], flags=re.DOTALL)
        elif token.lastgroup is not None:
            yield token.lastgroup, token[0]


def _check_kind(tokens: list[Token], second: dict[str, tuple[str, ...]]) -> None:
    words = [text for _, text in tokens[:2]] + ["", ""]
    known = words[0] in (second if second is _STORED else _STATEMENTS)
    if not known or (words[0] in second and words[1] not in second[words[0]]):
        raise _denied(f"{words[0]} {words[1]}".strip())


def _check_words(tokens: list[Token], forbidden: frozenset[str]) -> None:
    nothing = ("", "")
    for place, (kind, text) in enumerate(tokens):
        before = tokens[place - 1] if place else nothing
        after = tokens[place + 1] if place + 1 < len(tokens) else nothing
        if kind in _NAMES and (called := text.lower()) in forbidden:
            # `APPLY file` and `arrayMap(file, …)` call it as well: a column of that name has to be `table.file`.
            named = called == "file" and before[1] not in (".", "AS")
            if named or after == ("sign", "("):
                raise _denied(f"{text}()")
        if kind != "word":
            continue
        if (before[1], text) in (("INTO", "OUTFILE"), ("FROM", "INFILE")):
            raise refused(Code.INTO_OUTFILE_NOT_ALLOWED, "INTO OUTFILE and FROM INFILE are not allowed")
        if text == "ENGINE" and after == ("sign", "="):
            engine = tokens[place + 2][1] if place + 2 < len(tokens) else ""
            if engine not in ENGINES:
                raise _denied(f"ENGINE = {engine}")
        if text == "SECURITY" and (before[1], after[1]) == ("SQL", "NONE"):
            raise _denied("SQL SECURITY NONE")
        if text == "SOURCE" and tokens[0][1] in ("ATTACH", "CREATE") and after == ("sign", "("):
            raise _denied("a dictionary's SOURCE")


def _setting_names(tokens: list[Token]) -> Iterator[str]:
    """The names in every list of settings: after SETTINGS, MODIFY SETTING and SET, at any depth."""
    if tokens[0][1] == "SHOW":
        return
    for place, token in enumerate(tokens):
        if token in (("word", "SETTINGS"), ("word", "SETTING")) or (place == 0 and token == ("word", "SET")):
            start = place + 2 if tokens[place + 1 : place + 2] == [("sign", "(")] else place + 1
            yield from _names_of_list(tokens[start:])


def _names_of_list(tokens: list[Token]) -> Iterator[str]:
    """`name = value, name, a.b = value …`, up to where something else comes; nothing where no name comes first."""
    place = 0
    while place < len(tokens) and tokens[place][0] in _NAMES:
        name, place = tokens[place][1], place + 1
        while tokens[place : place + 1] == [("sign", ".")] and place + 1 < len(tokens):
            name, place = f"{name}.{tokens[place + 1][1]}", place + 2
        yield name
        if tokens[place : place + 1] == [("sign", "=")]:
            place = _after_value(tokens, place + 1)
        if tokens[place : place + 1] != [("sign", ",")]:
            return
        place += 1


def _after_value(tokens: list[Token], start: int) -> int:
    """The place behind a setting's value: a literal, or one word, and what stands in brackets."""
    depth = 0
    for place in range(start, len(tokens)):
        kind, text = tokens[place]
        over = text in (",", ")") if kind == "sign" else kind in _NAMES and tokens[place - 1][1] not in ("=", "-")
        if depth == 0 and over:
            return place
        depth += _CLOSING.get(text, 0)
    return len(tokens)


def _denied(what: str) -> ClickHouseError:
    return refused(Code.ACCESS_DENIED, f"{what} is not allowed here: {_OUTSIDE}")
