"""The site of the docs has every page, in the form that Python-Markdown reads, and no link that leads nowhere."""

import re
import subprocess
from pathlib import Path

import pytest

from touchstream.deploy.site.build import as_python_markdown, pages, without_folders
from touchstream.deploy.site.check import problems

ROOT = Path(__file__).parents[3]
SITE = ROOT / "deploy" / "site"
BUILDER = ROOT / "build" / "tools" / "site" / "bin" / "python"


def test_the_navigation_has_every_page_but_single_decisions() -> None:
    named = re.findall(r": (\S+\.md)$", (SITE / "mkdocs.yml").read_text(), re.M)
    assert len(named) == len(set(named))
    there = {str(page) for page in pages() if page.parent.name != "decisions"}
    assert set(named) == there | {"docs/decisions/index.md"}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("Text:\n- a\n- b\n", "Text:\n\n- a\n- b\n"),
        ("- a\n  more\n  - b\n    more\n", "- a\n    more\n    - b\n        more\n"),
        ("1.\n   **a**\n   more\n", "1. **a**\n    more\n"),
        (
            "5. a\n\n   ```yaml\n   - b\n     c\n   ```\n6. d\n",
            "5. a\n\n    ```yaml\n    - b\n      c\n    ```\n\n6. d\n",
        ),
        ("```yaml\na:\n- b\n  - c\n```\n", "```yaml\na:\n- b\n  - c\n```\n"),
        ("| `a\\|b` | c |\n", "| `a|b` | c |\n"),
    ],
)
def test_lists_and_tables_are_written_as_python_markdown_reads_them(written: str, read: str) -> None:
    assert as_python_markdown(written) == read


def test_a_link_to_a_folder_becomes_text_and_that_to_the_decisions_leads_to_their_page() -> None:
    text = "[a](../deploy/prometheus) [b](decisions/) [c](../deploy/prometheus/rules.yml) [d](guide.md#x)"
    made = without_folders(Path("docs/operations.md"), text)
    assert made == "a [b](decisions/index.md) [c](../deploy/prometheus/rules.yml) [d](guide.md#x)"


def test_dead_links_and_foreign_files_of_a_site_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<h1 id="here">A</h1><a href="b.html#there">1</a><a href="#here">2</a><a href="https://example.com">3</a>'
        '<a href="c.html">4</a><a href="b.html#gone">5</a><script src="https://example.com/x.js"></script>'
        '<link rel="canonical" href="https://example.com/a.html"><img src="//example.com/y.png">'
    )
    (tmp_path / "b.html").write_text('<h2 id="there">B</h2><link rel="stylesheet" href="gone.css">')
    assert list(problems(tmp_path)) == [
        "a.html: https://example.com/x.js would be loaded from elsewhere",
        "a.html: //example.com/y.png would be loaded from elsewhere",
        "a.html: c.html leads nowhere",
        "a.html: b.html#gone names no heading",
        "b.html: gone.css leads nowhere",
    ]


def test_the_site_is_built_without_a_warning() -> None:
    if not BUILDER.exists():
        pytest.skip("the site can't be built: make site")
    done = subprocess.run([BUILDER, SITE / "build.py"], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
