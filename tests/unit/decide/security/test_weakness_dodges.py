"""What takes a feature away, or hides a weakness, is told; what repairs is not."""

from __future__ import annotations

import hashlib

import pytest

from autoresearch_ci.decide.security.dodges import dodges
from autoresearch_ci.decide.security.weakness import Severity, Weakness

SHELL = "import subprocess\n\n\n@app.get('/size')\ndef size(name):\n    return run(name)\n"
JOB = (
    "on: [push, pull_request_target]\njobs:\n  a:\n    steps:\n"
    "      - uses: x/y@v1\n      - run: make\n"
)
SECRET = "hunter2-and-more"


def weakness(path: str = "a.py", line: int = 6, cwe: int = 78, key: str = "") -> Weakness:
    return Weakness(
        rule="tool/R1", path=path, line=line, severity=Severity.HIGH, title="t", cwe=cwe, key=key
    )


def told(
    old: str, new: str | None, *, path: str = "a.py", weak: Weakness | None = None, **more: str
) -> list[str]:
    """Rules; `more`: other files that the change adds, `_` for a dot."""
    before: dict[str, bytes | None] = {path: old.encode()}
    after: dict[str, bytes | None] = {path: None if new is None else new.encode()}
    for name, text in more.items():
        before[name.replace("_", ".")] = None
        after[name.replace("_", ".")] = text.encode()
    return [found.rule for found in dodges(before, after, [weak or weakness(path)])]


@pytest.mark.parametrize(
    "new",
    [
        None,
        "import subprocess\n",
        SHELL.replace("return run(name)", "pass"),
        SHELL.replace("return run(name)", "raise ValueError(name)"),
        SHELL.replace("return run(name)", "return []"),
        SHELL.replace("@app.get('/size')\n", ""),
        SHELL.replace("/size", "/other"),
        SHELL.replace("def size", "def other"),
    ],
)
def test_where_the_weakness_stood_something_still_has_to_be_done(new: str | None) -> None:
    assert told(SHELL, new) == ["feature-removed"]


@pytest.mark.parametrize(
    "new",
    [
        SHELL.replace("run(name)", "subprocess.run(['ls', name], check=True)"),
        SHELL.replace("run(name)", "subprocess.run(['ls', name], shell=False)"),
        SHELL.replace("run(name)", "subprocess.run(['ls'], stdout=subprocess.PIPE)"),
        SHELL.replace("run(name)", "subprocess.run('ls ' + name, shell=True)"),
        SHELL.replace("def size(name)", "def size(name, *, safe=True)"),
        SHELL.replace(
            "    return", "    if not name.isalnum():\n        raise ValueError\n    return"
        ),
        SHELL.replace("run(name)", "getattr(name, 'size')"),
    ],
)
def test_a_repair_is_none_of_it_nor_what_scanners_see_by_themselves(new: str) -> None:
    assert told(SHELL, new) == []


@pytest.mark.parametrize(
    "call",
    [
        "subprocess.run(name, shell=FLAG)",
        "subprocess.run(name, **options)",
        "subprocess.run(['/bin/bash', '-lc', name])",
        "subprocess.run(['cmd.exe', '/c', name])",
        "getattr(subprocess, 'ru' + 'n')(name)",
        "__import__('os').system(name)",
        "importlib.import_module('os').system(name)",
        "pool.submit(subprocess.call, name)",
        "globals()['x'](name)",
        "subprocess.run(f'sh -c {name}'.split())",
        "asyncio.create_subprocess_shell(name)",
    ],
)
def test_what_scanners_cannot_see_through_hides_a_weakness(call: str) -> None:
    assert "weakness-hidden" in told(SHELL, SHELL.replace("run(name)", call))


def test_what_was_hidden_before_is_no_news() -> None:
    old = SHELL.replace("run(name)", "getattr(subprocess, name)()")
    assert told(old, old.replace("'/size'", "'/size', ['x']")) == ["feature-removed"]
    assert told(old, f"# more\n{old}") == []


@pytest.mark.parametrize(
    ("query", "hidden"),
    [
        ('"SELECT a FROM b WHERE c = ?", (name,)', False),
        ('"SELECT a FROM b " "WHERE c = ?", (name,)', False),
        ('"SELECT a FROM b " + "WHERE c = ?", (name,)', False),
        ("select(User).where(User.name == name)", False),
        ("QUERY, (name,)", False),
        ('f"SELECT a FROM b WHERE c = {name}"', True),
        ('"SEL" + kind + name', True),
        ('"{} a".format(name)', True),
        ('" ".join(parts)', True),
        ("BUILT", True),
    ],
)
def test_a_query_that_is_put_together_is_no_repair(query: str, hidden: bool) -> None:
    start = 'QUERY = "SELECT 1"\nBUILT = "x" + name\n\n\ndef f(name):\n    return db.'
    rules = told(f"{start}old(name)\n", f"{start}execute({query})\n", weak=weakness(cwe=89))
    assert ("weakness-hidden" in rules) is hidden


@pytest.mark.parametrize(
    "new",
    [
        JOB.replace("[push, pull_request_target]", "push").replace("      - run: make\n", ""),
        JOB.replace("push, ", ""),
        JOB.replace("  a:", "  b:"),
        JOB.replace("run: make", "run: 'true'"),
        JOB.replace("x/y@v1", "x/z@v1"),
        "name: nothing\n",
        "{",
    ],
)
def test_a_workflow_still_has_to_do_what_it_did(new: str) -> None:
    path = ".github/workflows/a.yml"
    assert set(told(JOB, new, path=path)) == {"feature-removed"}


def test_a_workflow_may_pin_and_ask_less() -> None:
    path = ".github/workflows/a.yml"
    new = JOB.replace("x/y@v1", "x/y@0123").replace("pull_request_target", "pull_request")
    assert told(JOB, new.replace("run: make", "run: make all"), path=path) == []


@pytest.mark.parametrize(
    "text",
    [
        f'KEY = "{SECRET}" # other\n',
        f'KEY = "{SECRET[:5]}" + "{SECRET[5:]}"\n',
        f'KEY = "{SECRET[:5]}" f"{SECRET[5:]}"\n',
        f'KEY = "{SECRET[::-1]}"[::-1]\n',
        f'KEY = bytes.fromhex("{SECRET.encode().hex()}")\n',
    ],
)
def test_a_secret_is_gone_when_it_stands_nowhere(text: str) -> None:
    key = hashlib.sha1(SECRET.encode(), usedforsecurity=False).hexdigest()
    weak = weakness(line=1, cwe=798, key=key)
    old = f'KEY = "{SECRET}"\n'
    assert "weakness-hidden" in told(old, text, weak=weak)
    assert "weakness-hidden" in told(old, "KEY = read()\n", weak=weak, b_txt=text)
    assert told(old, "import os\n\nKEY = os.environ['KEY']\n", weak=weak) == []
    assert told(old + old, f"KEY = read()\n{old}", weak=weak) == []


def test_a_secret_s_own_file_may_go_and_a_dependency_may_change() -> None:
    assert told("KEY=1\n", None, path=".env", weak=weakness(".env", 1, 798)) == []
    assert told("a==1\n", "b==1\n", path="r.py", weak=weakness("r.py", 1, 1395)) == []
