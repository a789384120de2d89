"""What the engine is started with: a user that may use the data directory and no more, and files that only we write."""

import os
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from touchstream.deploy.local.private_files import write_private

BACKUPS: Final = "backups"
"""The disk of BACKUP … TO Disk('backups', 'NAME'), and its directory."""

_CONFIG: Final = """<clickhouse>
  <storage_configuration><disks><{name}><type>local</type><path>{path}/</path></{name}></disks></storage_configuration>
  <backups><allowed_disk>{name}</allowed_disk></backups>
  <users_config>{users}</users_config>
</clickhouse>
"""
# FILE, URL, REMOTE, S3 and all other sources are not granted, nor who may do what (users, roles, named collections),
# dictionaries, functions and SYSTEM. The engine asks for them wherever a source stands: in stored views, too.
_GRANTS: Final = (
    "GRANT SHOW, SELECT, INSERT, ALTER TABLE, ALTER VIEW MODIFY QUERY, CREATE DATABASE, CREATE TABLE, CREATE VIEW,"
    " CREATE TEMPORARY TABLE, DROP DATABASE, DROP TABLE, DROP VIEW, TRUNCATE, OPTIMIZE, CHECK, BACKUP ON *.*",
    "GRANT READ, WRITE ON DISK",
)
# implicit_select: a ClickHouse for command lines takes `1 + 1` for a query, a server doesn't. The two of Values: data
# may not hold expressions, which are computed before they can be checked.
_USERS: Final = """<clickhouse>
  <profiles><default>
    <implicit_select>0</implicit_select>
    <input_format_values_interpret_expressions>0</input_format_values_interpret_expressions>
    <input_format_values_deduce_templates_of_expressions>0</input_format_values_deduce_templates_of_expressions>
  </default></profiles>
  <users><default>
    <password></password><networks><ip>::/0</ip></networks><profile>default</profile><quota>default</quota>
    <grants>{grants}</grants>
  </default></users>
  <quotas><default/></quotas>
</clickhouse>
"""


def refuse_links(directory: Path) -> None:
    """Raises OSError if a link in a data directory leads out of it: the engine would write there."""
    inside = os.path.realpath(directory)
    for parent, directories, files in os.walk(directory):
        for name in (*directories, *files):
            path = os.path.join(parent, name)  # noqa: PTH118 - a data directory has many files
            if os.path.islink(path) and os.path.commonpath((inside, os.path.realpath(path))) != inside:  # noqa: PTH114
                raise PermissionError(f"{path} is a link to {os.path.realpath(path)}; remove it")


def write_config(directory: Path) -> Path:
    """Write the engine's configuration into its directory; the path for `config-file`."""
    grants = "".join(f"<query>{grant}</query>" for grant in _GRANTS)
    users = directory / "users.xml"
    write_private(users, _USERS.format(grants=grants))
    config = directory / "config.xml"
    places = {"path": escape(str(directory / BACKUPS)), "users": escape(str(users))}
    write_private(config, _CONFIG.format(name=BACKUPS, **places))
    return config
