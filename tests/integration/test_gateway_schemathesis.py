"""Schemathesis: requests made from the OpenAPI document, valid and broken, find no answer that it doesn't describe."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.gateway_process import create_topic, running_gateway
from tests.support.stack import eventually
from touchstream.streams.channels.gateway.key_lines import key_line, new_key

pytestmark = pytest.mark.any_kafka

SOURCES = """
sources:
  shop: {mapping: shopify, signature: shopify, secrets: [{file: secret}]}
  open: {mapping: segment}
"""


EXCEPTIONS = """
# How its two times lie to each other and to now, and that `exclude` needs both, JSON Schema can't say.
[[operations]]
include-path = "/v1/annotations"
checks.positive_data_acceptance.enabled = false
"""


@pytest.mark.parametrize("keys", [False, True], ids=["open", "with keys"])
def test_schemathesis_finds_nothing(keys: bool, kafka_url: str, unique_name: str, tmp_path: Path) -> None:
    create_topic(kafka_url, unique_name)
    key, file = new_key(), tmp_path / "keys"
    file.write_text(key_line("schemathesis", key) + "\n")
    (tmp_path / "secret").write_text(new_key())
    (tmp_path / "sources.yaml").write_text(SOURCES)
    (tmp_path / "schemathesis.toml").write_text(EXCEPTIONS)
    settings = {"GATEWAY_SOURCES_FILE": str(tmp_path / "sources.yaml")}
    settings |= {"GATEWAY_KEYS_FILE": str(file)} if keys else {}
    with running_gateway(tmp_path, kafka_url, unique_name, settings) as gateway:
        eventually(gateway.ready)
        command = [sys.executable, "-m", "schemathesis.cli", "run", f"{gateway.url}/openapi.json", "--no-color"]
        options = ["--max-examples", "20", "--seed", "1", "--warnings", "off"]  # it can't sign
        header = ["--header", f"Authorization: Bearer {key}"] if keys else []
        run = subprocess.run([*command, *options, *header], cwd=tmp_path, capture_output=True, text=True)
        assert run.returncode == 0, run.stdout + run.stderr
        assert "No issues found" in run.stdout
        assert "request failed" not in gateway.log()
