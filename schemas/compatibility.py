"""May a reader with one schema read what another schema wrote? Verdicts by the rules of Avro's "Schema Resolution"."""

import msgspec
from avro.compatibility import (
    ReaderWriterCompatibilityChecker,
    SchemaCompatibilityResult,
    SchemaCompatibilityType,
    SchemaIncompatibilityType,
    incompatible,
)
from avro.errors import AvroException
from avro.schema import NamedSchema, Schema, parse


class NotASchema(ValueError):  # noqa: N818 - says what the text is
    """The text is no Avro schema."""


class CompatibilityVerdict(msgspec.Struct, frozen=True):
    """Whether the reader can read all that the writer may write.

    If not, `messages` say what is in the way, and where.
    """

    compatible: bool
    messages: tuple[str, ...] = ()


def compatible(reader_json: str, writer_json: str) -> CompatibilityVerdict:
    """Judges two schemas given as JSON texts. Raises NotASchema."""
    reader, writer = parsed(reader_json), parsed(writer_json)
    try:
        checker = _Checker()  # type: ignore[no-untyped-call]
        result = checker.get_compatibility(reader, writer)
    except AvroException as error:  # a protocol's `error`, which is no schema of data
        raise NotASchema(f"no Avro schema of data: {error}") from error
    if result.compatibility is SchemaCompatibilityType.compatible:
        return CompatibilityVerdict(True)
    kinds = sorted({kind.value for kind in result.incompatibilities})
    places = sorted(result.locations - {"/"}) or ["/"]
    return CompatibilityVerdict(False, (*sorted(result.messages), f"{', '.join(kinds)} at {', '.join(places)}"))


def parsed(text: str) -> Schema:
    """The schema of a JSON text. Raises NotASchema.

    On odd texts the `avro` package lets other errors through than its own.
    """
    try:
        return parse(text)
    except Exception as error:
        raise NotASchema(f"no Avro schema: {str(error)[:200]}") from error


class _Checker(ReaderWriterCompatibilityChecker):
    """The `avro` package's checker with two rules of the specification that it lacks."""

    def calculate_compatibility(self, reader: Schema, writer: Schema, location: list[str]) -> SchemaCompatibilityResult:
        # "Aliases": a name without a dot is relative to the namespace of what it is an alias of. The package
        # compares it as it stands with the writer's full name.
        aliases = reader.get_prop("aliases")
        if isinstance(reader, NamedSchema) and isinstance(aliases, list) and reader.namespace:
            here = f"{reader.namespace}."
            reader.set_prop("aliases", [name if "." in name else here + name for name in aliases])
        unlike = _unlike_logical_types(reader, writer)
        if unlike:
            return incompatible(SchemaIncompatibilityType.type_mismatch, unlike, location)
        return super().calculate_compatibility(reader, writer, location)


def _unlike_logical_types(reader: Schema, writer: Schema) -> str | None:
    """Two logical types that give one number two meanings.

    "Decimal": two decimals match if their scales and precisions match. For times the specification is silent, and
    readers take a microsecond for a millisecond: to refuse is the safe reading. What has no logical type on one side
    matches.
    """
    ours, theirs = _logical(reader), _logical(writer)
    if ours and theirs and ours != theirs:
        return f"reader's logical type {' '.join(ours)} is not the writer's {' '.join(theirs)}"
    return None


def _logical(schema: Schema) -> tuple[str, ...]:
    name = schema.get_prop("logicalType")
    if not isinstance(name, str):
        return ()
    return (name, *(str(schema.get_prop(prop)) for prop in ("precision", "scale") if name == "decimal"))
