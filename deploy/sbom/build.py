"""Writes the bill of materials of the image as CycloneDX 1.6: every package of its lock, and the scripts of the page.

    build/tools/sbom/bin/python deploy/sbom/build.py .venv/bin/python build/sbom/touchstream.cdx.json

The first argument is the Python in whose environment the packages are installed: their metadata say the licences. The
same input gives the same bytes: there is no time in it, and its serial number is made of its content.
"""

import hashlib
import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import ExternalReference, ExternalReferenceType, HashAlgorithm, HashType, XsUri
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import License
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from licences import ROOT, VENDORED, Vendored, canonical, licence_of, pins
from packageurl import PackageURL

IMAGE: Final = ROOT / "deploy" / "docker" / "requirements.lock"
OWN_LICENCE: Final = "Apache-2.0"


def bill(installed: list[str]) -> Bom:
    """The bill of the image. Raises LicenceError, and LookupError for what isn't installed as the lock says."""
    packages = {canonical(one.name): one for one in importlib.metadata.distributions(path=installed)}
    version = packages["touchstream"].version
    own = Component(
        name="touchstream",
        version=version,
        type=ComponentType.APPLICATION,
        licenses=[_licence(OWN_LICENCE)],
        purl=PackageURL("pypi", name="touchstream", version=version),
        bom_ref="touchstream",
    )
    bom = Bom(components=[_vendored(one) for one in VENDORED])
    for name, pinned in pins(IMAGE.read_text()).items():
        package = packages.get(name)
        if package is None or package.version != pinned:
            raise LookupError(
                f"{name} {pinned} of {IMAGE} isn't installed in the environment that was named: make setup"
            )
        bom.components.add(_package(name, pinned, licence_of(package)))
    bom.metadata.component = own
    bom.register_dependency(own, bom.components)
    listed = ";".join(sorted(f"{one.name}@{one.version}" for one in [own, *bom.components]))
    bom.serial_number = uuid5(NAMESPACE_URL, listed)
    return bom


def _package(name: str, version: str, licence: str) -> Component:
    purl = PackageURL("pypi", name=name, version=version)
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        licenses=[_licence(licence)],
        purl=purl,
        bom_ref=str(purl),
    )


def _vendored(one: Vendored) -> Component:
    return Component(
        name=one.name,
        version=one.version,
        type=ComponentType.LIBRARY,
        licenses=[_licence(one.licence)],
        purl=PackageURL("npm", name=one.name, version=one.version),
        bom_ref=f"{one.name}@{one.version}",
        hashes=[
            HashType(alg=HashAlgorithm.SHA_256, content=hashlib.sha256((ROOT / one.file).read_bytes()).hexdigest())
        ],
        external_references=[ExternalReference(type=ExternalReferenceType.WEBSITE, url=XsUri(one.homepage))],
    )


def _licence(expression: str) -> License:
    return LicenseFactory().make_from_string(expression)


def written(bom: Bom) -> str:
    """The document. Raises ValueError where it isn't as the schema of CycloneDX asks."""
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    del document["metadata"]["timestamp"]
    text = json.dumps(document, indent=2, sort_keys=True) + "\n"
    problem = JsonStrictValidator(SchemaVersion.V1_6).validate_str(text)
    if problem is not None:
        raise ValueError(f"the bill isn't CycloneDX 1.6: {problem}")
    return text


def paths_of(python: str) -> list[str]:
    """Where a Python looks for packages."""
    program = "import json, sys; print(json.dumps(sys.path))"
    asked = subprocess.run([python, "-c", program], check=True, capture_output=True)  # noqa: S603 - the operator's
    found: list[str] = json.loads(asked.stdout)
    return found


if __name__ == "__main__":
    target = Path(sys.argv[2])
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_text(written(bill(paths_of(sys.argv[1]))))
    print(f"{target}: {len(json.loads(target.read_text())['components'])} components")
