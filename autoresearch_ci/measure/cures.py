"""What a failed command needs, as far as its output tells: the setting that gives it, paste-ready.

A wrong cure costs more than none, so each wants its own words. The text is untrusted: a place is
named only after it was found on this machine, and is not there for measured code. No expression
takes longer than what it looks at is long, or a line of a hostile output would be the last.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from autoresearch_ci.safety.prompt_text import line as plain

_LOOKED_AT = 1 << 16
"""Characters at the end of the output."""
_LOOPBACK = re.compile(
    r"Errno (99|101)\]|\b127\.0\.0\.1\b|\blocalhost\b|\[::1\]|::1:\d|EADDRNOTAVAIL|ENETUNREACH"
    r"|Network is unreachable|Cannot assign requested address"
)
_SOCKETS = re.compile(
    r"socket[^\n]{0,200}(Operation not permitted|Permission denied)|EPERM[^\n]{0,200}socket"
)
_UNRESOLVED = re.compile(
    r"Temporary failure in name resolution|Name or service not known|getaddrinfo|ENOTFOUND"
    r"|EAI_AGAIN|[Cc]ould not resolve host|NameResolutionError|dial tcp: lookup"
)
_INTERNET = re.compile(
    rf"{_UNRESOLVED.pattern}|\b(in|for|using) offline mode\b|network (was|is) disabled|ENOTCACHED"
    r"|lookup disabled by GOPROXY|ERR_PNPM_NO_OFFLINE"
)
_TOOLCHAIN = re.compile(
    r"rustup could not choose a version|no default (toolchain|is configured)"
    r"|pyenv: version .{0,80} is not installed|(nvm|fnm|volta): .{0,80}not (found|installed)",
    re.IGNORECASE,
)
_READ_ONLY = re.compile(
    r"(?<![\w./@+-])[\w.@+-]*(?P<place>/[\w./@+-]*)[`'\"\u2018\u2019]?:? ?Read-only file system"
    r"|Read-only file system[^\n/]{0,40}['\"](?P<other>/[\w./@+-]+)['\"]"
)
_FULL = re.compile(r"No space left on device|ENOSPC|Errno 28\]|database or disk is full")
_VARIABLE = re.compile(
    r"\bKeyError: '(?P<key>[A-Z][A-Z0-9]*_[A-Z0-9_]+)'"
    r"|(?P<shell>[A-Z][A-Z0-9_]{1,200}): unbound variable"
    r"|(?P<perl>[A-Z][A-Z0-9_]{1,200}): parameter (?:null or )?not set"
)
_NOT_FOUND = re.compile(r"(?:^|: )(?P<program>[\w.+-]+): (?:command )?not found\s*$", re.MULTILINE)
_MODULE = re.compile(r"\bModuleNotFoundError: No module named '(?P<module>\w+)")
_NO_SCRIPT = re.compile(
    r"(?<![\w./@+-])(?:(?P<script>[\w./@+-]+): cannot execute: required file not found"
    r"|(?P<bad>[\w./@+-]+): [^\n]{0,200}bad interpreter)"
)
_ONLY_TEXT = re.compile(r": (?P<script>\.?/?[\w./-]+): Permission denied")
_SAID: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        _READ_ONLY,
        "do: have it write in its folder, HOME or TMPDIR, or allow the place: "
        "--set 'sandbox.write=[{}]'",
    ),
    (
        _VARIABLE,
        "do: hand it on if it is set here: --set 'pass_env=[{0}]', or give it: --env {0}=VALUE",
    ),
    (
        _NOT_FOUND,
        "do: install {} before this step, or in a `setup` command; measured code has your PATH",
    ),
    (
        _MODULE,
        "do: install {} into the environment that the command's Python is of: call that one "
        "(.venv/bin/python), or let a `setup` command make it",
    ),
    (
        re.compile(r"error: unrecognized arguments: (?:\S+ )*?--(cov|benchmark|timeout)\b"),
        "do: install the plugin pytest-{} into the environment that the command's Python is of",
    ),
    (
        _NO_SCRIPT,
        "do: mend the first line of {0}: it names a program that is not there, or ends in a "
        "carriage return (in .gitattributes: {0} text eol=lf)",
    ),
    (
        _FULL,
        "do: have a `setup` command make what is large, keep what is built (--set "
        "'cache=[target/]'), or let it write to the disk: --set 'sandbox.write=[/a/folder]'; what "
        "else a measurement writes may lie in memory, of which it gets half",
    ),
    (
        re.compile(r"Invalid cross-device link|\bEXDEV\b"),
        "do: have it use mv or shutil.move, which copy: folders of the commit and of `setup` may "
        "not be renamed in a measurement",
    ),
    (
        re.compile(
            r"[Cc]ould not (?:find|resolve)[^\n]{0,200} artifacts?[^\n]{0,80}? ([\w.-]+:[\w.-]+)"
            r"|Could not find ([\w.-]+:[\w.-]+):[\w.-]+\.$"
            r"|unresolved dependency: ([\w.#-]+);",
            re.MULTILINE,
        ),
        "do: if {} is a module of this repository, have it built with what uses it (mvn -pl MODULE "
        "-am from the root; gradle publishToMavenLocal, sbt publishLocal before it): a build of it "
        "that was installed is not the candidate's",
    ),
    (
        re.compile(r"(?i:cannot connect to the docker daemon)|docker\.sock|podman\.sock"),
        "do: run it without containers: measured code reaches no service that starts them",
    ),
    (
        re.compile(r"no new privileges|sudo: [^\n]{0,200}(?:password|terminal) is required"),
        "do: leave out sudo: measured code gains no privileges; what needs them belongs before "
        "this step",
    ),
    (
        re.compile(r"perf_event_paranoid|perf_event_open"),
        "do: allow counters on the machine (sysctl kernel.perf_event_paranoid=1), or count "
        "instructions with valgrind",
    ),
    (
        re.compile(r"Missing X server|cannot open display|no display name|\$DISPLAY"),
        "do: give it a display of its own: xvfb-run -a COMMAND",
    ),
    (
        re.compile(r"Author identity unknown|Please tell me who you are"),
        "do: name somebody in a `setup` command, as HOME is another one here: git config --global "
        "user.name test && git config --global user.email test@localhost",
    ),
    (
        re.compile(r"Failed to move to new namespace|No usable sandbox!"),
        "do: start the browser with --no-sandbox: it is confined already",
    ),
)
"""What an output says, and the cure; its group is put in."""
_DENIED = re.compile(r"Permission denied|EACCES|cannot execute|failed to map segment")


def cures(output: str, *, network: str = "allow", noexec: str = "") -> list[str]:
    """What to do. `network`: what the command had. `noexec`: where nothing may be executed."""
    found = []
    output = output[-_LOOKED_AT:]
    if network == "deny" and (_LOOPBACK.search(output) or _SOCKETS.search(output)):
        found.append(
            "do: give it a 127.0.0.1 of its own, as local servers and pytest-xdist need: "
            "--set sandbox.network=loopback"
        )
    elif network != "allow" and _INTERNET.search(output):
        found.append(
            "do: download what it asks for in a `setup` command, which has the network, or "
            "--set sandbox.network=allow"
        )
    elif network == "allow" and _UNRESOLVED.search(output):
        found.append(
            "do: let this machine reach what it asks for; a proxy or a mirror may need a variable: "
            "--set 'pass_env=[HTTPS_PROXY]'"
        )
    if noexec and _DENIED.search(output):
        found.append(
            f"do: set TMPDIR to a folder where programs may run: {noexec} is mounted noexec"
        )
    if _TOOLCHAIN.search(output):
        found.append(
            "do: name the toolchain's home, as HOME is another one here: for example "
            '--env RUSTUP_HOME="$HOME/.rustup"'
        )
    if not noexec and (script := _ONLY_TEXT.search(output)) and not _READ_ONLY.search(output):
        found.append(
            f"do: if {script[1]} is a script, commit that it may be executed: "
            f"git update-index --chmod=+x {script[1]}"
        )
    return [*found, *_said(output)]


def _said(output: str) -> list[str]:
    matches = ((pattern.search(output), words) for pattern, words in _SAID)
    return [
        words.format(next(filter(None, match.groups()), "")) for match, words in matches if match
    ]


_PLACE = re.compile(r"(?<![\w.:/-])/[\w.+@-]+(?:/[\w.+@-]+)+")
_PROGRAM = re.compile(
    r"(?m)(?:^|[\s:'\"`])([\w.+-]{1,60})['\"`]?: (?:command not found|not found|No such file)"
    r"|No such file or directory: '([\w.+-]{1,60})'|spawn ([\w.+-]{1,60}) ENOENT"
)
_MOST = 3
"""That are named: more are no help."""


def unseen(output: str, sees: Callable[[str], bool], search: str) -> list[str]:
    """What to do about it, paste-ready. `sees`: whether a path is there for the command.

    `search`: PATH, for programs.
    """
    text = output[-_LOOKED_AT:]
    wanted = dict.fromkeys(path for path in _named(text, search) if not sees(path))
    return [
        f"do: let measured code read {plain(path, 200)}, which is there but not for it: "
        f"--set 'sandbox.read=[{plain(_whole(path), 200)}]'"
        for path in list(wanted)[:_MOST]
    ]


_REFUSED = re.compile(
    r"(?im)^.*(?:permission denied|accessdenied|EACCES|unable to open database).*$"
)


def unwritable(output: str, sees: Callable[[str], bool]) -> list[str]:
    """What to do where commands have no /tmp of their own. `sees`: as for `unseen`."""
    lines = _REFUSED.findall(output[-_LOOKED_AT:])
    places = (match[0] for line in lines for match in _PLACE.finditer(line))
    folders = (os.path.dirname(path) for path in places if not sees(path))  # noqa: PTH120
    return [
        f'do: have it write in TMPDIR (Java: -Djava.io.tmpdir="$TMPDIR"), as {plain(folder, 200)} '
        "is closed to measured code here, or allow a folder in it that is there: "
        f"--set 'sandbox.write=[{plain(folder, 200)}/NAME]'"
        for folder in folders
        if _is_everybodys(folder)
    ][:1]


def _is_everybodys(folder: str) -> bool:
    try:
        return bool(os.stat(folder).st_mode & stat.S_IWOTH)  # noqa: PTH116
    except OSError:
        return False


def _named(text: str, search: str) -> Iterator[str]:
    for match in _PLACE.finditer(text):
        path = match[0].rstrip(".")
        if os.access(path, os.R_OK):
            yield path
    for match in _PROGRAM.finditer(text):
        name = next(filter(None, match.groups()), "")
        if found := shutil.which(name, path=search):
            yield found


def _whole(path: str) -> str:
    """A program needs what is installed beside it."""
    folder = Path(path).parent
    return str(folder.parent) if folder.name == "bin" and folder.parent != Path.home() else path
