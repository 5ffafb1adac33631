"""Recognises secret values in text, also encoded, cut or spread out, and blots them out.

Knows values and names only: where secrets come from, and what is done about a find, is decided
elsewhere. A value is looked for as it is, in base64, hexadecimal, percent-encoded, by rot13, as
lists of numbers, and backwards; twelve characters of any of these are enough. Case, and whatever
stands between the letters and digits (blanks, quotes, line ends), does not hide it.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import compress
from typing import Any

from autoresearch_ci.safety.secret_values import pieces

MASK = "***"
WITHHELD = "contains a secret"
"""The whole reason that is given for dropping what holds one: it must not be repeated."""
_RUN = 12
"""Characters of a secret that give it away."""
_BYTES_OF_NUMBERS = 6
"""Of a secret written as numbers; fewer could be anybody's."""
_GRAM, _STRIDE = 6, 7
"""Every run of 12 = 6 + 7 - 1 holds a gram that starts at a multiple of 7."""
_REACH = 4 * _BYTES_OF_NUMBERS
"""Characters beside a gram that are looked at: enough for any form; longer runs have more grams."""
_LONG = 4096
"""Bytes of a value of which every encoding is looked for; of the rest only the value itself."""
_LONGEST = 1 << 16

_ALNUM = bytes(byte for byte in range(128) if chr(byte).isalnum())
_OTHERS = bytes(byte for byte in range(256) if byte not in _ALNUM)
_IS_ALNUM = bytes(byte in _ALNUM for byte in range(256))
_UPPER, _LOWER = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", b"abcdefghijklmnopqrstuvwxyz"
_TO_LOWER = bytes.maketrans(_UPPER, _LOWER)
_ROT13 = bytes.maketrans(_UPPER + _LOWER, _UPPER[13:] + _UPPER[:13] + _LOWER[13:] + _LOWER[:13])
_URLSAFE = bytes.maketrans(b"+/", b"-_")

Span = tuple[int, int]


@dataclass(frozen=True)
class _Form:
    """One way to write a secret."""

    text: bytes
    run: int
    """How much of it is enough."""


class Redactor:
    """Looks for some secret values; with none, everything passes unread."""

    def __init__(self, values: Iterable[str] = ()) -> None:
        """Values that are no secret by their looks (`true`, paths, numbers) are left out."""
        self._pieces = sorted({piece for value in values for piece in pieces(value)})

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def redact(self, text: str) -> str:
        """The text with `***` in place of every find."""
        if not self._pieces or len(text) < 8:
            return text
        data = text.encode(errors="surrogatepass")
        spans = _merged(self._spans(data))
        if not spans:
            return text
        kept, at = [], 0
        for start, end in spans:
            kept.append(data[at:start])
            at = end
        mask = MASK.encode()
        return mask.join([*kept, data[at:]]).decode(errors="surrogatepass")

    def found_in(self, text: str | bytes) -> bool:
        """Whether there is anything to redact."""
        if not self._pieces:
            return False
        data = text.encode(errors="surrogatepass") if isinstance(text, str) else text
        return next(self._spans(data), None) is not None

    def redact_all(self, value: Any) -> Any:
        """JSON-like values with every string in them redacted, keys included."""
        if not self._pieces:
            return value
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, Mapping):
            return {self.redact_all(k): self.redact_all(v) for k, v in value.items()}
        if isinstance(value, list | tuple):
            return [self.redact_all(item) for item in value]
        return value

    def found_in_any(self, value: Any) -> bool:
        """Whether a string anywhere in JSON-like values holds a secret."""
        if isinstance(value, str):
            return self.found_in(value)
        if isinstance(value, Mapping):
            return any(self.found_in_any(item) for pair in value.items() for item in pair)
        return isinstance(value, list | tuple) and any(map(self.found_in_any, value))

    def _spans(self, data: bytes) -> Iterator[Span]:
        for exact in self._exact:
            at = data.find(exact)
            while at >= 0:
                yield at, at + len(exact)
                at = data.find(exact, at + len(exact))
        yield from _runs(data.lower(), self._verbatim)
        squeezed = data.translate(_TO_LOWER, _OTHERS)
        where: list[int] = []
        for start, end in _runs(squeezed, self._squeezed):
            if not where:
                where = list(compress(range(len(data)), data.translate(_IS_ALNUM)))
            yield where[start], where[end - 1] + 1

    @functools.cached_property
    def _exact(self) -> list[bytes]:
        """What is found as a whole only, being short or without letters."""
        found = set()
        for piece in self._pieces:
            data = piece.encode(errors="surrogatepass")
            found.add(data)
            if len(data) < _RUN:
                found |= {form.text for form in _forms(data) if len(form.text) >= 8}
        return sorted(found, key=len, reverse=True)

    @functools.cached_property
    def _verbatim(self) -> dict[bytes, list[tuple[_Form, int]]]:
        return self._grams(bytes.lower)

    @functools.cached_property
    def _squeezed(self) -> dict[bytes, list[tuple[_Form, int]]]:
        return self._grams(lambda data: data.translate(_TO_LOWER, _OTHERS))

    def _grams(self, view: Callable[[bytes], bytes]) -> dict[bytes, list[tuple[_Form, int]]]:
        """Where the grams of all forms lie."""
        grams: dict[bytes, list[tuple[_Form, int]]] = {}
        known = {
            _Form(view(form.text), form.run)
            for piece in self._pieces
            for form in _forms(piece.encode(errors="surrogatepass"))
        }
        for form in known:
            if len(form.text) >= form.run:
                for at in _places(form.text):
                    grams.setdefault(form.text[at : at + _GRAM], []).append((form, at))
        return grams


