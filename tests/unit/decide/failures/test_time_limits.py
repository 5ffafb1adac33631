"""A limit of time that is raised is no repair, wherever it stands and however it is written."""

from __future__ import annotations

import time

import pytest

from autoresearch_ci.decide.failures.shortcuts.time_limits import longer

RAISED = [
    ("a.swift", "request.timeoutInterval = 10\n", "request.timeoutInterval = .infinity\n"),
    ("a.ex", "call(p, timeout: 5_000)\n", "call(p, timeout: :infinity)\n"),
    ("a.ts", "page.setDefaultTimeout(3_000);\n", "page.setDefaultTimeout(0);\n"),
    (
        "a.py",
        "class C:\n    timeout: float = 3.0\n",
        "class C:\n    timeout: float | None = None\n",
    ),
    ("a.ts", "const a = { timeoutMs: 300 };\n", "const a = { timeoutMs: 3e5 };\n"),
    ("a.go", "c := Client{Timeout: 2 * time.Second}\n", "c := Client{}\n"),
    ("a.go", "case <-time.After(2 * time.Second):\n", "case <-time.After(2 * time.Minute):\n"),
    ("A.java", "future.get(2, TimeUnit.SECONDS);\n", "future.get(2, TimeUnit.HOURS);\n"),
    ("a.php", "curl_setopt($c, CURLOPT_TIMEOUT, 5);\n", "curl_setopt($c, CURLOPT_TIMEOUT, 90);\n"),
    ("a.cs", "c.CancelAfter(FromSeconds(2));\n", "c.CancelAfter(FromMinutes(2));\n"),
    ("a.c", "alarm(5);\n", "alarm(500);\n"),
    ("a.sh", "timeout 30 ./run\n", "timeout --foreground -k 5 3000 ./run\n"),
    (
        "a.py",
        "def f():\n    return requests.get(u, timeout=5)\n",
        "def f():\n    return requests.get(\n        u,\n        timeout=90,\n    )\n",
    ),
    ("a.py", "T = 5\n\ndef f():\n    return get(u, timeout=5)\n", "def f():\n    return get(u)\n"),
    (
        "a.py",
        "def f():\n    return get(u, timeout=5)\n",
        "READ_TIMEOUT = 50\n\ndef f():\n    return get(u, timeout=READ_TIMEOUT)\n",
    ),
    (
        "a.go",
        "ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)\n",
        "ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)\n",
    ),
    (
        "a.java",
        "client.connectTimeout(Duration.ofMillis(500))\n",
        "client.connectTimeout(Duration.ofSeconds(5))\n",
    ),
    (
        "a.rs",
        "stream.set_read_timeout(Some(Duration::from_millis(250)))?;\n",
        "stream.set_read_timeout(None)?;\n",
    ),
    ("a.kt", "withTimeout(500) { f() }\n", "withTimeout(5_000) { f() }\n"),
    (
        "a.cs",
        "client.Timeout = TimeSpan.FromSeconds(3);\n",
        "client.Timeout = TimeSpan.FromMinutes(3);\n",
    ),
    ("a.rb", "Timeout.timeout(2) { g }\n", "Timeout.timeout(60) { g }\n"),
    ("a.c", "#define TIMEOUT_MS 500\n", "#define TIMEOUT_MS 50000\n"),
    (".gitlab-ci.yml", "a:\n  timeout: 1h 30m\n", "a:\n  timeout: 3h 5m\n"),
    ("Makefile", "test:\n\ttimeout 30 ./a\n", "test:\n\ttimeout 5m ./a\n"),
]
AS_BEFORE = [
    ("a.ts", "setTimeout(save, 100);\n", "setTimeout(save, 0);\n"),
    ("a.py", "poll(timeout=5)\n", "poll(timeout=0)\n"),
    ("a.py", "q.get(timeout=timeout * 1000)\n", "q.get(timeout=timeout)\n"),
    (
        "a.rs",
        "s.set_read_timeout(None)?;\n",
        "s.set_read_timeout(Some(Duration::from_secs(5)))?;\n",
    ),
    ("A.java", "lock.tryLock();\n", "lock.tryLock(2, TimeUnit.SECONDS);\n"),
    (
        "a.c",
        "int timeout_ms(int s) { return s * 100; }\n",
        "int timeout_ms(int s) { return s * 1000; }\n",
    ),
    ("a.py", "LIMITS = {'timeout': 5}\n", "LIMITS = {'timeout': 5, 'retries': 90}\n"),
    ("a.py", "requests.get(u, timeout=5)\n", "TIMEOUT = 5\nrequests.get(u, timeout=TIMEOUT)\n"),
    (
        "a.py",
        "def f():\n    return get(u, timeout=5)\n",
        "def g():\n    return post(u, timeout=30)\n\ndef f():\n    return get(u, timeout=5)\n",
    ),
    ("a.py", "poll(timeout=2500)\n", "poll(timeout=2500 / 1000)\n"),
    ("a.py", "sock.settimeout(timeout_ms)\n", "sock.settimeout(timeout_ms / 1000)\n"),
    (
        "a.py",
        "def g(): return post(u, timeout=30)\ndef f(): return get(u, timeout=5)\n",
        "def f(): return get(u, timeout=5)\n",
    ),
    (
        "a.py",
        "def get(u, timeout=10):\n    return s.get(u)\n",
        "def get(u, timeout=10):\n    return s.get(u, timeout=timeout)\n",
    ),
    (
        "a.py",
        "left = deadline - now()\nget(u, timeout=left)\n",
        "left = max(0, deadline - now())\nget(u, timeout=left)\n",
    ),
    ("a.py", "if timeout == 5: pass\n", "if timeout == 50: pass\n"),
    ("a.py", "return parse(timeout='5')\n", "return parse(timeout=5)\n"),
    ("a.py", "return get(u, timeout=30)\n", "return get(u, timeout=min(30, left))\n"),
    ("a.ts", "await wait(50);\n", "await wait(10);\n"),
    ("a.ts", "const x = await fetch(u, 5);\n", "const x = await fetch(u, 50);\n"),
    (
        "a.go",
        "srv := &http.Server{ReadTimeout: 5 * time.Second}\n",
        "srv := &http.Server{ReadTimeout: 5 * time.Second, WriteTimeout: 60 * time.Second}\n",
    ),
    ("a.rs", "Duration::from_secs(timeout)\n", "Duration::from_millis(timeout)\n"),
    (".github/workflows/a.yml", "timeout-minutes: 30\n", "timeout-minutes: 10\n"),
]


