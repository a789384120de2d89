"""Kafka Streams: a Java program, whose libraries Maven fetches once, and which is compiled once."""

from pathlib import Path
from typing import Final

from tests.bench.peers.kept import PeerMissingError, kept, run
from tests.bench.peers.peer import SCHEMA_FILE
from tests.kafka.distribution import KafkaMissingError, java

_HERE: Final = Path(__file__).parent
_POM: Final = _HERE / "pom.xml"
_HEAP: Final = "-Xmx2g"  # Java's default, a quarter of the machine, would be no measure of what it needs


def command() -> tuple[str, ...]:
    """The command that runs the peer; the first call fetches and compiles. Raises PeerMissingError."""
    try:
        program = java()
    except KafkaMissingError as error:
        raise PeerMissingError(str(error)) from None
    sources = sorted(_HERE.glob("*.java"))
    libraries = kept("kafka-streams", [_POM.read_bytes()], _fetch)

    def compile_all(directory: Path) -> None:
        class_path = ("-cp", f"{libraries}/*", "-d", str(directory))
        run("compiling the peer of Kafka Streams", ("javac", "-Xlint:all", *class_path, *map(str, sources)))

    classes = kept("kafka-streams-peer", [_POM.read_bytes(), *(file.read_bytes() for file in sources)], compile_all)
    options = (_HEAP, "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
    return (program, *options, "-cp", f"{classes}:{libraries}/*", "bench.KafkaStreamsPeer", str(SCHEMA_FILE))


def _fetch(directory: Path) -> None:
    maven = ("mvn", "--batch-mode", "--quiet", "-Dstyle.color=never", "--strict-checksums", "--file", str(_POM))
    goal = ("dependency:copy-dependencies", "-DincludeScope=runtime", f"-DoutputDirectory={directory}")
    run("fetching Kafka Streams with Maven", (*maven, *goal))
