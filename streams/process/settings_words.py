"""How settings, and what is wrong with them, are said: without secrets."""

import os
import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from pydantic import ValidationError

from touchstream.streams.process.settings_sources import SECRETS, WHOLLY_SECRET, config_path, variable_of


def shown(name: str, value: Any) -> str:
    """A setting as text, without its secret."""
    if value is None:
        return ""
    if name not in SECRETS:
        return f"{value:g}" if isinstance(value, float) else str(value)
    if name in WHOLLY_SECRET:
        return "***"
    parts = urlsplit(value)
    if parts.password is None:
        return str(value)
    credentials, _, server = parts.netloc.rpartition("@")
    return str(parts._replace(netloc=f"{credentials.partition(':')[0]}:***@{server}").geturl())


def error_in_one_line(error: ValidationError, arguments: Mapping[str, Any]) -> str:
    """What is wrong with settings, and where each was given; arguments: those given in code."""
    problems = []
    for problem in error.errors(include_url=False):
        name = str(problem["loc"][0]) if problem["loc"] else None
        message = problem["msg"].removeprefix("Value error, ")
        if name is None:
            problems.append(message)
            continue
        got = "" if name in SECRETS else " (got " + re.sub("//[^/]*@", "//***@", repr(problem["input"])) + ")"
        problems.append(f"{variable_of(name)} ({_where(name, arguments)}): {message[0].lower()}{message[1:]}{got}")
    return "; ".join(problems)


def _where(name: str, arguments: Mapping[str, Any]) -> str:
    if name in arguments:
        return "argument"
    if os.environ.get(variable_of(name)) or os.environ.get(f"{variable_of(name)}_FILE"):
        return "environment"
    return str(config_path())
