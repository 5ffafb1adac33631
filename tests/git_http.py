"""A git server on 127.0.0.1: the real `git http-backend` behind tokens, and GitHub's refusals.

A refusal is spoken by a real pre-receive hook, so that git prints it as it would GitHub's.
"""

from __future__ import annotations

import base64
import functools
import os
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

from tests.local_server import LocalServer

PROTECTED = """\
error: GH006: Protected branch update failed for refs/heads/autoresearch/t.
error: Changes must be made through a pull request."""
RULES = """\
error: GH013: Repository rule violations found for refs/heads/autoresearch/t.
- Commits must have verified signatures."""
LARGE = """\
error: GH001: Large files detected. You may want to try Git Large File Storage
error: File big.bin is 120.00 MB; this exceeds GitHub's file size limit of 100.00 MB"""
SECRET = "error: GH009: Secrets detected! This push failed."
WORKFLOW = (
    "refusing to allow a GitHub App to create or update workflow `.github/workflows/ci.yml` "
    "without `workflows` permission"
)

_HOOK = """#!/bin/sh
cat >/dev/null
[ -s "$GIT_DIR/refusal" ] || exit 0
cat "$GIT_DIR/refusal" >&2
exit 1
"""
_UPDATE = """#!/bin/sh
case "$1" in
  refs/heads/*) [ -s "$GIT_DIR/refused-ref" ] || exit 0; cat "$GIT_DIR/refused-ref" >&2; exit 1 ;;
esac
"""


