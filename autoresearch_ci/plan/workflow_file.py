"""The workflows of a use: examples/workflows with a repository's own way to install; pure.

Only what differs from repository to repository is put in; everything else, permissions above all,
stands as the example has it. What of ours a new file names on the forge is named here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from autoresearch_ci import __version__

USES: Mapping[str, tuple[str, str]] = {
    "nightly": ("nightly.yml", ".github/workflows/autoresearch.yml"),
    "gate": ("gate.yml", ".github/workflows/autoresearch-gate.yml"),
    "fix": ("fix.yml", ".github/workflows/autoresearch-fix.yml"),
}
"""The example, and where it goes."""
OURS = "OWNER/autoresearch-ci"
"""What stands in the examples for the repository that holds our workflows."""
_NAMED = re.compile(r"uses: OWNER/autoresearch-ci(?P<path>/\S+)@(?P<ref>\S+)")
_SETUP = re.compile(r"(?m)^(?: +#.*\n)*( +)setup-command:.*\n")


def schema_line(source: str = "") -> str:
    """By which editors know the keys of a configuration; `source`: as for a workflow."""
    name, _, ref = (source or OURS).partition("@")
    path = f"{name}/{ref or f'v{__version__}'}/autoresearch_ci/schema.json"
    return f"yaml-language-server: $schema=https://raw.githubusercontent.com/{path}"


def workflow_text(
    example: str, *, install: Sequence[str], host: bool, source: str = "", header: str = ""
) -> str:
    """`host`: needs a toolchain that our container lacks. `source`: `OWNER/NAME@REF`, if known."""
    text = re.sub(r"\A(?:#.*\n)+", "", example)
    match = _SETUP.search(text)
    if match is None:
        raise ValueError("the example has no setup-command")
    indent = match[1]
    lines = [f"{indent}host: true\n"] if host else []
    lines += _setup(install, indent)
    text = text[: match.start()] + "".join(lines) + text[match.end() :]
    text = re.sub(r"(?m)^ +iterations:.*\n", "", text)  # the configuration says how many
    text = re.sub(r"(?m)^ +with:\n(?=(?: {0,4}\S|\Z))", "", text)
    if source:
        name, _, ref = source.partition("@")
        text = _NAMED.sub(lambda m: f"uses: {name}{m['path']}@{ref or m['ref']}", text)
    return f"# {header}\n{text}" if header else text


def _setup(install: Sequence[str], indent: str) -> list[str]:
    if len(install) == 1 and not re.search(r"[:#'\"]", install[0]):
        return [f"{indent}setup-command: {install[0]}\n"]
    block = [f"{indent}  {line}\n" for line in install]
    return [f"{indent}setup-command: |\n", *block] if block else []
