"""What only looks insecure is told as mild, and what is insecure beside it is not."""

from __future__ import annotations

import hashlib
from typing import Any

import pytest

from autoresearch_ci.decide.security.mild_weaknesses import each_secret, names_a_secret, weighed
from autoresearch_ci.decide.security.weakness import Severity, Weakness, identified

HIGH, MEDIUM, LOW, INFO = Severity.HIGH, Severity.MEDIUM, Severity.LOW, Severity.INFO


def severity(rule: str, content: str, line: int = 0, **facts: Any) -> Severity:
    told = {"path": "a.py", "severity": HIGH, "title": "t", **facts}
    line = line or content.rstrip("\n").count("\n") + 1
    found = weighed(Weakness(rule=rule, line=line, end_line=line, **told), content)
    assert ("Mild here: " in found.why) is (found.severity is not told["severity"])
    return found.severity


SHLEX = "import shlex, subprocess, os\n"


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        (SHLEX + 'subprocess.run(f"wc < {shlex.quote(path)}", shell=True)', LOW),
        (SHLEX + 'subprocess.run("wc < " + shlex.quote(path), shell=True).stdout', LOW),
        (SHLEX + 'subprocess.run("wc < {}".format(shlex.quote(path)), shell=True)', LOW),
        (SHLEX + "subprocess.run(args=shlex.join(words), shell=True)", LOW),
        (SHLEX + 'subprocess.run(" ".join(shlex.quote(w) for w in ws), shell=True)', LOW),
        ("from shlex import quote as q\nos.system(f'head -n {int(n)} {q(path)}')", LOW),
        (SHLEX + 'subprocess.run(f"wc {more} < {shlex.quote(path)}", shell=True)', HIGH),
        (SHLEX + "subprocess.run(f\"grep '{shlex.quote(words)}' a\", shell=True)", HIGH),
        (SHLEX + 'subprocess.run(f"sh -c {shlex.quote(line)}", shell=True)', HIGH),
        (SHLEX + "subprocess.run(line, shell=True); shlex.quote(line)", HIGH),
        (SHLEX + 'subprocess.run(f"python3 -I -c {shlex.quote(line)}", shell=True)', HIGH),
        (SHLEX + 'subprocess.run("node --eval=" + shlex.quote(line), shell=True)', HIGH),
        (SHLEX + 'subprocess.run(f"awk {shlex.quote(line)} a.txt", shell=True)', HIGH),
        (SHLEX + 'subprocess.run(f"python3 train.py {shlex.quote(path)}", shell=True)', LOW),
        ('import mine as shlex\nos.system(f"wc {shlex.quote(p)}")', HIGH),
        ('import shlex\nshlex = mine\nos.system(f"wc {shlex.quote(p)}")', HIGH),
        ('import shlex\nfrom mine import *\nos.system(f"wc {shlex.quote(p)}")', HIGH),
        ('def f(shlex):\n    os.system(f"wc {shlex.quote(p)}")', HIGH),
        ("os.system(f'wc {shlex.quote(p)}'", HIGH),  # no Python
    ],
)
def test_a_command_is_mild_when_every_part_that_varies_is_quoted(
    code: str, wanted: Severity
) -> None:
    rule = "bandit/B605" if "os.system" in code else "bandit/B602"
    assert severity(rule, code) is wanted


def test_no_other_call_on_the_line_of_the_shell_argument_answers_for_the_command() -> None:
    code = 'run(\n    f"rm {name}",\n    shell=True, cwd=Path("x"),\n)\n'
    assert severity("bandit/B602", code, line=3) is HIGH
    mild = (
        f'{SHLEX}subprocess.run(\n    f"rm {{shlex.quote(n)}}",\n    shell=True, cwd=Path(d),\n)\n'
    )
    assert severity("bandit/B602", mild, line=4) is LOW
    assert severity("bandit/B604", 'remote("host", line, shell=True)') is HIGH


