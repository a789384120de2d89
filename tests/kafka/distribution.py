"""Apache Kafka's libraries: fetched once with Maven, then kept in the user's cache directory.

python -m tests.kafka.distribution    # fetch them now, and print where they are
"""

import fcntl
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

POM = Path(__file__).with_name("pom.xml")
JAVA_VERSION_MIN = 17  # of the broker since Kafka 4.0
FETCH_SECONDS_MAX = 600


class KafkaMissingError(RuntimeError):
    """Apache Kafka can't be had here; the message is one line that says what is missing."""


def libraries(pom: Path = POM) -> Path:
    """The directory with Kafka's jars; fetches them if they are not in the cache. Raises KafkaMissingError."""
    java()
    kept = _cache() / f"kafka-{version(pom)}"
    with _alone(kept):
        if not kept.exists():
            _fetch(pom, kept)
    return kept


def java() -> str:
    """The program `java`. Raises KafkaMissingError if there is none, or if it is too old."""
    program = _program("java", f"a Java {JAVA_VERSION_MIN} runtime (Debian: openjdk-17-jre-headless)")
    said = subprocess.run([program, "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    if found is None or int(found[1]) < JAVA_VERSION_MIN:
        first = said.strip().partition("\n")[0]
        raise KafkaMissingError(f"Apache Kafka needs Java {JAVA_VERSION_MIN} or newer; {program} says: {first}")
    return program


def version(pom: Path = POM) -> str:
    """Kafka's version, which stands in the POM alone."""
    said = ElementTree.parse(pom).findtext(".//{*}kafka.version")  # noqa: S314 - our own file
    assert said, f"{pom} names no kafka.version"
    return said


def _fetch(pom: Path, kept: Path) -> None:
    maven = _program("mvn", "Maven (Debian: maven)")
    with tempfile.TemporaryDirectory(dir=kept.parent) as partial:
        jars = Path(partial) / "jars"
        command = [maven, "--batch-mode", "--quiet", "--strict-checksums", "--file", str(pom)]
        goal = ["dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={jars}"]
        try:
            done = subprocess.run(
                [*command, *goal], capture_output=True, text=True, timeout=FETCH_SECONDS_MAX, check=False
            )
        except subprocess.TimeoutExpired:
            raise KafkaMissingError(f"Maven has not fetched Apache Kafka in {FETCH_SECONDS_MAX} s; try again") from None
        if done.returncode != 0:
            lines = [line for line in (done.stdout + done.stderr).splitlines() if "[ERROR]" in line]
            raise KafkaMissingError(f"Maven can't fetch Apache Kafka: {lines[0] if lines else done.stderr.strip()}")
        jars.replace(kept)


@contextmanager
def _alone(kept: Path) -> Iterator[None]:
    """One process fetches, the others wait for it."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    with kept.with_suffix(f"{kept.suffix}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "touchstream"


def _program(name: str, what: str) -> str:
    program = shutil.which(name)
    if program is None:
        raise KafkaMissingError(f"Apache Kafka needs {what}: there is no `{name}` on the PATH")
    return program


if __name__ == "__main__":
    try:
        print(libraries())
    except KafkaMissingError as error:
        sys.exit(str(error))
