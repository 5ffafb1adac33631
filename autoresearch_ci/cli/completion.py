"""`autoresearch-ci completion SHELL`: a script that completes commands, flags, words and files.

It is written from the parser once, so that no TAB has to start us.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_FILES, _FOLDERS = ("FILE", "TSV", "FOLDER"), ("DIR",)


def main(options: argparse.Namespace) -> int:
    """Print it."""
    print(script(options.shell))
    return 0


def script(shell: str) -> str:
    """For `bash` or `zsh`."""
    import shtab

    from autoresearch_ci.cli.arguments import make_parser

    parser = make_parser()
    for action in _actions(parser):
        if action.metavar in _FOLDERS:
            _completes(action, shtab.DIRECTORY)
        elif action.metavar in _FILES or action.type is Path:
            _completes(action, shtab.FILE)
    # Of a file that is read, zsh says that, and not that it evaluates.
    return str(shtab.complete(parser, shell)).replace("== eval ]]", "== (eval|file) ]]")


def _completes(action: argparse.Action, how: Mapping[str, Any]) -> None:
    """The attribute by which shtab is told."""
    told: Any = action
    told.complete = how


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Of a parser and of all its commands."""
    for action in parser._actions:
        yield action
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