def test_a_text_that_is_taken_a_number_of_times_is_not_mild_for_that_number() -> None:
    assert (
        severity("bandit/B608", "db.execute(f\"SELECT 1 FROM t WHERE a = '{1 * name}'\")") is HIGH
    )
    assert severity("bandit/B608", "n = 2\ndb.execute('SELECT %s' % (n * name))") is HIGH


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ('marks = ",".join("?" * len(ids))\ndb.execute(f"SELECT 1 IN ({marks})", ids)', INFO),
        ('db.execute("SELECT 1 IN (%s)" % ",".join(["?"] * len(ids)), ids)', INFO),
        ("db.execute(f\"SELECT 1 IN ({', '.join('?' for _ in ids)})\", ids)", INFO),
        ('NAMES: str = "id, total"\ndb.execute(f"SELECT {NAMES} FROM t")', INFO),
        ('db.execute(f"SELECT 1 LIMIT {int(n)}")', INFO),
        ('db.execute("SELECT {} FROM t".format("a" if wide else "b"))', INFO),
        ('db.execute(f"SELECT 1 LIMIT {n}")', MEDIUM),
        ('n = 1\nn = given\ndb.execute(f"SELECT 1 LIMIT {n}")', MEDIUM),
        ('n = "1"\nn += given\ndb.execute(f"SELECT 1 LIMIT {n}")', MEDIUM),
        ('n = "1"\ndef f(n):\n    db.execute(f"SELECT 1 LIMIT {n}")', MEDIUM),
        ('n = "1"\ndef g():\n    global n\n    n = x\ndb.execute(f"SELECT 1 LIMIT {n}")', MEDIUM),
        ('m = ["?"]\nm.append(given)\ndb.execute(f"SELECT 1 IN ({\',\'.join(m)})")', MEDIUM),
        ('int = str\ndb.execute(f"SELECT 1 LIMIT {int(n)}")', MEDIUM),
        ('db.execute(f"SELECT 1 LIMIT {int(n):{fill}}")', MEDIUM),
        ('db.execute("SELECT x" + given + f" LIMIT {int(n)}")', MEDIUM),
        ('db.execute("SELECT x LIMIT n".replace("n", given))', MEDIUM),
    ],
)
def test_a_query_is_mild_when_nobody_can_put_words_into_it(code: str, wanted: Severity) -> None:
    assert severity("bandit/B608", code, severity=MEDIUM) is wanted


def test_a_query_over_several_lines_is_judged_whole() -> None:
    code = 'db.execute(given +\n  ("SELECT " + "a"))'
    assert severity("bandit/B608", code, line=2, severity=MEDIUM) is MEDIUM


@pytest.mark.parametrize(
    ("code", "wanted"),
    [
        ("from markupsafe import Markup, escape\nMarkup('<p>' + escape(name) + '</p>')", INFO),
        ("from html import escape\nMarkup(f'<p>{escape(name)}</p>')", INFO),
        ("from markupsafe import escape\nMarkup('<p>' + title + escape(name))", MEDIUM),
        ("from markupsafe import escape\nMarkup(f'<a href=\"{escape(url)}\">')", MEDIUM),
        ("from markupsafe import escape\nMarkup(f'<a title={escape(name)}>')", MEDIUM),
        ("from mine import escape\nMarkup(f'<p>{escape(name)}</p>')", MEDIUM),
    ],
)
def test_a_page_is_mild_when_every_part_that_varies_is_escaped(code: str, wanted: Severity) -> None:
    assert severity("bandit/B704", code, severity=MEDIUM) is wanted


@pytest.mark.parametrize(
    ("rule", "code", "wanted"),
    [
        ("B301", "import pickle\npickle.loads(pickle.dumps([1]))", INFO),
        ("B301", "import pickle\npickle.loads(given)", MEDIUM),
        ("B307", "eval('1 + 1')", INFO),
        ("B307", "eval('1 + ' + given)", MEDIUM),
    ],
)
def test_what_is_read_back_or_does_not_vary_is_mild(rule: str, code: str, wanted: Severity) -> None:
    assert severity(f"bandit/{rule}", code, severity=MEDIUM) is wanted


@pytest.mark.parametrize(
    ("mask", "wanted"), [("0o755", INFO), ("0o777", HIGH), ("0o4755", HIGH), ("0o775", HIGH)]
)
def test_a_mask_is_mild_when_only_the_owner_may_write(mask: str, wanted: Severity) -> None:
    title = f"Chmod setting a permissive mask {mask} on file (path)."
    assert severity("bandit/B103", f"os.chmod(path, {mask})", title=title) is wanted


def test_that_something_is_used_is_no_weakness_and_what_tests_may_do_is_none_there() -> None:
    assert severity("bandit/B603", "subprocess.run(words)", severity=LOW) is INFO
    assert severity("bandit/B404", "import subprocess", severity=LOW) is INFO
    assert severity("bandit/B101", "assert x", severity=LOW) is LOW
    assert severity("bandit/B101", "assert x", severity=LOW, path="tests/test_x.py") is INFO
    assert severity("bandit/B602", "subprocess.run(x, shell=True)", path="tests/test_x.py") is HIGH