def _forms(secret: bytes) -> Iterator[_Form]:
    """The ways to write a secret that are looked for."""
    yield _Form(secret[:_LONGEST], _RUN)
    secret = secret[:_LONG]
    for data in (secret, secret[::-1]):
        codes = [data, data.translate(_ROT13), data.hex().encode(), _percent(data)]
        for offset in range(3):
            code = _base64(data, offset)
            codes += [code, code.translate(_URLSAFE)]
        for code in codes:
            yield _Form(code, _RUN)
            yield _Form(code[::-1], _RUN)
    yield _Form(b"".join(b"\\x%02x" % byte for byte in secret), 4 * _BYTES_OF_NUMBERS)
    yield _Form(b"".join(b"x%02x" % byte for byte in secret), 3 * _BYTES_OF_NUMBERS)
    yield _Form(b"".join(b"0x%02x" % byte for byte in secret), 4 * _BYTES_OF_NUMBERS)
    yield _Form(b"".join(b"%d" % byte for byte in secret), 3 * _BYTES_OF_NUMBERS)


def _percent(data: bytes) -> bytes:
    """Percent-encoded, as in a URL."""
    plain = _ALNUM + b"-_.~"
    return b"".join(b"%c" % byte if byte in plain else b"%%%02X" % byte for byte in data)


def _base64(data: bytes, offset: int) -> bytes:
    """What base64 makes of it after `offset` other bytes: the characters that depend on it only."""
    import binascii

    code = binascii.b2a_base64(bytes(offset) + data, newline=False)
    return code[(0, 2, 3)[offset] : (offset + len(data)) * 8 // 6]


def _places(form: bytes) -> Iterator[int]:
    """Where its grams begin, but for those that have nothing around them that another one of the
    same letters lacks: in a secret that repeats itself, most."""
    known = set[bytes]()
    for at in range(len(form) - _GRAM + 1):
        start = max(0, at - _REACH)
        around = form[start : at + _GRAM + _REACH]
        if len(around) == _GRAM + 2 * _REACH:
            again = around in known
            known.add(around)
        else:  # at an end of the form, beyond which there is nothing
            again = form.find(around) < start if start else form.find(around, 1) > 0
        if not again:
            yield at


def _runs(data: bytes, grams: Mapping[bytes, list[tuple[_Form, int]]]) -> Iterator[Span]:
    """Where `data` has a long enough run of a form."""
    if not grams:
        return
    for at in range(0, len(data) - _GRAM + 1, _STRIDE):
        for form, offset in grams.get(data[at : at + _GRAM], ()):
            start, end = _extended(data, at, form.text, offset)
            if end - start >= form.run:
                yield start, end


def _extended(data: bytes, at: int, form: bytes, offset: int) -> Span:
    """The run around a common gram, as far as we look."""
    most = min(at, offset, _REACH)
    start = at - _alike(data[at - most : at][::-1], form[offset - most : offset][::-1])
    after = slice(at + _GRAM, at + _GRAM + _REACH)
    return start, after.start + _alike(data[after], form[offset + _GRAM : offset + _GRAM + _REACH])


def _alike(one: bytes, other: bytes) -> int:
    """How many bytes both begin with."""
    if one == other:  # as within a run
        return len(one)
    pairs = enumerate(zip(one, other, strict=False))
    return next((at for at, (a, b) in pairs if a != b), min(len(one), len(other)))


def _merged(spans: Iterable[Span]) -> list[Span]:
    """Sorted, overlapping and touching ones as one."""
    merged: list[Span] = []
    for start, end in sorted(spans):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged
