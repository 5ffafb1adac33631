"""What an error says of the machine: network, disk, permissions, programs, variables.

CORE: what was raised, or printed -> evidence, or none. An error counts in the form that the system
gives it, at its beginning; one that the repository or a mock raises is the repository's.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass

from autoresearch_ci.decide.failures.causes.ground import Cause, Found, Ground
from autoresearch_ci.decide.failures.causes.traces import Raised, Trace
from autoresearch_ci.decide.failures.failure import Failure


@dataclass(frozen=True, kw_only=True)
class _Sign:
    what: str
    pattern: re.Pattern[str]
    """Of an error's own words, at their beginning: the form that the system gives them."""


def _sign(what: str, *patterns: str) -> _Sign:
    wrapped = r"(?:<urlopen error |\w+ \"[^\"\s]*\": |(?:open|listen|dial|connect) \S+ )?"
    return _Sign(what=what, pattern=re.compile(f"{wrapped}(?:{'|'.join(patterns)})"))


_CUSTOM = r"Custom \{ kind: \w+, error: \""
_POOL = r"HTTPS?ConnectionPool\(host='[^']+', port=\d+\): Max retries exceeded [^\n]*Caused by "
_NAMES = (
    r"\[Errno -[2358]\]",
    r"getaddrinfo E(?:NOTFOUND|AI_AGAIN)",
    rf"{_CUSTOM}failed to lookup address",
    r"(?:dial tcp: )?lookup \S+(?: on \S+)?: (?:no such host|.*timeout|.*refused|server misb)",
    rf"{_POOL}NameResolutionError",
)
_ROUTES = (
    r"\[Errno (?:101|113|51|65)\]",
    r"connect E(?:NETUNREACH|HOSTUNREACH)",
    r"Os \{ code: (?:101|113),",
    r"(?:dial tcp \S+ )?connect: (?:network is unreachable|no route to host)",
)
_REFUSED = _sign(
    "refused",
    r"\[Errno (?:111|61)\]",
    r"connect ECONNREFUSED",
    r"Os \{ code: (?:111|61),",
    r"(?:dial tcp \S+ )?connect: connection refused",
    rf"{_POOL}NewConnectionError[^\n]*refused",
    r"[Ee]rror (?:111|61) connecting to",
    r"connection to server at [^\n]* failed: Connection refused",
)
_DENIED = _sign(
    "permission",
    r"\[Errno (?:13|1)\]",
    r"E(?:ACCES|PERM): ",
    r"Os \{ code: (?:13|1),",
    r"(?:open|mkdir|unlink) [^\n]*: (?:permission denied|operation not permitted)",
)
_SIGNS = (
    _sign("the network: a name cannot be resolved", *_NAMES),
    _sign("the network: there is no way to the host", *_ROUTES),
    _sign(
        "the disk is full",
        r"\[Errno (?:28|122)\]",
        r"E(?:NOSPC|DQUOT): ",
        r"Os \{ code: (?:28|122),",
        r"(?:write|open) [^\n]*: (?:no space left on device|disk quota exceeded)",
    ),
    _sign("a file system is read-only", r"\[Errno 30\]", "EROFS: ", r"Os \{ code: 30,"),
    _sign("out of memory", r"\[Errno 12\]", r"Os \{ code: 12,"),
    _sign(
        "a port is in use",
        r"\[Errno (?:98|48)\]",
        "listen EADDRINUSE",
        r"Os \{ code: (?:98|48),",
        r"(?:listen tcp \S+ )?bind: address already in use",
    ),
    _sign(
        "a program is missing", r"spawn(?:Sync)? [\w.+-]+ ENOENT", r'exec: "[\w.+-]+": executable'
    ),
    _sign("a variable of the environment is missing", r"NotPresent\b"),
    _sign(
        "something that the machine should have is missing",
        r"\S+\.so[.\d]*: cannot open shared object file",
        r"[^\n]{0,200}version [`']GLIBC\w*_[\d.]+' not found",
        "Error while fetching server API version",
        "(?:error during connect: )?Cannot connect to the Docker daemon",
        "(?:CUDA error: )?(?:No CUDA GPUs are|no CUDA-capable device|Found no NVIDIA driver)",
        "Torch not compiled with CUDA enabled",
        r"(?:\w+\.\w+: )?Executable doesn't exist at ",
        r"no display name and no \$DISPLAY",
        "unsupported locale setting",
        r"[^\n]{0,300}CERTIFICATE_VERIFY_FAILED",
    ),
)
_JAVA = {
    "UnknownHostException": "the network: a name cannot be resolved",
    "ConnectException": "nobody listens",
    "NoRouteToHostException": "the network: there is no way to the host",
}
_NONSENSE = re.compile(
    r"(?:ENOTFOUND|EAI_AGAIN|lookup|host=')\s*(?:undefined|null|None|NaN|https?)\b"
)
"""Hosts that only a bug asks for."""


