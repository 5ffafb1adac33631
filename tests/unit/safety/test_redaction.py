"""Which values are secret, in what disguise they are recognised, and what is left alone."""

from __future__ import annotations

import json
import random
import string
import sys
from types import FrameType
from typing import Any

import pytest

from autoresearch_ci.safety.redaction import Redactor
from autoresearch_ci.safety.secret_values import (
    declared_values,
    looks_secret,
    must_leave,
    pieces,
    secret_values,
)
from tests.canary import forms

RANDOM = random.Random(7)
URLSAFE = string.ascii_letters + string.digits + "-_"


def token(length: int = 40, alphabet: str = URLSAFE) -> str:
    return "".join(RANDOM.choices(alphabet, k=length))


SECRET = token()
ALL = Redactor([SECRET])


def windows(text: str, length: int = 12) -> list[str]:
    return [text[at : at + length] for at in range(len(text) - length + 1)]


@pytest.mark.parametrize("name", forms(SECRET))
def test_any_twelve_characters_of_any_form_are_found_wherever_they_stand(name: str) -> None:
    for number, window in enumerate(windows(forms(SECRET)[name])):
        for before in ("", "x" * (number % 9), "key = '"):
            text = f"{before}{window} and more"
            assert ALL.found_in(text), window
            assert ALL.found_in(text.encode()), window
            assert window not in ALL.redact(text)


def test_no_window_of_many_secrets_is_missed() -> None:
    secrets = [token(RANDOM.randrange(12, 90), string.printable[:94]) for _ in range(60)]
    usable = [s for s in secrets if list(pieces(s)) == [s]]
    assert len(usable) > 20
    for secret in usable:
        redactor = Redactor([secret])
        for code in forms(secret).values():
            for window in windows(code):
                assert redactor.found_in(window), (secret, window)


@pytest.mark.parametrize(
    "spread",
    [
        "\n".join,
        " ".join,
        lambda s: '" + "'.join(s[at : at + 5] for at in range(0, len(s), 5)),
        lambda s: str(list(s)),
        lambda s: s.swapcase(),
        lambda s: "".join(f"\\x{ord(c):02x}" for c in s),
        lambda s: "".join(f"%{ord(c):02X}" for c in s),
        lambda s: str(list(s.encode())),
        lambda s: ", ".join(hex(ord(c)) for c in s),
        lambda s: s.encode().hex(" ", 2),
    ],
    ids=[
        "lines",
        "blanks",
        "concatenated",
        "list",
        "case",
        "escapes",
        "percent",
        "codes",
        "0x",
        "dump",
    ],
)
def test_what_stands_between_the_characters_does_not_hide_them(spread: object) -> None:
    assert callable(spread)
    text = f"before {spread(SECRET)} after"
    assert ALL.found_in(text)
    clean = ALL.redact(text)
    assert clean.startswith("before ")
    assert clean.endswith(" after")
    assert not ALL.found_in(clean)


def test_a_form_in_utf_16_is_found() -> None:
    assert ALL.found_in(f"x {SECRET}".encode("utf-16"))


def test_redacting_leaves_everything_else_and_changes_nothing_the_second_time() -> None:
    text = f"é {SECRET}\nscore: 3\n\ud800 {SECRET[5:30]} ✓"
    clean = ALL.redact(text)
    assert clean == "é ***\nscore: 3\n\ud800 *** ✓"
    assert ALL.redact(clean) == clean


def test_eleven_characters_are_nobodys() -> None:
    assert not any(ALL.found_in(f" {window} ") for window in windows(SECRET, 11))


def test_a_short_secret_is_found_as_a_whole_only() -> None:
    redactor = Redactor(["s3cr3t!9x"])
    assert redactor.redact("is s3cr3t!9x, reversed x9!t3rc3s") == "is ***, reversed ***"
    assert not redactor.found_in("s3cr3t!9")


@pytest.mark.parametrize(
    "value",
    [
        *("", "true", "1", "disabled", "required", "Enabled", "100000000", "3.14159265", "short12"),
        *("/home/runner/work/_temp", "~/.ssh/id_rsa", "./keys/", "ANTHROPIC_API_KEY", "aaaaaaaa"),
        *("https://api.example.org/v1/messages", "00000000-0000-0000", "2026-01-01 10:00"),
    ],
)
def test_ordinary_values_are_no_secrets(value: str) -> None:
    assert list(pieces(value)) == []
    assert not Redactor([value])


@pytest.mark.parametrize(
    "prefix", ["sk-ant-api03-", "ghp_", "github_pat_", "xoxb-", "npm_", "glpat-", "Bearer "]
)
def test_what_every_token_of_a_service_begins_with_is_no_secret(prefix: str) -> None:
    redactor = Redactor([prefix + SECRET])
    assert not redactor.found_in(f"keys look like {prefix}..., or {prefix}abc")
    assert redactor.redact(f"key {prefix}{SECRET}") == f"key {prefix}***"


