"""Looks for canaries: secrets that a test plants, and that must turn up nowhere afterwards.

    assert sightings([canary], roots=[repo.path, run.temporary], texts=[done.out, done.err]) == []

Written apart from the code that it checks: it knows how secrets travel, not how they are found.
"""

from __future__ import annotations

import base64
import codecs
import os
import subprocess
import urllib.parse
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

PIECE = 12
"""Characters of a canary that give it away."""


def forms(secret: str) -> dict[str, str]:
    """The ways to write a secret down, by name."""
    data = secret.encode()
    codes = {
        "plain": secret,
        "reversed": secret[::-1],
        "hex": data.hex(),
        "HEX": data.hex().upper(),
        "url": urllib.parse.quote(secret, safe=""),
        "rot13": codecs.encode(secret, "rot13"),
    }
    for before in range(3):
        padded = bytes(range(before)) + data
        whole = len(padded) // 3 * 3
        start = (0, 2, 3)[before]
        codes[f"base64+{before}"] = base64.b64encode(padded[:whole]).decode()[start:]
        codes[f"urlsafe+{before}"] = base64.urlsafe_b64encode(padded[:whole]).decode()[start:]
    return codes


def sightings(
    secrets: Iterable[str], *, roots: Sequence[Path] = (), texts: Iterable[str | bytes] = ()
) -> list[str]:
    """Where which form of a secret was seen: in files, their names, git objects, or `texts`."""
    windows: dict[bytes, set[str]] = defaultdict(set)
    for name, code in (form for secret in secrets for form in forms(secret).items()):
        for at in range(len(code) - PIECE + 1):
            windows[code[at : at + PIECE].encode()].add(name)
    found = []
    for where, content in (*_given(texts), *_everything(roots)):
        pieces = (content[at : at + PIECE] for at in range(len(content) - PIECE + 1))
        seen = {name for piece in pieces if piece in windows for name in windows[piece]}
        found += [f"{name} in {where}" for name in sorted(seen)]
    return found


def _given(texts: Iterable[str | bytes]) -> Iterator[tuple[str, bytes]]:
    for number, text in enumerate(texts):
        yield f"text {number}", text.encode(errors="replace") if isinstance(text, str) else text


def _everything(roots: Sequence[Path]) -> Iterator[tuple[str, bytes]]:
    for root in roots:
        for folder, folders, names in os.walk(root):
            here = Path(folder)
            yield f"names in {here}", "\n".join([*folders, *names]).encode(errors="replace")
            for path in (here / name for name in names):
                if path.is_symlink():
                    yield f"link {path}", os.readlink(path).encode()  # noqa: PTH115
                elif path.is_file():
                    yield str(path), path.read_bytes()
            if {"objects", "refs"} <= set(folders) and "HEAD" in names:
                yield f"objects of {here}", _objects(here)


def _objects(git_dir: Path) -> bytes:
    """Every object of a repository, reachable or not, unpacked."""
    command = ["git", "-c", "safe.directory=*", f"--git-dir={git_dir}", "cat-file"]
    asked = [*command, "--batch-all-objects", "--unordered", "--batch"]
    return subprocess.run(asked, check=True, capture_output=True).stdout
