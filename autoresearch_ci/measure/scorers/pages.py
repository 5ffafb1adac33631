"""How a page does in Chrome: Lighthouse of the repository's own node_modules, of a folder that is
served to it for as long as it looks."""

from __future__ import annotations

import contextlib
import functools
import json
import os
import shlex
import tempfile
import threading
from collections.abc import Iterator, Mapping
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from autoresearch_ci.execution.command import run_command

_CHROME = "--headless=new --no-sandbox --disable-dev-shm-usage"
"""In a box already, which lacks what Chrome's own is made of."""
_AUDITS = {
    "lcp_ms": "largest-contentful-paint",
    "blocking_ms": "total-blocking-time",
    "page_bytes": "total-byte-weight",
}


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Every request, else."""


def lighthouse(folder: Path) -> Mapping[str, float]:
    """`performance` of 100, and what it is made of. Raises `ValueError` when there is none."""
    with served(folder) as page, tempfile.TemporaryDirectory() as place:
        report = Path(place) / "report.json"
        words = ["npx", "--no-install", "lighthouse", page, "--quiet", "--output=json"]
        words += [f"--output-path={report}", "--only-categories=performance"]
        words += [f"--chrome-flags={_CHROME}"]
        said = run_command(shlex.join(words), cwd=Path.cwd(), env=os.environ)
        if said.exit_code or said.timed_out:
            raise ValueError(f"{said.reason or f'exit code {said.exit_code}'}: {said.output}")
        return _numbers(json.loads(report.read_text(encoding="utf-8")))


@contextlib.contextmanager
def served(folder: Path) -> Iterator[str]:
    """Its address; however the block ends, nobody listens there afterwards."""
    handler = functools.partial(_Silent, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()


def _numbers(report: Mapping[str, Mapping[str, Mapping[str, float]]]) -> Mapping[str, float]:
    score = report["categories"]["performance"]["score"]
    if score is None:
        raise ValueError(f"Lighthouse has no score: {report.get('runtimeError')}")
    audits = report["audits"]
    told = {name: audits[audit]["numericValue"] for name, audit in _AUDITS.items()}
    return {"performance": round(100 * score), **told}