def secret(rule: str, value: str, line: str, **facts: Any) -> Severity:
    key = hashlib.sha1(value.encode(), usedforsecurity=False).hexdigest()
    return severity(f"detect-secrets/{rule}", line, key=key, **facts)


@pytest.mark.parametrize(
    ("rule", "value", "line", "wanted"),
    [
        ("secret-keyword", "changeme", "password: changeme", INFO),
        ("secret-keyword", "your-api-key", 'api_key = "your-api-key"', INFO),
        ("secret-keyword", "/run/secrets/db", "PASSWORD_FILE: /run/secrets/db", INFO),
        ("secret-keyword", "basic", '{"password": "basic"}', INFO),
        ("secret-keyword", "hunter2", 'password = "hunter2"  # example', MEDIUM),
        ("secret-keyword", "Tr0ub4dor&3", "password = Tr0ub4dor&3", MEDIUM),
        ("secret-keyword", "of another line", "password = changeme", MEDIUM),
        ("aws-access-key", "AKIAIOSFODNN7EXAMPLE", "id=AKIAIOSFODNN7EXAMPLE", INFO),
        ("github-token", "ghp", "TOKEN=ghp_" + "x" * 36, INFO),
        ("github-token", "ghp", "TOKEN=ghp_" + "a1B2c3D4e5F6" * 3, MEDIUM),
        ("github-token", "ghp", f"[ghp_{'x' * 36}, ghp_{'a1B2c3D4e5F6' * 3}]", MEDIUM),
        ("basic-auth-credentials", "password", "postgres://user:password@db/app", INFO),
        ("basic-auth-credentials", "a%20word", "get('https://me:a%20word@x.org')", INFO),
        ("basic-auth-credentials", "hunter2", "postgres://user:hunter2@db/app", MEDIUM),
        ("secret-keyword", "https://x.org/login", 'secret = "https://x.org/login"', INFO),
        ("secret-keyword", "/x" + "9fK3" * 9, f'secret = "/x{"9fK3" * 9}"', MEDIUM),
        ("secret-keyword", "https://x.org/?t=1", 'secret = "https://x.org/?t=1"', MEDIUM),
        ("slack-token", "https://hooks.slack.com/a", "S=https://hooks.slack.com/a", MEDIUM),
        ("secret-keyword", "read_password(", 'password = read_password("Password: ")', INFO),
        ("secret-keyword", "process.env[", 'token: process.env["TOKEN"]', INFO),
        ("secret-keyword", "hunter(2", 'connect(password="hunter(2")', MEDIUM),
        ("secret-keyword", "hunter2", 'db = connect(password="hunter2")', MEDIUM),
        ("hex-high-entropy-string", "9fceb02d0ae5", 'COMMIT = "9fceb02d0ae5"', INFO),
        ("hex-high-entropy-string", "9fceb02d0ae5", 'KEY = "9fceb02d0ae5"', MEDIUM),
    ],
)
def test_what_stands_for_a_secret_is_none(
    rule: str, value: str, line: str, wanted: Severity
) -> None:
    assert secret(rule, value, line, severity=MEDIUM) is wanted


def test_the_words_of_a_key_are_none_where_no_key_follows() -> None:
    begin, body = "-----BEGIN RSA PRIVATE KEY-----", "MIIEpAIBAAKCAQEA7bq0"
    assert keys(f'if text == "{begin}":\n') == [(1, 1, INFO)]
    assert keys(f"{begin}\n{body * 3}\n") == [(1, 2, HIGH)]
    assert keys(f'"{begin}\\n{body * 3}"') == [(1, 1, HIGH)]


def keys(content: str) -> list[tuple[int, int, Severity]]:
    """First line, last line and severity of each, where the first one is told of."""
    told = Weakness(
        rule="detect-secrets/private-key", path="a.pem", line=1, severity=HIGH, title="t"
    )
    found = [weighed(key, content) for key in each_secret(told, content)]
    return [(w.line, w.last_line, w.severity) for w in found]


PEM = "-----BEGIN {0} KEY-----\n{1}\n-----END {0} KEY-----\n"


def test_each_private_key_of_a_file_is_told_with_its_own_lines() -> None:
    first, second = (PEM.format("EC PRIVATE", letter * 64) for letter in "ab")
    assert keys(first + PEM.format("PUBLIC", "c" * 64) + second) == [(1, 3, HIGH), (7, 9, HIGH)]
    assert keys("PuTTY-User-Key-File-2: ssh-rsa\nEncryption: none\n" + "a" * 64) == [(1, 3, HIGH)]