def told(path: str, before: str, after: str) -> list[str]:
    return [finding.what for finding in longer(path, before, after)]


@pytest.mark.parametrize(("path", "before", "after"), RAISED)
def test_a_limit_that_is_raised_is_found(path: str, before: str, after: str) -> None:
    assert told(path, before, after)


@pytest.mark.parametrize(("path", "before", "after"), AS_BEFORE)
def test_a_limit_that_moves_or_is_read_otherwise_is_left_alone(
    path: str, before: str, after: str
) -> None:
    assert not told(path, before, after)


def test_it_says_how_long_it_was_in_the_line_where_it_stands() -> None:
    (found,) = longer("a.py", "x = 1\nget(timeout=2 * 60)\n", "x = 1\nget(timeout=None)\n")
    assert (found.line, found.what) == (2, "may take longer: 120, now without a limit: timeout")


@pytest.mark.parametrize("asks", ["assert m.TIMEOUT == 30", "expect(m.TIMEOUT).toBe(30)"])
def test_a_limit_that_a_test_asks_for_may_be_that_long(asks: str) -> None:
    assert not [*longer("a.py", "TIMEOUT = 5\n", "TIMEOUT = 30\n", {"test_a.py": asks})]
    assert [*longer("a.py", "TIMEOUT = 5\n", "TIMEOUT = 31\n", {"test_a.py": asks})]


@pytest.mark.parametrize(
    "part",
    ["timeout(", "timeout=(((", "-a", "a-timeout", "timeout=1h ", '"timeout":', "timeout=5\n"],
)
def test_a_long_text_is_read_at_once(part: str) -> None:
    text = part * 10_000
    start = time.process_time()
    told("a.py", text, text + "x")
    assert time.process_time() - start < 2
