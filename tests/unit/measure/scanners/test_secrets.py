"""Secrets in settings are seen where they stand: in comments, without quotes, below their name."""

from __future__ import annotations

import random
import re
import string
import subprocess
import sys
from pathlib import Path

import pytest
from detect_secrets.core.plugins.util import get_mapping_from_secret_type_to_class

from autoresearch_ci.execution.command import CommandResult
from autoresearch_ci.measure.diagnostics.adapter import ToolOutput
from autoresearch_ci.measure.scanners.available_scanners import SCANNERS
from autoresearch_ci.measure.scanners.scanner import ScannerTask

SCANNER = SCANNERS["detect-secrets"]


@pytest.mark.parametrize(
    ("path", "text", "wanted"),
    [
        ("a.yml", "# password: v1", {1: 'password = "v1"'}),
        ("a.yml", "db_password: v1 # old\nuser: me", {1: 'db_password = "v1"'}),
        ("a.yml", "- name: API_KEY\n  value: v1\n- name: X\n  value: y", {2: 'API_KEY = "v1"'}),
        ("a.yml", "api_key: |\n  v1\n  v2\nb: c", {2: 'api_key = "v1"'}),
        ("a.yml", "pwds:\n  - v1\n  - v2\nuser: me", {2: 'pwds = "v1"', 3: 'pwds = "v2"'}),
        ("a.yml", "env:\n  - QUEUE_PASSWORD=v1", {2: 'QUEUE_PASSWORD = "v1"'}),
        ("a.ini", "; secret = v1\npassword =\n    v2", {1: 'secret = "v1"', 3: 'password = "v2"'}),
        ("a.toml", 'secret = """\nv1"""', {2: 'secret = "v1"'}),
        (".env", "export TOKEN=v1\n#OLD_TOKEN=v2", {1: 'TOKEN = "v1"', 2: 'OLD_TOKEN = "v2"'}),
        ("prod.env.local", "TOKEN=v1", {1: 'TOKEN = "v1"'}),
        ("x/Dockerfile", "ENV TOKEN=v1\nENV TOKEN v2", {1: 'TOKEN = "v1"', 2: 'TOKEN = "v2"'}),
        ("a.sh", "  PGPASSWORD=v1; run", {}),
        ("a.sh", "  PGPASSWORD=v1", {1: 'PGPASSWORD = "v1"'}),
        ("a.yml", "password: ${PASSWORD}\nsecret: {{ x }}\ntoken: *t\npassword: true", {}),
        ("a.yml", "# password: see the vault\npassword_file: /run/x\npassword:\nuser: me", {}),
        ("a.yml", "secret:\n  secretName: api", {}),
    ],
)
def test_each_secret_of_settings_is_told_in_its_line(
    path: str, text: str, wanted: dict[int, str]
) -> None:
    retold = SCANNER.retold(path, text)
    assert retold is not None
    pairs = zip(text.split("\n"), retold[1].split("\n")[:-2], strict=True)
    assert {n: new for n, (old, new) in enumerate(pairs, 1) if old != new} == wanted


def test_code_is_shown_as_it_is_alone() -> None:
    assert [SCANNER.retold(path, "password = 1") for path in ("a.py", "a.md", "environment")] == [
        None
    ] * 3


LEAST = {
    "AWSKeyDetector": "AKIA" + "A" * 16,
    "ArtifactoryDetector": "x:APAaaaaaaaa",
    "AzureStorageKeyDetector": "AccountKey=" + "a" * 88,
    "Base64HighEntropyString": '"aA0"',
    "BasicAuthDetector": "a://b:c@",
    "CloudantDetector": "cl_pw=" + "a" * 24,
    "DiscordBotTokenDetector": f"M{'a' * 23}.{'a' * 6}.{'a' * 27}",
    "GitHubTokenDetector": "ghp_" + "a" * 36,
    "GitLabTokenDetector": "gldt-" + "a" * 20,
    "HexHighEntropyString": "'a0'",
    "IbmCloudIamDetector": "iam pass " + "a" * 44,
    "IbmCosHmacDetector": "secret_key " + "a" * 48,
    "IPPublicDetector": "8.8.8.8",
    "JwtTokenDetector": "eyJa.a",
    "KeywordDetector": "pwd: v",
    "MailchimpDetector": "a" * 32 + "-us1",
    "NpmDetector": "//a/:_authToken=npm_a",
    "OpenAIDetector": "sk-" + "a" * 20 + "T3BlbkFJ" + "a" * 20,
    "PrivateKeyDetector": "BEGIN PRIVATE KEY",
    "PypiTokenDetector": "pypi-AgEIcHlwaS5vcmc" + "a" * 70,
    "SendGridDetector": f"SG.{'a' * 22}.{'a' * 43}",
    "SlackDetector": "xoxb-1-a",
    "SoftlayerDetector": "sl key " + "a" * 64,
    "SquareOAuthDetector": "sq0csp-" + "a" * 43,
    "StripeDetector": "sk_live_" + "a" * 24,
    "TelegramBotTokenDetector": "1" * 8 + ":" + "a" * 35,
    "TwilioKeyDetector": "AC" + "a" * 32,
}
"""By detector, the least that it speaks of, or nearly."""


def test_no_line_is_passed_over_in_which_a_detector_could_find_something() -> None:
    argv = SCANNER.argv(ScannerTask(program="x", files=["a"]))
    dull = argv[argv.index("--exclude-lines") + 1]
    known = {plugin.__name__ for plugin in get_mapping_from_secret_type_to_class().values()}
    assert known == LEAST.keys(), "a detector whose forms are not known to be looked at"
    for line in (*LEAST.values(), "a\nb\n'c'"):
        assert not re.search(dull, line), line
    for line in ("", "    return a + b", "if x > 10.:", "def run(name, *words) -> None:"):
        assert re.search(dull, line), line


def told(folder: Path, *names: str) -> list[tuple[str, int]]:
    """What detect-secrets itself says of these files."""
    program = str(Path(sys.executable).with_name("detect-secrets"))
    argv = SCANNER.argv(ScannerTask(program=program, files=[f"./{name}" for name in names]))
    report = subprocess.run(argv, cwd=folder, capture_output=True, check=True).stdout
    said = ToolOutput(
        result=CommandResult(command="x", exit_code=0, output="", tail=""), report=report
    )
    found = SCANNER.parse(said).weaknesses
    return sorted((w.rule.partition("/")[2], w.line) for w in found)


def test_a_secret_that_is_handed_to_a_call_is_told(tmp_path: Path) -> None:
    mixed = string.ascii_letters + string.digits
    token, word = ("".join(random.Random(n).choices(mixed, k=36)) for n in range(2))
    code = f'api = connect("ghp_{token}")\ndb = connect(password="{word}")\n'
    (tmp_path / "a.py").write_text(code)
    (tmp_path / "a.ts").write_text(code)
    assert {("github-token", 1), ("secret-keyword", 2)} <= {*told(tmp_path, "a.py")}
    assert {("github-token", 1), ("secret-keyword", 2)} <= {*told(tmp_path, "a.ts")}


def test_what_is_told_twice_of_a_file_is_one_and_stands_in_its_own_line(tmp_path: Path) -> None:
    mixed = string.ascii_letters + string.digits
    first, second, third = ("".join(random.Random(n).choices(mixed, k=20)) for n in range(3))
    text = (
        f"password: {first}\nkeys:\n  tls.key: |\n    -----BEGIN RSA PRIVATE KEY-----\n"
        f"    {second}\n# smtp_password: {third}\n"
    )
    name, brought = SCANNER.retold("a.yml", text) or ("", "")
    (tmp_path / "a.yml").write_text(text)
    (tmp_path / name).write_text(brought)
    assert told(tmp_path, "a.yml", name) == [
        ("private-key", 4),
        ("secret-keyword", 1),
        ("secret-keyword", 6),
    ]