@dataclass(kw_only=True)
class GitServer(LocalServer):
    """Serves the bare repositories below `root`; a context manager."""

    root: Path
    token: str = "token-of-the-git-server"
    tokens: list[str] = field(default_factory=list)
    """Further tokens that are accepted."""
    readers: list[str] = field(default_factory=list)
    """Tokens that may fetch and not push."""
    requests: list[tuple[str, str, int]] = field(default_factory=list)
    """Method, path with query, and the status that was answered."""
    said: list[str] = field(default_factory=list)
    """Every Authorization header, decoded."""
    bodies: list[bytes] = field(default_factory=list)
    """Addresses, headers without `Authorization`, and bodies."""
    push_options: list[list[str]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    """Consumed one a push: `500` before it, `500-after` (accepted, answer lost), `cut`, `stall`."""
    lives_for: int | None = None
    """Pushes after which the token has expired; `None`: never."""
    forbidden: str = ""
    """Said with a 403 to every push."""
    redirect: str = ""
    """Where every request is sent instead."""

    def __post_init__(self) -> None:
        self.listen(_handler(self))

    def create(self, name: str, source: Path) -> Bare:
        """The repository `owner/name` with what `source` has on its branches."""
        return create(self.root, name, source)


def create(root: Path, name: str, source: Path) -> Bare:
    """The repository `owner/name` below `root` with what `source` has on its branches."""
    path = root / f"{name}.git"
    settings = (
        "http.receivepack=true",
        "uploadpack.allowFilter=true",
        "receive.advertisePushOptions=true",
        "receive.autogc=false",
        "gc.auto=0",
        "maintenance.auto=false",
    )
    given = [word for setting in settings for word in ("--config", setting)]
    git = ["git", "-c", "protocol.file.allow=always", "clone", "--quiet", "--bare", *given]
    subprocess.run([*git, source.as_uri(), str(path)], check=True, capture_output=True)
    bare = Bare(path)
    bare.git("remote", "remove", "origin")
    for hook, text in (("pre-receive", _HOOK), ("update", _UPDATE)):
        (path / "hooks" / hook).write_text(text)
        (path / "hooks" / hook).chmod(0o755)
    return bare


@dataclass(frozen=True)
class Bare:
    """A repository on the server."""

    path: Path

    def git(self, *arguments: str, check: bool = True) -> str:
        done = subprocess.run(
            ["git", "-C", str(self.path), *arguments], check=check, capture_output=True
        )
        return done.stdout.decode().strip()

    def ref(self, name: str) -> str:
        return self.git("rev-parse", "--verify", "--quiet", name, check=False)

    def refs(self, prefix: str = "refs/") -> list[str]:
        return self.git("for-each-ref", "--format=%(refname)", prefix).split()

    def refuse(self, text: str) -> None:
        """Every push from now on; empty: none."""
        (self.path / "refusal").write_text(text)

    def commit(self, branch: str, message: str = "a person's commit", **files: str) -> str:
        """A person commits to a branch of the server; the commit's name."""
        person = {
            f"GIT_{role}_{k}": v
            for role in ("AUTHOR", "COMMITTER")
            for k, v in (("NAME", "A Person"), ("EMAIL", "person@example.org"))
        }
        index = {"GIT_INDEX_FILE": str(self.path / "person.index")}

        def git(*arguments: str, stdin: str = "") -> str:
            done = subprocess.run(
                ["git", "-C", str(self.path), *arguments],
                check=True,
                capture_output=True,
                input=stdin.encode(),
                env={**os.environ, **person, **index},
            )
            return done.stdout.decode().strip()

        git("read-tree", f"refs/heads/{branch}")
        for name, text in (files or {"by-a-person": "text\n"}).items():
            blob = git("hash-object", "-w", "--stdin", stdin=text)
            git("update-index", "--add", "--cacheinfo", f"100644,{blob},{name}")
        tree = git("write-tree")
        commit = git("commit-tree", tree, "-p", f"refs/heads/{branch}", "-m", message)
        git("update-ref", f"refs/heads/{branch}", commit)
        return commit


@functools.cache
def _backend() -> str:
    """Started by its own name, without a `git` before it."""
    found = subprocess.run(["git", "--exec-path"], check=True, capture_output=True, text=True)
    return f"{found.stdout.strip()}/git-http-backend"


def _handler(server: GitServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._serve(b"")

        def do_POST(self) -> None:
            self._serve(self._body())

        def _body(self) -> bytes:
            if self.headers.get("transfer-encoding", "") != "chunked":
                return self.rfile.read(int(self.headers.get("content-length", 0)))
            data = b""
            while size := int(self.rfile.readline(), 16):
                data += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return data

        def _serve(self, body: bytes) -> None:
            if server.redirect:
                self._answer(302, {"Location": f"{server.redirect}{self.path}"}, b"")
                return
            given = self.headers.get("authorization", "")
            others = [f"{k}: {v}" for k, v in self.headers.items() if k.lower() != "authorization"]
            server.bodies.append("\n".join([self.path, *others, ""]).encode() + body)
            decoded = base64.b64decode(given.partition(" ")[2]).decode() if given else ""
            if decoded:
                server.said.append(decoded)
            expired = server.lives_for == 0
            given_token = decoded.partition(":")[2]
            accepted = (server.token, *server.tokens, *server.readers)
            if expired or given_token not in accepted:
                self._answer(
                    401,
                    {"WWW-Authenticate": 'Basic realm="GitHub"'},
                    b"remote: Invalid username or token." if given else b"",
                )
                return
            path, _, query = self.path.partition("?")
            owner = path.split(".git/")[0]
            if not (server.root / f"{owner.strip('/')}.git").is_dir():
                self._answer(404, {}, b"Repository not found.")
                return
            pushing = "git-receive-pack" in self.path
            if pushing and given_token in server.readers:
                self._answer(403, {}, b"Write access to repository not granted.")
                return
            if pushing and server.forbidden:
                self._answer(403, {}, server.forbidden.encode())
                return
            fault = ""
            if pushing and self.command == "POST" and len(body) > 4 and server.faults:
                fault = server.faults.pop(0)
            if fault == "500":
                self._answer(500, {}, b"Internal Server Error")
            elif fault == "stall":
                server.wait(30)
                self.close_connection = True
            elif fault == "cut":
                self.close_connection = True
                self.connection.close()
            else:
                status, headers, out = self._backend(path, query, body)
                if pushing and self.command == "POST" and server.lives_for:
                    server.lives_for -= 1
                if fault == "500-after":
                    self._answer(502, {}, b"Bad Gateway")
                else:
                    self._answer(status, headers, out)

        def _backend(self, path: str, query: str, body: bytes) -> tuple[int, Any, bytes]:
            environment = {
                "PATH": os.environ["PATH"],
                "GIT_PROJECT_ROOT": str(server.root),
                "GIT_HTTP_EXPORT_ALL": "1",
                "GIT_CONFIG_NOSYSTEM": "1",
                "GIT_CONFIG_GLOBAL": os.devnull,
                "REQUEST_METHOD": self.command,
                "PATH_INFO": path,
                "QUERY_STRING": query,
                "CONTENT_TYPE": self.headers.get("content-type", ""),
                "CONTENT_LENGTH": str(len(body)),
                "HTTP_CONTENT_ENCODING": self.headers.get("content-encoding", ""),
                "GIT_PROTOCOL": self.headers.get("git-protocol", ""),
                "REMOTE_USER": "somebody",
                "REMOTE_ADDR": "127.0.0.1",
            }
            done = subprocess.run(
                [_backend()],
                check=False,
                input=body,
                env=environment,
                capture_output=True,
            )
            _note_options(server, body)
            head, _, out = done.stdout.partition(b"\r\n\r\n")
            headers = dict(line.decode().split(": ", 1) for line in head.split(b"\r\n"))
            status = int(headers.pop("Status", "200").split()[0])
            return status, headers, out

        def _answer(self, status: int, headers: Any, body: bytes) -> None:
            server.requests.append((self.command, self.path, status))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            if "Content-Type" not in headers:
                self.send_header("Content-Type", "text/plain; charset=UTF-8")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return

    return Handler


def _note_options(server: GitServer, body: bytes) -> None:
    """The push options of a push: the packet lines between the first and the second flush."""
    if b"push-options" not in body[:2000]:
        return
    sections: list[list[str]] = [[]]
    rest = body
    while len(sections) < 3 and len(rest) >= 4:
        size = int(rest[:4], 16)
        if size == 0:
            sections.append([])
            rest = rest[4:]
        else:
            sections[-1].append(rest[4:size].decode().rstrip("\n"))
            rest = rest[size:]
    server.push_options.append(sections[1])


def tokens_in(texts: Sequence[str], token: str) -> list[str]:
    """Those of `texts` that hold the token, plain or in base64."""
    encoded = base64.b64encode(f"x-access-token:{token}".encode()).decode()
    return [text for text in texts if token in text or encoded in text]