def test_another_private_key_in_the_place_of_one_is_another() -> None:
    told = Weakness(
        rule="detect-secrets/private-key", path="a.pem", line=1, severity=HIGH, title="t"
    )

    def known(letter: str) -> str:
        content = PEM.format("RSA PRIVATE", letter * 64)
        (one,) = identified(each_secret(told, content), {"a.pem": content}.get)
        assert [piece.text for piece in one.evidence] == ["-----BEGIN RSA PRIVATE KEY-----"]
        return one.fingerprint

    assert known("a") == known("a") != known("b")


def test_a_guess_in_tests_or_documentation_is_milder_than_a_known_form() -> None:
    line = 'password = "hunter2"'
    for path in ("tests/data/a.py", "docs/a.md", "a.env.example", "web/app.spec.ts"):
        assert secret("secret-keyword", "hunter2", line, severity=MEDIUM, path=path) is LOW
        assert secret("stripe-access-key", "hunter2", line, path=path) is HIGH
    assert secret("secret-keyword", "hunter2", line, severity=MEDIUM, path="latest/a.py") is MEDIUM


def test_a_name_says_whether_it_is_of_a_secret() -> None:
    for name in ("DB_PASSWORD", "apiKey", "client-secret", "AUTH_TOKEN", "MYSQL_PASS"):
        assert names_a_secret(name), name
    for name in ("PASSWORD_FILE", "secretName", "token_type", "compass", "key", "monkey"):
        assert not names_a_secret(name), name


TRIGGER = "on: pull_request_target\njobs:\n  a:\n    steps:\n      - "


@pytest.mark.parametrize(
    ("step", "wanted"),
    [
        ("run: gh pr edit --add-label new", LOW),
        ("uses: actions/checkout@v4", LOW),
        ("{uses: actions/checkout@v4, with: {ref: '${{ github.head_ref }}'}}", HIGH),
        ("run: gh pr checkout 1", HIGH),
        ("run: gh run download 1", HIGH),
        ("uses: ./.github/actions/mine", HIGH),
        ("run: [", HIGH),
    ],
)
def test_a_trigger_is_mild_where_nothing_of_a_strangers_is_fetched(
    step: str, wanted: Severity
) -> None:
    path = ".github/workflows/a.yml"
    assert severity("zizmor/dangerous-triggers", TRIGGER + step, path=path) is wanted


@pytest.mark.parametrize(("kind", "prefix"), [("github", "ghp_"), ("gitlab", "glpat-")])
def test_each_token_of_a_file_is_told_though_all_begin_alike(kind: str, prefix: str) -> None:
    first, second, example = (
        f"{prefix}{letters * 6}" for letters in ("a1B2c3", "d4E5f6", "xxxxxx")
    )
    content = f"a = {first!r}\nb = 1\nc = {second!r}\nd = {example!r}\n"
    key = hashlib.sha1(prefix[:-1].encode(), usedforsecurity=False).hexdigest()
    told = Weakness(
        rule=f"detect-secrets/{kind}-token",
        path="a.py",
        line=1,
        severity=HIGH,
        title="t",
        key=key,
    )
    found = [weighed(one, content) for one in each_secret(told, content)]
    assert [(w.line, w.severity) for w in found] == [(1, HIGH), (3, HIGH), (4, INFO)]
    assert len({w.key for w in found}) == 3


def test_a_private_key_below_a_line_that_only_names_one_is_a_key() -> None:
    words = "# BEGIN RSA PRIVATE KEY is how it starts\n" + "#\n" * 12
    key = "-----BEGIN RSA PRIVATE KEY-----\n" + "MIIEpAIBAAKCAQEA7fQ9xa8Zk3\n" * 3
    assert keys(words) == [(1, 9, INFO)]
    assert keys(words + key) == [(1, 9, INFO), (14, 17, HIGH)]


def test_what_tests_may_do_with_certificates_and_chance_is_milder_there() -> None:
    for rule in ("no-certificate-check", "predictable-secret", "unsafe-load"):
        assert severity(f"python/{rule}", "", path="tests/test_a.py") is LOW
        assert severity(f"python/{rule}", "", path="app/a.py") is HIGH
    assert severity("python/request-path", "", path="examples/app.py") is HIGH


def test_that_a_package_is_called_as_an_abandoned_one_is_mild() -> None:
    assert severity("bandit/B413", "from Crypto.Cipher import AES\n", line=1) is LOW
