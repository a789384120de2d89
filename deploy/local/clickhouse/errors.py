"""ClickHouse's errors: a code, a text, and the HTTP status that a server answers with."""

import re
from enum import IntEnum
from http import HTTPStatus

_CODE = re.compile(r"Code: (\d+)\.")


class Code(IntEnum):
    """The codes that this server raises itself; the engine raises all the others."""

    BAD_ARGUMENTS = 36
    NOT_IMPLEMENTED = 48
    SYNTAX_ERROR = 62
    UNKNOWN_COMPRESSION_METHOD = 89
    UNKNOWN_SETTING = 115
    QUERY_IS_TOO_LARGE = 229
    CANNOT_DECOMPRESS = 271
    INTO_OUTFILE_NOT_ALLOWED = 358
    ACCESS_DENIED = 497
    AUTHENTICATION_FAILED = 516
    STD_EXCEPTION = 1001


class ClickHouseError(Exception):
    """An exception of ClickHouse as it goes to the client: `Code: 60. DB::Exception: … (UNKNOWN_TABLE)`."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code = code
        self.text = text

    @property
    def status(self) -> HTTPStatus:
        """The HTTP status of a ClickHouse server for this code."""
        return _STATUS.get(self.code, HTTPStatus.INTERNAL_SERVER_ERROR)


def refused(code: Code, reason: str) -> ClickHouseError:
    """An error that this server finds itself, in the engine's form."""
    return ClickHouseError(code, f"Code: {code.value}. DB::Exception: {reason}. ({code.name})")


def from_engine(error: Exception, version: str) -> ClickHouseError:
    """The engine's exception with its own code and text, and the server's version at the end as a server has it."""
    text = str(error).strip()
    code = _CODE.search(text)
    if not text.endswith(f"(version {version})"):
        text += f" (version {version})"
    return ClickHouseError(int(code[1]) if code else Code.STD_EXCEPTION, text)


# As in ClickHouse's src/Server/HTTP/exceptionCodeToHTTPStatus.cpp; what isn't here is 500.
_CODES_BY_STATUS = {
    HTTPStatus.UNAUTHORIZED: (194,),
    HTTPStatus.FORBIDDEN: (192, 193, 497, 512, 516),
    HTTPStatus.BAD_REQUEST: (
        *(6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72, 117, 123),
        *(167, 168, 223, 321, 376, 427, 441, 675, 676),
    ),
    HTTPStatus.NOT_FOUND: (46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (229,),
    HTTPStatus.NOT_IMPLEMENTED: (48,),
    HTTPStatus.SERVICE_UNAVAILABLE: (76, 209, 439),
    HTTPStatus.LENGTH_REQUIRED: (381,),
    HTTPStatus.REQUEST_TIMEOUT: (159,),
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: (779,),
}
_STATUS = {code: status for status, codes in _CODES_BY_STATUS.items() for code in codes}