def of_machine(failure: Failure, raised: Raised, trace: Trace, ground: Ground) -> Found:
    """`None`: it is no error of the system's, or one that somebody has made up."""
    found = (
        _variable(failure, raised, trace, ground)
        or _program(raised, ground)
        or _of_system(failure, raised, trace, ground)
    )
    # Whoever finds out that a variable is missing says so in words of its own.
    if found is None or unset_variable(raised.kind, raised.words):
        return found
    own = ground.holds(raised.where)
    if _MOCKS.search(raised.where) or (own and is_raised(raised)):
        return None
    # Where Node speaks itself it shows a file of its own; of Python's traces the line is missing.
    python = raised.words.startswith("[Errno")
    if own and not raised.source and not python:
        return None
    if found[0] is Cause.ENVIRONMENT and (not raised.where or (own and not raised.source)):
        return Cause.UNSURE, f"{found[1]}; whether the system says so or the code is not shown"
    return found


def is_raised(raised: Raised) -> bool:
    """Whether the line that is shown raises it, rather than calls what does."""
    return bool(re.search(r"(^|[:;{)]\s*)(raise|throw)\b", raised.source))


_MOCKS = re.compile(
    r"(^|/)(unittest/mock\.py|mock/mock\.py|jest-mock/|responses/|httpretty/|nock/)"
)


def _of_system(failure: Failure, raised: Raised, trace: Trace, ground: Ground) -> Found:
    words = raised.words.strip()
    quoted = f"{raised.kind}: {words}" if raised.kind else words
    if _NONSENSE.search(words):
        return None
    if _DENIED.pattern.match(words):
        return _denied(failure, words, quoted, ground)
    if _REFUSED.pattern.match(words):
        return _refused(words, trace, quoted)
    what = next((sign.what for sign in _SIGNS if sign.pattern.match(words)), "")
    what = what or _JAVA.get(raised.kind, "")
    if not what and words == "fetch failed" and raised.where.startswith("node:"):
        return Cause.UNSURE, "a request failed, and why is not shown"
    return (Cause.ENVIRONMENT, f"{what}: {quoted}") if what else None


def _denied(failure: Failure, words: str, quoted: str, ground: Ground) -> Found:
    """A file of the repository's, or one that a test made, is not the machine's business."""
    named = re.search(r"(?:: |, \w+ )'(?P<path>[^'\n]+)'|(?<= )(?P<plain>/[^\s:]+)", words)
    path = (named["path"] or named["plain"]) if named else ""
    if not path and words.startswith("Os "):
        return Cause.UNSURE, f"a permission is missing, of what is not told: {quoted}"
    # In a message the place of the tree is left out, so that what is in it is relative.
    own = path not in failure.message and ground.holds(path) and path.count("/") > 1
    if path and (not path.startswith("/") or own or _TEMPORARY.match(path)):
        return None
    return Cause.ENVIRONMENT, f"a permission is missing: {quoted}"


_TEMPORARY = re.compile(r"/(tmp|var/tmp|private/tmp|var/folders|dev/shm)/")

_SERVICES = {
    5432: "PostgreSQL",
    3306: "MySQL",
    1433: "SQL Server",
    6379: "Redis",
    11211: "memcached",
    27017: "MongoDB",
    9200: "Elasticsearch",
    8123: "ClickHouse",
    8086: "InfluxDB",
    5672: "RabbitMQ",
    9092: "Kafka",
    2181: "ZooKeeper",
    4566: "LocalStack",
    2375: "Docker",
}
_EPHEMERAL = 32_768
"""Ports from here on are handed out at random: whoever names one has opened it."""
_ENDPOINT = re.compile(
    r"(?:(?P<host>[\w.-]+|\[?::1\]?)[:,]\s*|host='(?P<quoted>[^']+)', "
    r"|at \"(?P<at>[^\"]+)\"[^\n]*?)"
    r"(?:port[= ]?)?(?P<port>\d{2,5})\b"
)
_HERE = re.compile(r"(localhost|127\.\d+\.\d+\.\d+|0\.0\.0\.0|\[?::1\]?)$")


def _refused(words: str, trace: Trace, quoted: str) -> Found:
    """Nobody listens: a service that this machine lacks, or one that the code did not start."""
    places = (re.sub(r"^Os \{ code: \d+", "", text) for text in (words, trace.last.words))
    found = next(filter(None, map(_ENDPOINT.search, places)), None)
    if found is None:
        told = f"nobody listens: a service is missing, or the code does not start its own: {quoted}"
        return Cause.UNSURE, told
    host, port = found["host"] or found["quoted"] or found["at"], int(found["port"])
    if port in _SERVICES:
        return Cause.ENVIRONMENT, f"{_SERVICES[port]} is not running: {quoted}"
    if not _HERE.match(host):
        return Cause.ENVIRONMENT, f"the network: {host} does not answer: {quoted}"
    if port >= _EPHEMERAL:
        return None
    told = f"nobody listens at port {port}, which may be the code's or a service's: {quoted}"
    return Cause.UNSURE, told


