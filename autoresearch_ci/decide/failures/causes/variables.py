"""Which variable of the environment an error says is not set; a secret, usually.

CORE: words in, a name out. Programs say it in words of their own, so that the name has to look like
a variable's, and the words have to speak of nothing else.
"""

from __future__ import annotations

import difflib
import re

_NAME = r"[`'\"$]?(?P<{}>[A-Z][A-Z0-9]*_[A-Z0-9_]*[A-Z0-9])[`'\"]?"
_KIND = r"(?:environment variables?|env(?:ironment)? vars?|secrets?)"
_IS = r"(?:is |are |was |has |have )?"
_UNSET = rf"(?:{_IS}(?:not set|not been set|unset)|(?:must|has to|needs to) be set)\b"
_LACKS = rf"(?:{_IS}(?:missing|required|not defined|undefined|not found|empty)|not provided)\b"
_LEAD = r"(?:(?:error|fatal|Error): )?(?:[Tt]he )?(?:[Rr]equired )?"
_SAID = (
    rf"{_LEAD}(?i:{_KIND}) {_NAME.format('after')} (?:{_UNSET}|{_LACKS})",
    rf"{_LEAD}{_NAME.format('before')} (?i:{_KIND}) (?:{_UNSET}|{_LACKS})",
    rf"(?:error: )?(?i:missing (?:required )?{_KIND}):? {_NAME.format('missing')}",
    rf"[^\n]{{0,200}}\b(?i:set|setting|define|export)(?: the)? {_NAME.format('told')} {_KIND}",
    rf"{_LEAD}{_NAME.format('unset')} {_UNSET}",
    rf"{_LEAD}{_NAME.format('lacks')} {_LACKS}",
)
_PATTERNS = tuple(re.compile(said) for said in _SAID)
_LIKE_A_VARIABLE = re.compile(
    r"(^|_)(API|TOKEN|KEY|SECRET|PASSWORD|PASSWD|CREDENTIALS?|URL|URI|DSN|HOST|PORT|HOME|ENDPOINT)"
    r"(_|$)"
)
"""Without the word that says so, `ORDER_ID is missing` speaks of a column."""
_OF_CODE = ("NameError", "ReferenceError", "AttributeError", "UnboundLocalError")
"""Errors about names of the program's own."""


def unset_variable(kind: str, words: str) -> str:
    """The name; empty: the error speaks of none. `kind`: the error's type."""
    if kind in _OF_CODE:
        return ""
    found = next(filter(None, (pattern.match(words) for pattern in _PATTERNS)), None)
    if found is None:
        return ""
    (which, name), *_ = ((k, v) for k, v in found.groupdict().items() if v)
    return name if which != "lacks" or _LIKE_A_VARIABLE.search(name) else ""


def is_given(name: str, text: str) -> bool:
    """Whether a test sets it, or one whose name is so near that one of the two is misspelt."""
    given = [one or other for one, other in _GIVEN.findall(text)]
    return bool(difflib.get_close_matches(name, given, n=1, cutoff=0.8))


_GIVEN = re.compile(
    r"(?:setenv\(|setitem\(os\.environ,|environ,\s*\{|set_var\(|stubEnv\()\s*[\"'](\w+)"
    r"|env(?:iron)?(?:\[[\"']|\.)(\w+)(?:[\"']\])?\s*=[^=]"
)
