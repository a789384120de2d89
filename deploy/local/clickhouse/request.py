"""A request to ClickHouse's HTTP interface, read: who asks, which statement, with which settings and which data."""

import re
import secrets
import uuid
from base64 import b64decode
from binascii import Error as Base64Error
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from email.parser import BytesParser
from email.policy import HTTP
from io import BufferedIOBase
from itertools import chain
from urllib.parse import parse_qsl

from touchstream.deploy.local.clickhouse.body import (
    BODY_BYTES_MAX,
    COMPRESSORS,
    Compressor,
    bounded,
    decompressed,
    read_chunked,
    read_length,
)
from touchstream.deploy.local.clickhouse.engine import DEFAULT_FORMAT, External, Query
from touchstream.deploy.local.clickhouse.errors import ClickHouseError, Code, refused

STATEMENT_BYTES_MAX = 1 << 18
"""How far into a body an INSERT's data may begin; the engine's own `max_query_size`."""
FORM_BYTES_MAX = 1 << 24
_PARAMETER = "param_"
# Names in the URL that are no settings. The first line is used below; the others concern what this server hasn't.
_RESERVED = frozenset(
    {"query", "database", "default_format", "query_id", "user", "password", "wait_end_of_query"}
    | {"session_id", "session_timeout", "session_check", "close_session", "quota_key", "role", "stacktrace"}
    | {"compress", "decompress", "buffer_size", "client_protocol_version"}
)
_LOOPBACK_HOST = re.compile(r"(localhost|127\.0\.0\.1|\[::1\]):\d+", re.IGNORECASE)
_OWN_SITE = ("same-origin", "none")
_READONLY = ("0", "1", "2")


@dataclass(frozen=True)
class Request:
    """What was asked. `text` is None where there is no statement, as in `GET /ping`.

    `raw` is the body on the connection: read it to its end before the next request.
    """

    path: str
    text: bytes | None
    data: Iterator[bytes]
    raw: Iterator[bytes]
    parameters: Mapping[str, str]
    external: tuple[External, ...]
    headers: Message
    only_reads: bool

    @property
    def query_id(self) -> str:
        """The client's own id, if it gave one. The engine has another."""
        return self.parameters.get("query_id") or str(uuid.uuid4())

    @property
    def timezone(self) -> str | None:
        """The time zone that the client asked for."""
        return self.parameters.get("session_timezone")

    def query(self) -> Query:
        """The statement with its settings, for the engine."""
        given = self.parameters
        settings = {name: given[name] for name in given if name not in _RESERVED and not name.startswith(_PARAMETER)}
        readonly = settings.pop("readonly", None)
        return Query(
            text=self.text or b"",
            data=self.data,
            database=given.get("database") or self.headers.get("X-ClickHouse-Database") or "",
            settings=settings,
            parameters={name.removeprefix(_PARAMETER): given[name] for name in given if name.startswith(_PARAMETER)},
            external=self.external,
            default_format=given.get("default_format") or self.headers.get("X-ClickHouse-Format") or DEFAULT_FORMAT,
            readonly=self._readonly(readonly),
            streamed=given.get("wait_end_of_query", "0") in ("0", "false"),
        )

    def _readonly(self, given: str | None) -> str | None:
        if given is not None and given not in _READONLY:
            raise refused(Code.BAD_ARGUMENTS, f"readonly is one of {', '.join(_READONLY)}, not {given[:20]!r}")
        return "2" if self.only_reads and given in (None, "0") else given

    def compressor(self) -> tuple[str, Compressor] | None:
        """The answer's Content-Encoding and its compressor, if the client accepts one and hasn't switched it off."""
        if self.parameters.get("enable_http_compression", "1") in ("0", "false"):
            return None
        accepted = {name.partition(";")[0].strip() for name in self.headers.get("Accept-Encoding", "").split(",")}
        return next(((name, make()) for name, make in COMPRESSORS.items() if name in accepted), None)


def read_request(command: str, target: str, headers: Message, source: BufferedIOBase, password: str) -> Request:
    """Read a request up to where its data begins.

    Raises ClickHouseError for what can't be accepted: another password than this, a web page of elsewhere, a body too
    large, a compression or an interface that this server hasn't; TruncatedBodyError if the client goes away.
    """
    _refuse_other_sites(headers)
    path, _, question = target.partition("?")
    # Statements may hold any bytes; surrogates carry through what is no UTF-8.
    parameters = dict(parse_qsl(question, keep_blank_values=True, errors="surrogateescape"))
    form = headers.get_content_type() == "multipart/form-data"
    if question or form or command == "POST":
        # The rest are health checks, open as a server's are.
        _authenticate(parameters, headers, password)
    raw = _raw_body(headers, source)
    body = bounded(decompressed(raw, headers.get("Content-Encoding", "").strip().lower()))
    external: tuple[External, ...] = ()
    if form:
        fields, files = _form(headers, body)
        parameters |= fields
        external = _external(parameters, files)
    for name in ("compress", "decompress"):
        if parameters.get(name, "0") not in ("0", "false"):
            raise refused(
                Code.NOT_IMPLEMENTED,
                f"{name}=1, native compression, is not there: use Content-Encoding, Accept-Encoding",
            )
    return Request(
        path=path,
        text=_text(command, parameters, body),
        data=body,
        raw=raw,
        parameters=parameters,
        external=external,
        headers=headers,
        only_reads=command != "POST",
    )


