"""Which variables hold a secret, by their names and looks, and which part of a value is secret.

How the tokens of well-known services look is token_forms.py's business. Pure and light: it is the
first thing that a process imports.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

from autoresearch_ci.safety.token_forms import secret_part, tokens_in

_SECRET_NAME = re.compile(
    r"TOKEN|KEY|SECRET|PASSW|PASSPHRASE|CREDENTIAL|AUTH(?!OR(?!I))|CUSTOM_HEADERS"
    r"|(?:^|_)PASS$|_PWD$",
    re.IGNORECASE,
)
_RUNNERS_NAME = re.compile(r"(ACTIONS|GITHUB|INPUT|RUNNER)_", re.IGNORECASE)
"""Not all of these are secret, but nothing that we start has any business with them."""
_POINTER = re.compile(r"(_FILE|_PATH|_DIR|_SOCK|_URI|_URL)$|^GOOGLE_APPLICATION_CREDENTIALS$")
"""Says where a secret lies, which is none: the cloud SDKs read these from the environment."""
_LOGIN = re.compile(r"://[^/\s]*@")
"""A URL with a login, the usual way to reach a private package index or a proxy."""
_SHORTEST = 8
_HEADER = re.compile(r"[\w-]+: +(.+)")
"""As in ANTHROPIC_CUSTOM_HEADERS."""
_PEM = re.compile(r"-----(?:BEGIN|END) [0-9A-Z ]{1,40}-----")
_ORDINARY = re.compile(
    r"[a-z -]{1,15}|[A-Z -]{1,15}|[A-Z][a-z]{1,14}"  # a word or two
    r"|[A-Z][A-Z0-9]*(_[A-Z0-9]+)+"  # the name of a variable
    r"|[+-]?[0-9.,:_ -]{1,19}|[+-]?[0-9]*\.[0-9]+"  # a number, a time
)
_PATH = re.compile(r"(~|\.{1,2})?(/[\w.@+ -]+)+/?")
_OPAQUE = re.compile(r"(?=[^0-9]*[0-9])(?=[^A-Za-z]*[A-Za-z])[\w+=~.-]{16,}")


def is_secret_name(name: str) -> bool:
    """Whether variables of this name hold secrets, as a rule."""
    return _SECRET_NAME.search(name) is not None


def looks_secret(name: str, value: str) -> bool:
    """Whether a variable is to be kept from measured code."""
    named = is_secret_name(name) or _RUNNERS_NAME.match(name)
    return bool(named) or holds_secret(value)


def holds_secret(value: str) -> bool:
    """Whether a value is secret by its looks, whatever it is called."""
    return _LOGIN.search(value) is not None or bool(tokens_in(value))


def must_leave(name: str, value: str) -> bool:
    """Whether a variable may not stay in our own environment."""
    pointer = _POINTER.search(name) and not _RUNNERS_NAME.match(name)
    return looks_secret(name, value) and (not pointer or holds_secret(value))


def spells_secret(name: str, value: str) -> bool:
    """Whether an assignment in a command tells a secret. Of a `KEY` of whatever kind the value
    decides: that of a cache is none."""
    if not _names_a_value(name) or value.lower() in _SWITCHES:
        return False
    plain = _COUNT.fullmatch(value) is not None or _is_path(value)
    if _ALWAYS.search(name) or (_MOSTLY.search(name) and not plain):
        return not _LIMIT.match(name)
    return _is_random(value)


_ALWAYS = re.compile(
    r"(?:PASSWORD|PASSWD|PASSPHRASE|SECRET|CREDENTIALS?)\d*$|(?:^|_|ACCESS|AUTH|API)TOKEN$"
    r"|(?:API|ACCESS|PRIVATE|SECRET|MASTER|AUTH|ENCRYPTION|SIGNING)_?KEY$"
)
_MOSTLY = re.compile(r"PASSW|PASSPHRASE|SECRET|CREDENTIAL|(?:^|_)(?:PASS|AUTH)$|_PWD$")
_LIMIT = re.compile(r"(?:MAX|MIN|NUM)_")
_COUNT = re.compile(r"[\d.]+[kKmMgG]?")
_SWITCHES = ("true", "false", "none", "null", "on", "off", "yes", "no")


def points_to_secret(name: str) -> bool:
    """Whether a variable's value is the path of a file with a secret."""
    of_a_file = name.endswith(("_FILE", "_PATH")) and is_secret_name(name)
    return of_a_file or name in ("GOOGLE_APPLICATION_CREDENTIALS", "KUBECONFIG", "NETRC")