def test_the_head_of_a_json_web_token_is_no_secret() -> None:
    head = "eyJ0eXAiOiJKV1QiLCJhbGciOiJSUzI1NiJ9"
    redactor = Redactor([f"{head}.{SECRET}.{token()}"])
    assert not redactor.found_in(head)
    assert redactor.found_in(SECRET)


def test_only_the_secret_parts_of_a_structured_value_count() -> None:
    key = token(64, string.ascii_letters + string.digits + "+/")
    account = {
        "type": "service_account",
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "private_key": f"-----BEGIN PRIVATE KEY-----\n{key}\n-----END PRIVATE KEY-----\n",
    }
    assert list(pieces(json.dumps(account))) == [key]
    assert list(pieces(f"https://user:{SECRET}@proxy.example.org:8080/")) == [SECRET]
    assert list(pieces(f"https://{SECRET}@example.org/x.git")) == [SECRET]
    hook = token(24, string.ascii_letters) + "7"
    assert list(pieces(f"https://hooks.example.org/services/{hook}")) == [hook]
    assert list(pieces(f"X-Api-Key: {SECRET}\nX-Team: red")) == [SECRET]


@pytest.mark.parametrize(
    ("name", "value", "leaves"),
    [
        ("ANTHROPIC_API_KEY", "x", True),
        ("GITHUB_TOKEN", "x", True),
        ("GITHUB_WORKSPACE", "/w", True),
        ("ACTIONS_RUNTIME_URL", "https://x", True),
        ("INPUT_ANTHROPIC-API-KEY", "x", True),
        ("RUNNER_TEMP", "/t", True),
        ("DB_PASSWORD", "x", True),
        ("HTTPS_PROXY", "http://user:pass@proxy:3128", True),
        ("HTTPS_PROXY", "http://proxy:3128", False),
        ("ANYTHING", "ghp_" + "a1" * 18, True),
        ("ANTHROPIC_CUSTOM_HEADERS", "x-key: 1", True),
        ("GOOGLE_APPLICATION_CREDENTIALS", "/key.json", False),
        ("AWS_WEB_IDENTITY_TOKEN_FILE", "/token", False),
        ("SSH_AUTH_SOCK", "/run/agent", False),
        ("AUTHOR", "Jane Doe", False),
        ("PATH", "/bin", False),
        ("HOME", "/root", False),
    ],
)
def test_what_looks_secret_leaves_the_environment(name: str, value: str, leaves: bool) -> None:
    assert must_leave(name, value) is leaves
    assert looks_secret(name, value) or not leaves


def test_a_runners_variables_leave_but_are_no_secrets() -> None:
    environment = {
        "GITHUB_REPOSITORY": "octocat/hello-world",
        "GITHUB_TOKEN": f"ghs_{SECRET}",
        "INPUT_BUDGET-TOKENS": "1000000000",
        "INPUT_CLAUDE-KEY-VARIABLE": "MY_OWN_API_KEY",
    }
    redactor = Redactor(secret_values(environment))
    assert not redactor.found_in("octocat/hello-world 1000000000 MY_OWN_API_KEY")
    assert redactor.found_in(SECRET)


def test_what_is_given_to_a_program_is_secret_by_its_name_or_when_it_looks_random() -> None:
    given = {
        "MODEL": "Qwen2.5-Coder-7B-Instruct",
        "Accept": "application/json",
        "anthropic-beta": "context-1m-2025-08-07",
        "Authorization": "Bearer abcdefgh12345",
        "NAMELESS": SECRET.replace("-", "a"),
    }
    assert set(declared_values(given)) == {given["Authorization"], given["NAMELESS"]}


def test_nested_values_are_redacted_in_every_string() -> None:
    value = {"a": [f"x {SECRET}", 1, None], SECRET: {"b": (SECRET,)}}
    assert ALL.found_in_any(value)
    clean = ALL.redact_all(value)
    assert clean == {"a": ["x ***", 1, None], "***": {"b": ["***"]}}
    assert not ALL.found_in_any(clean)


def test_without_secrets_nothing_is_read() -> None:
    text = "anything"
    assert Redactor().redact(text) is text
    assert not Redactor().found_in(text)


@pytest.mark.parametrize("secret", [token(200), "xY9-kq" * 27], ids=["random", "repeats itself"])
def test_a_secret_that_is_printed_over_and_over_costs_few_steps_for_each_character(
    secret: str,
) -> None:
    redactor, text = Redactor([secret]), f"{secret[:150]}\n" * 200
    redactor.redact(text[:151])
    steps = 0

    def count(_frame: FrameType, _event: str, _value: object) -> Any:
        nonlocal steps
        steps += 1
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        told = redactor.redact(text)
    finally:
        sys.settrace(before)
    assert not told.strip("*\n")
    assert steps < 20 * len(text)  # 1000 where each of its places is followed
