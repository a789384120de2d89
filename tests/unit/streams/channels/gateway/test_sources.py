"""The file of sources: what it declares, and that nothing is taken with less than it asks for."""

from __future__ import annotations

from pathlib import Path

import pytest

from touchstream.streams.channels.gateway.server import gateway
from touchstream.streams.channels.gateway.sources import SourcesError, WebhookSource, read_sources
from touchstream.streams.process.settings import Settings

SECRET = "whoever reads this can sign"  # noqa: S105
MINE = """
format: 2
name: mine
events: [{name: one, fields: {event_id: id, occurred_at: at, customer_id: who, channel: shop, touchpoint: place}}]
"""
SHOP = """
sources:
  shop:
    mapping: shopify
    signature: shopify
    secrets: [{environment: SHOP_SECRET}, {file: secrets/old}]
    source: shop-berlin
  till: {mapping: mine.yaml}
"""


def read(folder: Path, text: str = SHOP, **environment: str) -> list[WebhookSource]:
    (folder / "secrets").mkdir(exist_ok=True)
    (folder / "secrets" / "old").write_text(f"{SECRET} of before\n")
    (folder / "mine.yaml").write_text(MINE)
    (folder / "sources.yaml").write_text(text)
    return read_sources(folder / "sources.yaml", {"SHOP_SECRET": SECRET} | environment)


def test_a_source_has_its_mapping_its_signature_and_a_space_of_ids_of_its_own(tmp_path: Path) -> None:
    shop, till = read(tmp_path)
    assert (shop.name, shop.owner, shop.converter.source) == ("shop", "in/shop", "shop-berlin")
    assert shop.verifier is not None
    assert (shop.verifier.form.header, till.verifier) == ("x-shopify-hmac-sha256", None)


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("signature: shopify", "signature: shopfy", "did you mean shopify?"),
        ("    signature: shopify\n", "", "signature and secrets belong together"),
        ("secrets: [{environment: SHOP_SECRET}, {file: secrets/old}]", "secrets: []", "belong together"),
        ("{environment: SHOP_SECRET}", f"'{SECRET}'", "say where it is"),
        ("{environment: SHOP_SECRET}", f"{{value: '{SECRET}'}}", "no such key"),
        ("{environment: SHOP_SECRET}", "{}", "give environment or file"),
        ("SHOP_SECRET", "OTHER_SECRET", "the environment has no OTHER_SECRET"),
        ("secrets/old", "secrets/gone", "secrets/gone can't be read"),
        ("mapping: shopify", "mapping: shopfy", "no such file, and no shipped mapping"),
        ("mapping: mine.yaml", "mapping: columns.yaml", "a source needs format: 2"),
        ("  till:", "  Till/2:", "sources.Till/2"),
        ("mapping: mine.yaml", "maping: mine.yaml", "did you mean mapping?"),
    ],
)
def test_a_source_that_cannot_be_used_ends_the_start_in_one_line(
    before: str, after: str, said: str, tmp_path: Path
) -> None:
    (tmp_path / "columns.yaml").write_text("columns: {event_id: ID}\n")
    assert before in SHOP
    with pytest.raises(SourcesError) as error:
        read(tmp_path, SHOP.replace(before, after, 1))
    assert said in str(error.value)
    assert "\n" not in str(error.value)
    assert SECRET not in str(error.value)


@pytest.mark.parametrize("empty", ["", " \n"])
def test_an_empty_secret_is_none(empty: str, tmp_path: Path) -> None:
    with pytest.raises(SourcesError, match="has no SHOP_SECRET"):
        read(tmp_path, SHOP_SECRET=empty)
    read(tmp_path)
    (tmp_path / "secrets" / "old").write_text(empty)
    with pytest.raises(SourcesError, match="must hold one secret"):
        read_sources(tmp_path / "sources.yaml", {"SHOP_SECRET": SECRET})


def test_a_gateway_does_not_start_with_a_file_of_sources_that_cannot_be_used(tmp_path: Path) -> None:
    with pytest.raises(SourcesError, match=r"nowhere\.yaml: can't be read"):
        gateway(Settings(gateway_sources_file=tmp_path / "nowhere.yaml"))
