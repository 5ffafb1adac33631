"""Secrets that stand in files: detect-secrets and gitleaks. No answer of theirs is shown as it is:
a report must not carry the secret further than it already is."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from autoresearch_ci.decide.security.mild_weaknesses import names_a_secret
from autoresearch_ci.decide.security.severities import FIXED
from autoresearch_ci.decide.security.weakness import Confidence, Severity, Weakness
from autoresearch_ci.measure.diagnostics.adapter import JsonObject, ToolOutput, objects
from autoresearch_ci.measure.scanners.scanner import (
    Scan,
    Scanner,
    ScannerTask,
    all_at_once,
    parser,
    scan,
)

_CWE = 798
_GUESSES: Mapping[str, Severity] = {
    "Base64 High Entropy String": Severity.LOW,
    "Hex High Entropy String": Severity.LOW,
    "Secret Keyword": Severity.MEDIUM,
    "Basic Auth Credentials": Severity.MEDIUM,
    "Public IP (ipv4)": Severity.INFO,
}
"""What detect-secrets infers from how a text looks, or from a name beside it."""
_FULL_OF_HASHES = re.compile(
    r"(?i)(?:^|[/.-])lock\.json$|\.(?:lock|sum|map|svg|css|resolved)$|(?:^|/)npm-shrinkwrap\.json$"
)
"""Files of which every line looks random: in those, only what has the form of a secret is looked
for."""
_FIX = "Take the secret back where it was issued, then read it from the environment."


_TYPES = re.compile(
    r"\.(?:cls|example|eyaml|go|java|js|m|php|pyi?|swift|tf|ya?ml|cs|c|cpp|cnf|conf|cfg|cf|ini"
    r"|properties|toml)$"
)
"""Names that tell detect-secrets how to read a file."""
_AS_TEXT = ".as-text"


def _called(path: str) -> str:
    """With an ending that says nothing: it leaves out `.css`, `.lock`, `.svg` and forty others,
    without a word, and no option keeps it from that."""
    return path if _TYPES.search(path) else f"{path}{_AS_TEXT}"


_SETTINGS = re.compile(
    r"(?i)(?:\.(?:ya?ml|eyaml|ini|cfg|cf|cnf|conf|config|properties|toml|tfvars|envrc|sh|bash|service)"
    r"|(?:^|[/.])env(?:\.[\w.-]+)?|(?:^|/)(?:Docker|Container)file[\w.-]*|(?:^|/)\.(?:npm|pypi)rc)$"
)
_ASSIGNED = re.compile(
    r"""(?P<before>[ \t]*)(?:(?:\#|;|//)+[ \t]*)?(?:-[ \t]+)?
    (?:(?:export|ARG|set)[ \t]+|(?P<env>ENV[ \t]+))?["']?(?P<name>[A-Za-z_][\w.-]{0,79})["']?
    (?:[ \t]*[:=]|(?(env)[ \t](?=[^\s=]+$)|(?!)))[ \t]*(?P<value>.*)""",
    re.VERBOSE,
)
_BARE = re.compile(
    r"""(?:-[ \t]+)?(?!(?:true|false|yes|no|on|off|none|null)\b)(?!\S*(?:\$[{(]|\{\{|<%))
    (?P<value>[^\s"'`\#;,\[\]{}()<>|&$*!%][^\s"'`,()]*),?(?:[ \t]+[\#;].*)?""",
    re.VERBOSE | re.IGNORECASE,
)
"""A value without quotes that refers to no other, and what may stand behind it."""
_BELOW = re.compile(r"""[|>][-+\d]*|\\|"{3}|'{3}|["']?""")
"""What stands beside a name whose value stands in the lines below."""
_RETOLD = ".as-lines"


def _retold(path: str, text: str) -> tuple[str, str] | None:
    """Settings with their secrets as `name = "value"`, each in its line.

    As they are, detect-secrets drops comments, says that a long value stands where its name does,
    and reads a file without sections no further once it has found one secret.
    """
    if not _SETTINGS.search(path):
        return None
    lines = []
    name, depth, named = "", 0, ""
    """Of a value that may stand below; what a list of environment variables calls the next one."""
    for line in text.split("\n"):
        told = _ASSIGNED.match(line)
        if told:
            own = named if named and told["name"] == "value" else told["name"]
            named = told["value"].strip("\"' ") if told["name"] == "name" else ""
            bare = _BARE.fullmatch(told["value"].strip())
            kept = names_a_secret(own)
            if kept and bare:
                line = f'{own} = "{bare["value"]}"'
            below = kept and _BELOW.fullmatch(told["value"].strip())
            name, depth = (own, len(told["before"])) if below else ("", 0)
            depth -= told["value"].strip() in ('"""', "'''")
        elif name and line.strip():
            words = line.strip()
            bare = _BARE.fullmatch(words.rstrip("\"'"))
            if bare and len(line) - len(line.lstrip()) > depth:
                line = f'{name} = "{bare["value"]}"'
            name = name if words.startswith("- ") else ""
        lines.append(line)
    # What can be read neither as sections nor as YAML is looked at as it stands.
    return f"{path}{_RETOLD}", "\n".join([*lines, "!", "]: ["])


_DULL = (
    r"(?i)^(?!(?s:.*?)(?:[\"'`]|[\w+/=-]{11}|key|pass|pwd|secret|contrase|token|auth|begin|://|\d\.\d"
    r"|eyj|xox))"
)
"""Lines in which none of its detectors can find anything; asking each about each takes most of its
time."""


def _detect_secrets(task: ScannerTask) -> list[str]:
    # The last one passes over whatever stands in a call: `connect(token="ghp_...")`.
    filters = ["allowlist.is_line_allowlisted", "heuristic.is_swagger_file"]
    filters += ["heuristic.is_indirect_reference"]
    off = [
        word for name in filters for word in ("--disable-filter", f"detect_secrets.filters.{name}")
    ]
    if all(map(_is_full_of_hashes, task.files)):
        for plugin in ("Base64HighEntropyString", "HexHighEntropyString"):
            off += ["--disable-plugin", plugin]
    # Parts of many files are looked at side by side already.
    return [
        task.program,
        "--cores",
        "1",
        "scan",
        "--no-verify",
        "--exclude-lines",
        _DULL,
        *off,
        "--all-files",
        *task.files,
    ]


def _is_full_of_hashes(path: str) -> bool:
    return _FULL_OF_HASHES.search(path.removesuffix(_AS_TEXT)) is not None


def _apart(files: Sequence[str]) -> list[list[str]]:
    """Those that are full of hashes by themselves."""
    kinds = ([f for f in files if _is_full_of_hashes(f) is wanted] for wanted in (False, True))
    return [batch for kind in kinds if kind for batch in all_at_once(kind)]


@parser("detect-secrets")
def read_detect_secrets(said: ToolOutput) -> Scan:
    report = said.json_object("detect-secrets")
    results = report.mapping("results")
    found = {}
    # What is told of a file twice stands where the form with each secret in its line says.
    for name in sorted(results, key=lambda name: name.endswith(_RETOLD)):
        path = name.removesuffix(_RETOLD).removesuffix(_AS_TEXT)
        for weakness in _of_file(said, name, objects(results[name], name)):
            found[path, weakness.rule, weakness.key] = weakness
    return scan("detect-secrets", found.values(), said.stopped("detect-secrets", (0,)))


def _of_file(said: ToolOutput, path: str, told: list[JsonObject]) -> Iterator[Weakness]:
    for secret in told:
        kind = secret.code("type")
        guessed = _GUESSES.get(kind)
        yield Weakness(
            rule=f"detect-secrets/{kind.lower().replace(' ', '-')}",
            path=said.path(path),
            line=secret.number("line_number"),
            severity=guessed or FIXED["detect-secrets"],
            confidence=Confidence.LOW if guessed else Confidence.HIGH,
            title=f"looks like a secret in the code: {kind}",
            why="Whoever can read the repository, or a copy of it, has it.",
            fix=_FIX,
            cwe=_CWE,
            key=secret.text("hashed_secret"),
        )


def _gitleaks(task: ScannerTask) -> list[str]:
    own = ["--no-banner", "--log-level", "error", "--ignore-gitleaks-allow", "--redact"]
    own += ["--config", task.settings, "--gitleaks-ignore-path", "/nothing"]
    return [task.program, "dir", *own, "--report-format", "json", "--report-path", "-", "."]


@parser("gitleaks")
def read_gitleaks(said: ToolOutput) -> Scan:
    """Of its JSON; it says `[]` when it is well."""
    found = [
        Weakness(
            rule=f"gitleaks/{leak.code('RuleID')}",
            path=said.path(leak.text("File")),
            line=leak.number("StartLine"),
            end_line=leak.number("EndLine"),
            severity=FIXED["gitleaks"],
            confidence=Confidence.HIGH,
            title=f"looks like a secret in the code: {said.words(leak.text('Description'))}",
            why="Whoever can read the repository, or a copy of it, has it.",
            fix=_FIX,
            cwe=_CWE,
            key=leak.text("RuleID"),
        )
        for leak in said.json_objects("gitleaks")
    ]
    incomplete = said.stopped("gitleaks", (0, 1)) or said.untold("gitleaks", found)
    return scan("gitleaks", found, incomplete)


WORDS_ONLY = ("detect-secrets", "gitleaks")
"""Look for what looks like a secret, in whatever language it stands."""

SCANNERS = (
    Scanner(
        name="detect-secrets",
        program="detect-secrets",
        takes=lambda subject: True,
        argv=_detect_secrets,
        parse=read_detect_secrets,
        called=_called,
        retold=_retold,
        splits=True,
        batches=_apart,
    ),
    Scanner(
        name="gitleaks",
        program="gitleaks",
        takes=lambda subject: not subject.path.endswith(".gitleaksignore"),
        argv=_gitleaks,
        parse=read_gitleaks,
        settings="[extend]\nuseDefault = true\n",
    ),
)