def _variable(failure: Failure, raised: Raised, trace: Trace, ground: Ground) -> Found:
    """A variable that nobody has set: a secret, usually. One that the test sets is no secret."""
    name = unset_variable(raised.kind, raised.words)
    if raised.kind == "KeyError" and re.search(r"(^|/)os\.py$|^<frozen os>$", raised.where):
        name = raised.words.strip("'\"")
    if not name or is_given(name, f"{trace.section}\n{ground.tests.get(failure.path, '')}"):
        return None
    return Cause.ENVIRONMENT, f"the variable {name} is not set here"


def _program(raised: Raised, ground: Ground) -> Found:
    if raised.kind == "CalledProcessError" and raised.words.endswith("exit status 127."):
        return Cause.ENVIRONMENT, f"a program is not installed here: {raised.words}"
    if raised.kind != "FileNotFoundError" or not raised.where.endswith("subprocess.py"):
        return None
    named = re.match(r"\[Errno 2\] [^\n]*: '(?P<name>[\w.+-]+)'$", raised.words.strip())
    if named is None or ground.holds(named["name"]):
        return None
    return Cause.ENVIRONMENT, f"the program {named['name']!r} is not installed here"


# --- Of the last lines of a command ---------------------------------------------------------------

LAST_LINES = 12
_LINES: tuple[tuple[str, re.Pattern[str]], ...] = tuple(
    (what, re.compile(pattern))
    for what, pattern in (
        (
            "a program is missing",
            r"(?:^|: )(?:(?:\S*/)?(?:ba|da|z|)sh: )?(?:line )?(?:\d+: )?[\w./+-]+: "
            r"(?:command )?not found"
            r"$|: command not found\)?$|executable file not found in \$PATH",
        ),
        (
            "the network: a name cannot be resolved",
            r"^(?:fatal|curl|wget|error|ERROR|npm (?:ERR!|error)|E:|W:|pip|go|\s*warning)\b.{0,300}"
            r"(?:Could not resolve|Temporary failure in name resolution|Name or service not known"
            r"|EAI_AGAIN|ENOTFOUND|no such host|Temporary failure resolving)",
        ),
        ("the disk is full", r"(?:: |^)(?:write error: )?No space left on device\)?$"),
        (
            "a version of a tool is missing",
            r"^error: release version \d+ not supported|error: invalid (?:target|source) release: "
            r"|requires (?:go|rustc|Python|python|Node|node) ?[>=^~]{0,2} ?v?\d"
            r"|requires a different Python|^npm (?:ERR!|error) code EBADENGINE"
            r"|toolchain '[^']+' is not installed|rustup could not choose a version"
            r"|Unsupported class file major version|JAVA_HOME (?:is|environment variable is) not",
        ),
        (
            "the network: nothing may be downloaded",
            r"Cannot access \S+ \(\S+\) in offline mode|HTTP request, but --offline was specified",
        ),
        ("a linker is missing", r"linker `[^`]+` not found"),
    )
)
_PACKAGES = re.compile(
    r"no matching package named `|the lock file \S+ needs to be updated|ResolutionImpossible"
    r"|npm (?:ERR!|error) code ERESOLVE|can only install packages when your package\.json"
    r"|missing go\.sum entry|no required module provides package|Could not find a version that"
    r"|Could not resolve dependencies for project|VersionConflict|pytest: error: unrecognized arg"
)


_DOWNLOAD = re.compile(r"^module \S+: Get \"[^\"\s]+\": dial tcp\b")


def of_download(message: str) -> Found:
    """Where a compiler says that it cannot fetch what is imported."""
    if _DOWNLOAD.match(message):
        return Cause.ENVIRONMENT, f"the network: a module cannot be downloaded: {message}"
    return None


def of_lines(lines: Collection[str]) -> Found:
    """Of what programs print when they cannot work, each in its own form."""
    for line in lines:
        for what, pattern in _LINES:
            if pattern.search(line[:1000]):
                return Cause.ENVIRONMENT, f"{what}: {line.strip()}"
        if _PACKAGES.search(line[:1000]):
            return Cause.DEPENDENCY, line.strip()
    return None


# --- Variables ------------------------------------------------------------------------------------
# Which one an error says is not set; a secret, usually. Programs say it in words of their own, so
# the name has to look like a variable's, and the words have to speak of nothing else.

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
