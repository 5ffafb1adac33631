"""Records <-> lines of JSON, each with a checksum; runs nothing, and knows no file.

A line is read into the one type that its `record` names, strictly: no field too many, no text for a
number.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass, replace
from dataclasses import fields as dataclass_fields
from enum import Enum
from functools import cache
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, cast

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from autoresearch_ci.record.run_history import Record
from autoresearch_ci.safety.untrusted_values import MIB, json_value

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_T = TypeVar("_T")
_LINE_BYTES = 64 * MIB
"""Far beyond what a run of ours writes; what is larger is not read."""
_SEAL = re.compile(rb', "crc32": "([0-9a-f]{8})"}$')
"""Ends every line: a damaged record must be noticed, never believed."""
DECIDED = b'{"record": "verdict"'
"""How the line of a decision begins."""


def line_of(record: DataclassInstance) -> bytes:
    """One line, newline included; of a `Record`, or of an investigation's."""
    fields = _mapped(asdict(record), _spelt)
    body = json.dumps(fields, ensure_ascii=True, allow_nan=False, default=sorted).encode()
    return body[:-1] + b', "crc32": "%08x"}\n' % zlib.crc32(body)


def read_line(line: bytes) -> Record:
    """Inverse of `line_of`, without the newline. Raises `ValueError`."""
    return read_line_as(_reader(), line)


def read_line_as(reader: TypeAdapter[_T], line: bytes) -> _T:
    """As `read_line`, of another family of records. Raises `ValueError`."""
    fields = _unsealed(line)
    try:
        record = reader.validate_json(json.dumps(fields))
    except ValidationError as error:
        wrong = error.errors(include_input=False, include_url=False)[0]
        place = ".".join(map(str, wrong["loc"]))
        raise ValueError(f"{place}: {wrong['msg'].lower()}"[:300]) from error
    return cast(_T, _mapped(record, _unspelt)) if b"\\u0000" in line else record


_NO_TEXT = re.compile(r"[\0\ud800-\udfff]")
_SPELT = re.compile(r"\0(0000|d[89a-f][0-9a-f]{2})")


def _spelt(text: str) -> str:
    """A file name need not be UTF-8, and what reads a record knows of no other text."""
    return _NO_TEXT.sub(lambda found: f"\0{ord(found[0]):04x}", text)


def _unspelt(text: str) -> str:
    return _SPELT.sub(lambda spelt: chr(int(spelt[1], 16)), text)


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """The same with every text in it changed, keys included."""
    if isinstance(value, str):
        return value if isinstance(value, Enum) else change(value)
    if isinstance(value, Mapping):
        return {_mapped(k, change): _mapped(v, change) for k, v in value.items()}
    if isinstance(value, (tuple, list, frozenset, set)):
        return type(value)(_mapped(item, change) for item in value)
    if is_dataclass(value) and not isinstance(value, type):
        names = (field.name for field in dataclass_fields(value))
        return replace(value, **{name: _mapped(getattr(value, name), change) for name in names})
    return value


@cache
def _reader() -> TypeAdapter[Record]:
    kinds = Annotated[Record, Field(discriminator="record")]
    return TypeAdapter(kinds, config=ConfigDict(strict=True, extra="forbid"))


def _unsealed(line: bytes) -> Mapping[str, Any]:
    seal = _SEAL.search(line)
    if not seal:
        raise ValueError("it is not whole")
    body = line[: seal.start()] + b"}"
    if zlib.crc32(body) != int(seal[1], 16):
        raise ValueError("its checksum does not match")
    return dict(json_value(body, limit=_LINE_BYTES))