def secret_values(environment: Mapping[str, str], named: Iterable[str] = ()) -> list[str]:
    """The values to be redacted; `named`: variables that somebody declared to be secret."""
    wanted = set(named)
    found: list[str] = []
    for name, value in environment.items():
        if name in wanted or _names_a_value(name) or _LOGIN.search(value):
            found.append(value)
        else:
            found += sorted(tokens_in(value))
    return found


def _names_a_value(name: str) -> bool:
    return is_secret_name(name) and not _POINTER.search(name.upper())


def declared_values(variables: Mapping[str, str]) -> list[str]:
    """Those of the variables (or headers) given to somebody that are secret by name or looks."""
    opaque = [value for value in variables.values() if _is_random(value)]
    return [*opaque, *secret_values(variables)]


def pieces(value: str) -> Iterator[str]:
    """The parts of a value that are secret; none when it is an ordinary word, path or number."""
    value = value.strip()
    if value.startswith(("{", "[")) and (found := _of_json(value)) is not None:
        for part in found:
            yield from pieces(part)
    elif _PEM.search(value):  # many a variable holds one with its line ends written out
        for line in re.split(r"[\r\n]+|\\[rn]", _PEM.sub("\n", value)):
            yield from pieces(line)
    elif "\n" in value:
        for line in value.splitlines():
            yield from pieces(line)
    elif "://" in value:
        yield from _of_url(value)
    elif header := _HEADER.fullmatch(value):
        yield from pieces(header[1])
    elif _is_secret(value):
        body = secret_part(value)
        yield value if len(body) < _SHORTEST else body


def _is_secret(value: str) -> bool:
    if len(value) < _SHORTEST or len(set(value)) < 4:
        return False
    return not (_ORDINARY.fullmatch(value) or _is_path(value))


def _is_path(value: str) -> bool:
    # Base64 may begin with a slash, too.
    return _PATH.fullmatch(value) is not None and not any(map(_is_mixed, value.split("/")))


def _is_mixed(part: str) -> bool:
    kinds = ("[a-z]", "[A-Z]", "[0-9]")
    return len(part) >= 16 and all(re.search(kind, part) for kind in kinds)


def _is_random(value: str) -> bool:
    """Whether it looks drawn by lot; `Qwen2.5-Coder-7B-Instruct` does not."""
    return _OPAQUE.fullmatch(value) is not None and any(map(_is_mixed, re.split("[-.]", value)))


def _of_url(value: str) -> Iterator[str]:
    from urllib.parse import unquote, urlsplit

    try:
        url = urlsplit(value)
    except ValueError:
        return
    login, at, _ = url.netloc.rpartition("@")
    user, _, password = login.partition(":")
    if at:
        for part in {password or user, unquote(password or user)}:
            yield from pieces(part)
    for part in re.split(r"[/?&=#]", f"{url.path}?{url.query}#{url.fragment}"):
        if _is_random(part):  # a webhook, a signed address
            yield part


def _of_json(value: str) -> list[str] | None:
    """The secret strings of, say, a service account's key file; `None` when it is no JSON."""
    import json

    try:
        return list(_strings(json.loads(value), ""))
    except (ValueError, RecursionError):
        return None


def _strings(value: object, name: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _strings(inner, str(key))
    elif isinstance(value, list):
        for inner in value:
            yield from _strings(inner, name)
    elif isinstance(value, str) and _names_a_value(name):
        yield value