def _text(command: str, parameters: Mapping[str, str], body: Iterator[bytes]) -> bytes | None:
    """The statement, or as much of it and its data as shows where the data begins."""
    if "query" not in parameters and command != "POST":
        return None
    head = bytearray(parameters.get("query", "").encode(errors="surrogateescape"))
    if head:
        head += b"\n"
    while len(head) < STATEMENT_BYTES_MAX:
        piece = next(body, None)
        if piece is None:
            break
        head += piece
    return bytes(head)


def _raw_body(headers: Message, source: BufferedIOBase) -> Iterator[bytes]:
    if "chunked" in headers.get("Transfer-Encoding", "").lower():
        return read_chunked(source)
    length = headers.get("Content-Length", "0")
    if not length.isdecimal() or int(length) > BODY_BYTES_MAX:
        raise refused(
            Code.QUERY_IS_TOO_LARGE,
            f"The request has {length} bytes; {BODY_BYTES_MAX:,} are allowed: send it in several",
        )
    return read_length(source, int(length))


def _form(headers: Message, body: Iterator[bytes]) -> tuple[dict[str, str], dict[str, bytes]]:
    """The fields and the files of a form. Clients use it when parameters are too long for an URL, and for tables."""
    content_type = f"Content-Type: {headers['Content-Type']}\r\n\r\n".encode()
    form = BytesParser(policy=HTTP).parsebytes(b"".join(chain((content_type,), bounded(body, FORM_BYTES_MAX))))
    fields, files = {}, {}
    for part in form.iter_parts():
        name = part.get_param("name", header="Content-Disposition")
        content = part.get_payload(decode=True)
        if not isinstance(name, str) or not isinstance(content, bytes):
            continue
        if part.get_filename() is None:
            fields[name] = content.decode(errors="surrogateescape")
        else:
            files[name] = content
    return fields, files


def _external(parameters: dict[str, str], files: Mapping[str, bytes]) -> tuple[External, ...]:
    """The tables among the files, with what the parameters NAME_structure and NAME_format say of them (taken out)."""
    tables = []
    for name, data in files.items():
        structure = parameters.pop(f"{name}_structure", None)
        if structure is None:
            raise refused(Code.NOT_IMPLEMENTED, f"External table {name}: its columns must be named in {name}_structure")
        tables.append(External(name, structure, parameters.pop(f"{name}_format", DEFAULT_FORMAT), data))
    return tuple(tables)


def _authenticate(parameters: Mapping[str, str], headers: Message, wanted: str) -> None:
    user = headers.get("X-ClickHouse-User") or parameters.get("user") or "default"
    password = headers.get("X-ClickHouse-Key") or parameters.get("password") or ""
    authorization = headers.get("Authorization")
    if authorization is not None:
        scheme, _, credentials = authorization.partition(" ")
        try:
            user, _, password = b64decode(credentials, validate=True).decode().partition(":")
        except (Base64Error, UnicodeDecodeError):
            scheme = ""
        if scheme.lower() != "basic":
            raise refused(Code.AUTHENTICATION_FAILED, "Invalid authentication: Basic is the only scheme here")
    same = secrets.compare_digest(password.encode(errors="replace"), wanted.encode())
    if (user or "default") != "default" or not same:
        raise refused(
            Code.AUTHENTICATION_FAILED,
            f"{user}: Authentication failed: password is incorrect, or there is no user with such name",
        )


def _refuse_other_sites(headers: Message) -> None:
    """A page of any web site can have a browser send requests to loopback, under a name of its own as well."""
    hosts = headers.get_all("Host", [])
    if len(hosts) != 1 or not _LOOPBACK_HOST.fullmatch(hosts[0].strip()):
        raise _other_site("Host", ", ".join(hosts))
    for origin in headers.get_all("Origin", []):
        if origin.strip().lower() != f"http://{hosts[0].strip().lower()}":
            raise _other_site("Origin", origin)
    for site in headers.get_all("Sec-Fetch-Site", []):
        if site.strip().lower() not in _OWN_SITE:
            raise _other_site("Sec-Fetch-Site", site)


def _other_site(name: str, value: str) -> ClickHouseError:
    return refused(Code.AUTHENTICATION_FAILED, f"{name} {value[:100]!r}: only this machine may ask, and no other page")
