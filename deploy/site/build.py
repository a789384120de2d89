"""Builds the site of the docs into build/site: `make site`. Fails on a dead link and on a page that no menu has.

The source of the site is made of the repository's own pages, in the same places, with the files that they link to. Two
things are changed: a link to a folder of code becomes text, and lists are written as Python-Markdown reads them.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[2]
SITE: Final = ROOT / "build" / "site"
SOURCE: Final = ROOT / "build" / "site-source"
CONFIGURATION: Final = Path(__file__).with_name("mkdocs.yml")
TOP: Final = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
MERMAID: Final = "11.17.2"
MERMAID_SHA512: Final = (
    "57a2b70bc101744b0f1595d228c25eea9a50384371b87011afd1af1d7e21878e"
    "e501b84c443f6a7f8a042bb2e869143150b31af34feab798073bbdda0a578106"
)
"""Hash of the package's archive; its licence is MIT."""
MERMAID_FILE: Final = ROOT / "build" / "tools" / f"mermaid-{MERMAID}.min.js"
_LINK: Final = re.compile(r"(?<!\\)(!?)\[([^\]]*)\]\(([^)\s]+)\)")
_CODE: Final = re.compile(r"`[^`]*`")
_ITEM: Final = re.compile(r"([-*]|\d+\.)( +|$)")


def pages() -> Iterator[Path]:
    """Every page, relative to the repository."""
    yield from map(Path, TOP)
    yield from (path.relative_to(ROOT) for path in sorted((ROOT / "docs").rglob("*.md")))


def staged() -> None:
    """Make the source of the site."""
    shutil.rmtree(SOURCE, ignore_errors=True)
    for page in pages():
        text = (ROOT / page).read_text(encoding="utf-8")
        for file in linked_files(page, text):
            copied(file)
        (SOURCE / page).parent.mkdir(parents=True, exist_ok=True)
        (SOURCE / page).write_text(as_python_markdown(without_folders(page, text)), encoding="utf-8")
    decisions = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    titles = (f"- [{path.read_text(encoding='utf-8').splitlines()[0].lstrip('# ')}]({path.name})" for path in decisions)
    index = (
        "# Decisions\n\nWhy things are as they are: each has the problem, the options and the choice, as of its day.\n"
    )
    (SOURCE / "docs" / "decisions" / "index.md").write_text(index + "\n" + "\n".join(titles) + "\n", encoding="utf-8")
    script = SOURCE / "scripts" / "mermaid.min.js"
    script.parent.mkdir()
    shutil.copy(mermaid(), script)


def copied(file: Path) -> None:
    """Put a file that a page links to in its place."""
    (SOURCE / file).parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(ROOT / file, SOURCE / file)


def _target(page: Path, link: str) -> Path | None:
    """Where a relative link of a page leads, relative to the repository."""
    place = link.partition("#")[0]
    if not place or re.match("[a-z]+:", link):
        return None
    return ((ROOT / page).parent / place).resolve().relative_to(ROOT)


def linked_files(page: Path, text: str) -> Iterator[Path]:
    """Files that a page links to or shows, which aren't pages."""
    for _, _, link in _LINK.findall(text):
        target = _target(page, link)
        if target is not None and target.suffix != ".md" and (ROOT / target).is_file():
            yield target


def without_folders(page: Path, text: str) -> str:
    """A page's text with links to folders as text, but for that of the decisions, which have a page of their own."""

    def plain(match: re.Match[str]) -> str:
        target = _target(page, match[3])
        if target is None or not (ROOT / target).is_dir():
            return match[0]
        if target == Path("docs/decisions"):
            return f"[{match[2]}]({match[3].rstrip('/')}/index.md)"
        return match[2]

    return _LINK.sub(plain, text)


def as_python_markdown(text: str) -> str:
    """The same page for Python-Markdown: an empty line before a list, four spaces a level, no item begins empty."""
    made: list[str] = []
    offsets: list[int] = []  # of the text of each list item that is open, in columns
    begun, fenced = "", False
    for line in text.split("\n"):
        content, column = line.lstrip(" "), len(line) - len(line.lstrip(" "))
        if fenced and content:
            made.append(" " * (4 * len(offsets)) + line[offsets[-1] if offsets else 0 :])
            fenced = not content.startswith("```")
            continue
        if not content:
            made.append("")
            continue
        while offsets and column < offsets[-1]:
            offsets.pop()
        item = _ITEM.match(content)
        fenced = content.startswith("```")
        inner = column - (offsets[-1] if offsets else 0)
        if item and not offsets and made and made[-1] and not _ITEM.match(made[-1].lstrip(" ")):
            made.append("")
        indented = " " * (4 * len(offsets) + inner)
        if item:
            offsets.append(column + len(item[0]) + (not item[2]))
        if item and item[0] == content:
            begun = f"{indented}{content} "
            continue
        # In a table's cell GitHub reads `\\|` as a bar; Python-Markdown knows that code holds bars.
        content = _CODE.sub(lambda code: code[0].replace("\\|", "|"), content) if content.startswith("|") else content
        made.append(begun + content if begun else indented + content)
        begun = ""
    return "\n".join(made)


def mermaid() -> Path:
    """Mermaid's script, from its package. Raises SystemExit where it can't be had."""
    if MERMAID_FILE.exists():
        return MERMAID_FILE
    npm = shutil.which("npm")
    if npm is None:
        raise SystemExit("the diagrams need Mermaid, which npm fetches: install npm")
    with tempfile.TemporaryDirectory() as place:
        subprocess.run([npm, "pack", "--silent", f"mermaid@{MERMAID}", "--pack-destination", place], check=True)  # noqa: S603
        (archive,) = Path(place).glob("*.tgz")
        if hashlib.sha512(archive.read_bytes()).hexdigest() != MERMAID_SHA512:
            raise SystemExit(f"Mermaid {MERMAID} isn't what it was: {archive.name} has another hash")
        with tarfile.open(archive) as tar:
            script = tar.extractfile("package/dist/mermaid.min.js")
            if script is None:
                raise SystemExit(f"{archive.name} has no dist/mermaid.min.js")
            MERMAID_FILE.parent.mkdir(parents=True, exist_ok=True)
            MERMAID_FILE.write_bytes(script.read())
    return MERMAID_FILE


if __name__ == "__main__":
    from check import problems  # beside this script, and no package

    staged()
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--config-file", str(CONFIGURATION)]
    if code := subprocess.run(command, env=environment).returncode:  # noqa: S603 - our own command
        sys.exit(code)
    wrong = list(problems(SITE))
    print(*wrong, sep="\n", file=sys.stderr, end="\n" if wrong else "")
    print(f"{SITE}/index.html" if not wrong else f"{len(wrong)} problems")
    sys.exit(bool(wrong))
