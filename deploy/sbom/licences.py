"""Under which licence each dependency is: by its metadata, and where they say nothing usable, by its licence file."""

import importlib.metadata
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.markers import Marker

ROOT: Final = Path(__file__).resolve().parents[2]

READ: Final[Mapping[str, str]] = {
    "avro": "Apache-2.0",
    "axe-playwright-python": "MIT",
    "faust-streaming": "BSD-3-Clause",
    "grimp": "BSD-2-Clause",
    "import-linter": "BSD-2-Clause",
    "jinja2": "BSD-3-Clause",
    "lz4": "BSD-3-Clause",
    "mode-streaming": "BSD-3-Clause",
    "pyruhvro": "MIT",
    "python-snappy": "BSD-3-Clause",
    "scipy": "BSD-3-Clause",
    "venusian": "BSD-3-Clause-Modification",
}
"""SPDX expressions of packages whose metadata names none: from the licence file that each brings."""
_SPDX_OF: Final[Mapping[str, str]] = {
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache license, version 2.0": "Apache-2.0",
    "apache software license": "Apache-2.0",
    "isc license": "ISC",
    "mit license": "MIT",
    "mozilla public license 2.0 (mpl 2.0)": "MPL-2.0",
    "python software foundation license": "PSF-2.0",
}
"""What metadata of before PEP 639 says in words."""
TAKEN: Final = frozenset(
    {
        "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSD-3-Clause-Modification", "CC0-1.0", "ISC", "MIT",
        "MIT-0", "MPL-2.0", "PSF-2.0", "Unlicense", "Zlib",
    }
)  # fmt: skip
"""Licences that a dependency may be under: none asks that what imports it is published under its own terms."""
OF_THE_IMAGE: Final[Mapping[str, str]] = {
    "implementation_name": "cpython",
    "platform_machine": "x86_64",
    "platform_python_implementation": "CPython",
    "platform_system": "Linux",
    "python_full_version": "3.11.13",
    "python_version": "3.11",
    "sys_platform": "linux",
}
"""What markers of a lock ask for, as it is in the image."""
_IDENTIFIER: Final = re.compile(r"[A-Za-z0-9.+-]+")


class LicenceError(ValueError):
    """A dependency's licence isn't known, or isn't one that is taken."""


@dataclass(frozen=True)
class Vendored:
    """A file of another project that the repository holds."""

    name: str
    version: str
    licence: str
    file: Path
    """Relative to the repository; the licence's text stands beside it."""
    homepage: str


VENDORED: Final = (
    Vendored(
        "idiomorph",
        "0.8.0",
        "0BSD",
        Path("sinks/page/static/idiomorph-0.8.0/idiomorph.esm.js"),
        "https://github.com/bigskysoftware/idiomorph",
    ),
)
"""All of them: everything else in the repository is ours."""


def canonical(name: str) -> str:
    """A package's name as locks spell it."""
    return re.sub("[-_.]+", "-", name).lower()


def licence_of(package: importlib.metadata.Distribution) -> str:
    """The SPDX expression of a package. Raises LicenceError where it isn't known or isn't taken."""
    metadata, name = package.metadata, canonical(package.name)
    classifiers = (one.rpartition(" :: ")[2] for one in metadata.get_all("Classifier") or () if "License ::" in one)
    read = [READ[name]] if name in READ else []
    said = [*(metadata.get_all("License-Expression") or ()), *read, *(metadata.get_all("License") or ()), *classifiers]
    for text in said:
        expression: str = _SPDX_OF.get(text.strip().lower(), text.strip())
        if "\n" not in expression and taken(expression):
            return expression
    raise LicenceError(
        f"{name} {package.version}: no licence that is taken ({'; '.join(text[:60] for text in said)});"
        " read its licence file, and name it in deploy/sbom/licences.py"
    )


def taken(expression: str) -> bool:
    """Whether a dependency may be under this expression. Of `A OR B` both count, so that no choice hides one."""
    return {one for one in _IDENTIFIER.findall(expression) if one not in ("AND", "OR")} <= TAKEN


def pins(lock: str) -> dict[str, str]:
    """Versions of the packages that a lock has for the image, by name."""
    return {
        canonical(name): version
        for name, version, marker in re.findall(r"^([\w.-]+)==([^\s;]+)(?: ; ([^\\\n]+))?", lock, re.M)
        if not marker or Marker(marker).evaluate(dict(OF_THE_IMAGE))
    }
