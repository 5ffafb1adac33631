"""Programs as commands: which there are, and the flags that their front matter says.

A program of ours that has no file of its own in cli/ is a command by its name alone.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

OWN_FILE = Path(__file__).parent
_LINE = re.compile(rb"^(about|outputs): *(.+?) *\r?$", re.MULTILINE)
GENERAL = "investigate"
"""The command for a program of one's own."""


def programs() -> Iterator[tuple[str, str]]:
    """Name and one line of help of each program that cli/investigate.py runs.

    One that writes nothing is a part of another command.
    """
    folder = resources.files("autoresearch_ci") / "programs"
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        name = file.name.removesuffix(".md")
        said = dict(_LINE.findall(file.read_bytes()))
        if said[b"outputs"] != b"[]" and not (OWN_FILE / f"{name}.py").exists():
            yield name, said[b"about"].decode()


def add_general(command: argparse.ArgumentParser, name: str) -> None:
    """What every program can be told. `name`: of the program; empty: `--program` says it."""
    command.set_defaults(module="investigate", name=name)
    if not name:
        command.add_argument("--program", metavar="FILE", required=True, help="the program")
        command.add_argument(
            "--say",
            action="append",
            default=[],
            metavar="NAME=TEXT",
            help="one of the program's `inputs`",
        )
    command.add_argument("--depth", metavar="WORD", help="how far to go, in a word of the program")
    command.add_argument(
        "--focus", metavar="WORDS", help="cells of the grid, roles, or words, with commas"
    )
    command.add_argument(
        "--fail-on",
        metavar="SEVERITY",
        choices=("critical", "high", "medium", "low", "info", "never"),
        default="never",
        help="exit 1 when something is open from this severity on, or not all was looked at",
    )
    command.add_argument(
        "--allow-incomplete",
        action="store_true",
        help="with --fail-on: pass although not all was looked at",
    )
    command.add_argument(
        "--dry-run", action="store_true", help="ask nobody: show what would be asked"
    )
    command.add_argument("--tag", help="name of the investigation; default: today's date")
    command.add_argument("--resume", action="store_true", help="continue the one of that tag")
    command.add_argument(
        "--output", type=Path, metavar="DIR", help="its folder; default: autoresearch/NAME-TAG"
    )
    command.add_argument("--json", action="store_true", help="print the handoff as JSON")
    _add_of_panels(command)


def _add_of_panels(command: argparse.ArgumentParser) -> None:
    command.add_argument(
        "--adversarial",
        metavar="SET",
        nargs="?",
        const="adversarial",
        default="",
        help="a panel of other roles: one of the program's `sets`",
    )
    command.add_argument("--personas", type=int, metavar="N", help="how many roles of a panel")
    command.add_argument("--rounds", type=int, metavar="N", help="how many rounds of votes")
    command.add_argument(
        "--max-findings", type=int, metavar="N", help="how many findings a panel may bring"
    )


def add_inputs(command: argparse.ArgumentParser, name: str) -> None:
    """A flag for each input of a program of ours."""
    from autoresearch_ci.investigate.program import bundled

    for flag, asked in bundled(name).facts.inputs.items():
        command.add_argument(
            f"--{flag}",
            dest=f"input_{flag}",
            metavar="WORD" if asked.choices else "TEXT",
            choices=asked.choices or None,
            default="",
            help=asked.about,
        )
