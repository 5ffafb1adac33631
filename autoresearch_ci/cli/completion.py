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
    """For `bash`, `zsh` or `fish`."""
    import shtab

    from autoresearch_ci.cli.arguments import make_parser

    parser = make_parser()
    if shell == "fish":
        return "\n".join((f"complete -c {parser.prog} -f", *_fish(parser, parser.prog, ())))
    for action in _actions(parser):
        if action.metavar in _FOLDERS:
            _completes(action, shtab.DIRECTORY)
        elif action.metavar in _FILES or action.type is Path:
            _completes(action, shtab.FILE)
    # Of a file that is read, zsh says that, and not that it evaluates.
    return str(shtab.complete(parser, shell)).replace("== eval ]]", "== (eval|file) ]]")


def _fish(parser: argparse.ArgumentParser, name: str, path: tuple[str, ...]) -> Iterator[str]:
    """Lines of fish, which shtab does not write, for a command and those within it.

    `path`: the words that lead to it.
    """
    there = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in path)
    expand = parser.formatter_class(prog=name)._expand_help
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            inner = " ".join(action.choices)
            here = "__fish_use_subcommand"
            here = f"{there}; and not __fish_seen_subcommand_from {inner}" if path else here
            for each in action._choices_actions:
                told = f"-n {_quoted(here)} -a {each.dest} -d {_quoted(expand(each))}"
                yield f"complete -c {name} {told}"
            for word, command in action.choices.items():
                yield from _fish(command, name, (*path, word))
            continue
        if action.help == argparse.SUPPRESS:
            continue
        words = [f"-n {_quoted(there or '__fish_use_subcommand')}"]
        words += [f"-l {flag[2:]}" for flag in action.option_strings if flag.startswith("--")]
        words += [f"-s {flag[1:]}" for flag in action.option_strings if len(flag) == 2]
        folder = action.metavar in _FOLDERS
        if action.metavar in _FILES or (action.type is Path and not folder):
            words.append("-rF")
        elif action.option_strings and action.nargs != 0:
            words.append("-x")
        if action.choices:
            words.append(f"-a {_quoted(' '.join(map(str, action.choices)))}")
        elif folder:
            words.append("-a '(__fish_complete_directories)'")
        elif not action.option_strings and "-rF" not in words:
            continue
        told = f" -d {_quoted(expand(action))}" if action.help else ""
        yield f"complete -c {name} {' '.join(words)}{told}"


def _quoted(text: str) -> str:
    """For fish, where a backslash stays special between single quotes."""
    text = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{' '.join(text.split())}'"


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
