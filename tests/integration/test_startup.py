"""What every call of the command line pays before it does anything."""

from __future__ import annotations

import subprocess
import sys

HEAVY = {"anthropic", "git", "github", "numpy", "scipy", "torch", "rich", "ray"}


def loaded_after(code: str) -> set[str]:
    probe = f"import sys\n{code}\nprint(*sorted(n for n in sys.modules if '.' not in n))"
    argv = [sys.executable, "-c", probe]
    done = subprocess.run(argv, check=True, capture_output=True, text=True)
    return set(done.stdout.splitlines()[-1].split())


def test_help_loads_nothing_heavy() -> None:
    code = (
        "from autoresearch_ci.cli.main import run_cli\n"
        "for words in (['--help'], ['run', '--help']):\n"
        "    try: run_cli(words)\n"
        "    except SystemExit: pass"
    )
    assert not loaded_after(code) & HEAVY


def test_the_list_of_commands_needs_no_configuration() -> None:
    code = (
        "from autoresearch_ci.cli.main import run_cli\n"
        "try: run_cli(['--help'])\n"
        "except SystemExit: pass"
    )
    assert not loaded_after(code) & (HEAVY | {"pydantic", "yaml"})


def test_a_scripted_run_loads_no_optimiser() -> None:
    assert not loaded_after("import autoresearch_ci.cli.run") & (HEAVY - {"git"})


def test_whether_there_is_a_key_is_known_without_the_sdk() -> None:
    assert not loaded_after("import autoresearch_ci.llm.credentials") & HEAVY
    assert not loaded_after("import autoresearch_ci.propose.claude_request") & HEAVY
