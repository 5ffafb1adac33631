"""Command lines that somebody should look at twice before they run every night; pure text.

An early and readable refusal, for commands that people, pages and models suggest. It keeps nobody
out who wants in: what holds is the sandbox, which gives measured code no network, no secret and no
file outside its tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from autoresearch_ci.decide.shell_line import QUOTED, simple_commands
from autoresearch_ci.safety.secret_values import spells_secret
from autoresearch_ci.safety.token_forms import tokens_in

_SHELL = r"(?:(?:ba|z|da|k|fi)?sh|python[\d.]*|perl|ruby|node|php)"
_FETCH = r"(?:curl|wget|fetch|aria2c)"
_WORD = r"(?<![\w./-])"
"""Where a command may begin: behind a blank, a bracket, a quote, a separator."""
_LOCAL = r"(?:localhost|127\.0\.0\.1|\[::1\])"
_SQL = r"(?:postgres(?:ql)?|mysql|mariadb|mongodb(?:\+srv)?|redis|mssql)"
_GIT = r"\bgit\b[^;&|\n]*\b"
_DELETES, _DOWNLOADS = "deletes recursively", "runs what it downloads"
_SENDS, _DEVICE = "sends files away", "writes to a device"
_SECRET, _DATABASE = "holds a secret", "reaches a database that may be a real one"
_DANGERS: tuple[tuple[str, str], ...] = (
    (
        _DELETES,
        rf"{_WORD}(?:/\S*/)?rm\b(?=[^;&|\n]*\s-(?:[a-zA-Z]*[rR]|-recursive))"
        r"(?=[^;&|\n]*\s-(?:[a-zA-Z]*f|-force))",
    ),
    (_DELETES, r"\brmtree\b|\brimraf\b|\bfind\b[^;&|\n]*\s-(?:delete|exec\s+rm)\b"),
    (_DELETES, r"\brm(?:Sync|dirSync)\s*\(|\bFileUtils\.rm_r|\bremove_dir_all\b"),
    (_DOWNLOADS, rf"\b{_FETCH}\b[^;\n]*\|\s*(?:sudo\s+|xargs\s+)*(?:\S*/)?{_SHELL}\b"),
    (_DOWNLOADS, rf"(?:\$\(|`|<\()\s*{_FETCH}\b"),
    ("runs text that it decodes", rf"\bbase64\b[^;\n]*\|\s*(?:sudo\s+)?(?:\S*/)?{_SHELL}\b"),
    ("runs text that it makes", r"\beval\b\s+[\"'$`]|\bxxd\s+-r\b[^;\n]*\|"),
    (
        _SENDS,
        rf"\b{_FETCH}\b[^;|\n]*\s-(?:d\s*@|-data\S*[ =]@|T\b|-upload-file|F\s|-post-file)",
    ),
    (_SENDS, r"\|\s*(?:nc|ncat|netcat|socat|telnet)\b|/dev/(?:tcp|udp)/"),
    ("throws work of git away", rf"{_GIT}clean\b[^;&|\n]*\s-\w*f|{_GIT}reset\s+--hard"),
    (
        "overwrites others' commits",
        rf"{_GIT}push\b[^;&|\n]*\s(?:-\w*f\b|--force|--mirror|\+\S)",
    ),
    (_DEVICE, r"\bdd\b[^;&|\n]*\bof=|>\s*/dev/(?!null|stderr|stdout|fd/|tty)"),
    (_DEVICE, r"\bmk(?:fs|e2fs|swap)\b|\bfdisk\b|\bwipefs\b"),
    ("destroys files", r"\bshred\b|\btruncate\b[^;&|\n]*-(?:s\s*0|-size[= ]0)"),
    ("takes all rights away", r"\bchmod\b[^;&|\n]*\s0{3}\b"),
    ("starts itself without end", r":\(\)\s*\{"),
    ("becomes root", r"\b(?:sudo|doas|pkexec)\b"),
    (_SECRET, r"\w+://[^\s/:@]+:[^\s/@$]+@"),
    (_DATABASE, rf"{_SQL}://(?![^\s/]*@?{_LOCAL}(?:[:/\s]|$))"),
    (
        _DATABASE,
        r"\b(?:mysql|mariadb|psql|mongosh?|redis-cli|sqlcmd)\b[^;&|\n]*\s-(?:h\s*|-host[= ])"
        rf"(?!{_LOCAL})",
    ),
)
_ASSIGNED = re.compile(r"\b([A-Za-z_]\w*)=(?!=|[\"']?[$`])[\"']?([^\s;\"']+)")
"""A variable that is given more than what another one holds."""
_COMPILED = tuple((what, re.compile(pattern)) for what, pattern in _DANGERS)

_CURE = "say it in a script of the repository that you trust"
_LIMIT = 4000
"""Characters: what nobody reads, and what expressions above look at again from each word."""
_HIDES = (
    (re.compile(r"\|\|\s*(?:true|:|echo|exit\s+0|printf|cat)\b|\|\|\s*:"), "`||` turns it into 0"),
    (re.compile(r"\bset\s+\+e\b"), "`set +e` goes on after a failure"),
    (re.compile(r";\s*(?:true|:|exit\s+0)\s*$"), "it ends with success whatever came before"),
    (re.compile(r"(?<![&>|])&(?![&>\d])"), "`&` does not wait for what it starts"),
)
_CONSTANT = re.compile(
    r"\s*(?:true|:|exit(?:\s+0)?|(?:echo|printf)\b[^$`;&|<>]*"
    r"|[\w./-]+(?:\s+-m\s+[\w.]+)?\s+(?:--version|--help))\s*"
)
"""Commands that look at nothing: as a guard they never fail, as a metric they never change."""
_PIPE = re.compile(r"(?<!\|)\|(?!\|)")
_BLOCK = re.compile(r"\b(?:for|while|until|if|case)\b")


@dataclass(frozen=True, kw_only=True)
class Objection:
    """Why a command is refused."""

    what: str
    cure: str


def is_constant(command: str) -> bool:
    """Whether it plainly says the same whatever the code does."""
    return _CONSTANT.fullmatch(command) is not None


COUNTS = {
    "problems": {"metric": "problems"},
    "lines": {"metric": "lines"},
    "size": {"metric": "gzip_bytes"},
    "prose": {"metric": "violations"},
    "links": {"metric": "broken_links"},
    "marks": {"metric": "marks"},
    "complexity": {"metric": "complexity"},
    "readability": {"metric": "reading_ease", "direction": "maximize"},
    "docstrings": {"metric": "documented_percent", "direction": "maximize"},
    "lighthouse": {"metric": "performance", "direction": "maximize"},
}
"""Kinds of `score` that end with 0 whatever they find, and what a guard says to watch it."""


def counted(command: str) -> dict[str, str]:
    """What a guard has to name where a `score` in it fails nothing by itself; empty: there is none.

    What goes on to something that reads it, by a pipe, a file or brackets, is that one's.
    """
    for words, sign in simple_commands(command):
        read = {*"|()"} & {*sign.replace("||", "")} or any({*word} & {*"<>"} for word in words)
        for program, verb, kind in zip(words, words[1:], words[2:], strict=False):
            ours = verb == "score" and re.search(r"(^|/)autoresearch[-_]ci$", program)
            if ours and not read and kind in COUNTS and "--least" not in words:
                return dict(COUNTS[kind])
    return {}


def objections(command: str) -> Iterator[Objection]:
    """Everything that speaks against a command of a configuration; nothing: it may be tried."""
    if len(command) > _LIMIT:
        yield Objection(what=f"is {len(command):,} characters long, which nobody reads", cure=_CURE)
        return
    seen = set()
    if tokens_in(command) or any(spells_secret(*each) for each in _ASSIGNED.findall(command)):
        seen.add(_SECRET)
        yield Objection(what=_SECRET, cure=_CURE)
    for what, pattern in _COMPILED:
        if what not in seen and pattern.search(command):
            seen.add(what)
            yield Objection(what=what, cure=_CURE)
    yield from _hidden_failures(command)


def _hidden_failures(command: str) -> Iterator[Objection]:
    bare = re.sub(QUOTED, "Q", command)
    for pattern, why in _HIDES:
        if pattern.search(bare):
            yield Objection(what=f"hides a failure: {why}", cure="leave that out")
    if _PIPE.search(bare) and "pipefail" not in bare:
        yield Objection(
            what="hides a failure: of a pipe only the last command's exit code counts",
            cure=f"set -o pipefail; {command}  (or read the number by metric.extract)",
        )
    before = re.sub(r"\bset\s+-\w+(?:\s+pipefail)?\s*;", "", bare).rstrip("; ")
    strict = re.search(r"\bset\s+-\w*e", bare)
    if ";" in before and not strict and not _BLOCK.search(before):
        yield Objection(
            what="hides a failure: `;` goes on after a command that failed",
            cure=f"join them with &&: {re.sub(r' *; *', ' && ', command)}",
        )
