"""`autoresearch-ci report`: the page of a run, or its chart, written anew; or served meanwhile.

It reads what the run has left, runs nothing, and asks no model. It is served to a browser on this
machine and to nobody else: only 127.0.0.1 is listened on, and only requests that name it are
answered, so a page of somebody else's cannot read the report by giving its own name this address.
"""

from __future__ import annotations

import argparse
import threading
import webbrowser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import autoresearch_ci
from autoresearch_ci.errors import AutoresearchError, ConfigError, WorkspaceError, reason_of
from autoresearch_ci.record.durable_files import write_out
from autoresearch_ci.report.chart_png import png
from autoresearch_ci.report.run_folder import REPORT_FILE
from autoresearch_ci.report.stored_run import journal_of, stored_chart, stored_report
from autoresearch_ci.safety.log_text import defuse, json_text
from autoresearch_ci.safety.redaction import Redactor
from autoresearch_ci.safety.secret_values import secret_values


def main(options: argparse.Namespace) -> int:
    """Write the page and say where; with `--serve`, answer until somebody interrupts."""
    journal = journal_of(options.folder)
    redactor = Redactor(secret_values(options.environment))
    if options.serve is not None:
        if options.output or options.json or options.chart:
            raise ConfigError("--serve writes no file: leave out --output, --chart and --json.")
        return _serve(journal, redactor, options.serve, opens=options.open)
    if options.chart:
        if options.output:
            raise ConfigError("--chart FILE writes the chart alone: leave out --output.")
        kind, path, content = "chart", options.chart, _chart(journal, redactor, options.chart)
    else:
        kind, path = "report", options.output or journal.parent / REPORT_FILE
        page = stored_report(journal, redactor, version=autoresearch_ci.__version__)
        content = page.encode(errors="replace")
    write_out(path, content)
    if options.json:
        print(json_text({kind: str(path), "journal": str(journal), "bytes": len(content)}))
    else:
        print(defuse(str(path)))
    if options.open:
        webbrowser.open(path.resolve().as_uri())
    return 0


def _chart(journal: Path, redactor: Redactor, path: Path) -> bytes:
    """In the form that the file's name asks for."""
    form = path.suffix.lower()
    if form not in (".svg", ".png"):
        raise ConfigError(f"--chart {path}: expected a name that ends with .svg or .png.")
    svg = stored_chart(journal, redactor)
    return png(svg) if form == ".png" else svg.encode(errors="replace")


def _serve(journal: Path, redactor: Redactor, port: int, *, opens: bool) -> int:
    stored_report(journal, redactor, version="")  # what cannot be read is refused now
    with ReportServer(journal, redactor, port) as server:
        print(f"{server.address}  (this machine only; Ctrl-C ends it)", flush=True)
        if opens:
            webbrowser.open(server.address)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            return 0
    return 0


# --- The server -----------------------------------------------------------------------------------

HOST = "127.0.0.1"
_WATCHED = ("run.json",)


class ReportServer(ThreadingHTTPServer):
    """Listens from its construction on; a context."""

    daemon_threads = True

    def __init__(self, journal: Path, redactor: Redactor, port: int = 0) -> None:
        """`port`: 0 takes a free one. Raises `WorkspaceError` when it is not to be had."""
        self._journal = journal
        self._redactor = redactor
        self._making = threading.Lock()
        self._made: tuple[str, bytes] = ("", b"")
        try:
            super().__init__((HOST, port), _Answers)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise WorkspaceError(
                f"port {port} cannot be listened on: {reason}.\ndo: choose another one."
            ) from error

    @property
    def address(self) -> str:
        return f"http://{HOST}:{self.server_port}/"

    def state(self) -> str:
        """Another text after each change of what the run has written."""
        stamps = []
        for path in (self._journal, *(self._journal.with_name(name) for name in _WATCHED)):
            try:
                found = path.stat()
                stamps.append(f"{found.st_ino}-{found.st_size}-{found.st_mtime_ns}")
            except OSError:
                stamps.append("-")
        return " ".join(stamps)

    def page(self) -> bytes:
        """As of now. Raises `AutoresearchError` for a journal that cannot be read."""
        with self._making:
            now = self.state()
            if self._made[0] != now:
                text = stored_report(
                    self._journal, self._redactor, follow=True, version=autoresearch_ci.__version__
                )
                self._made = (now, text.encode(errors="replace"))
            return self._made[1]


class _Answers(BaseHTTPRequestHandler):
    """Two pages, and nothing by any other method."""

    server: ReportServer

    def do_GET(self) -> None:
        if self.headers.get("Host") not in self._names():
            self._say(403, b"this server answers to its own address only\n")
        elif self.path == "/state":
            self._say(200, self.server.state().encode())
        elif self.path == "/":
            self._page()
        else:
            self._say(404, b"there is only /\n")

    def _page(self) -> None:
        try:
            self._say(200, self.server.page(), kind="text/html")
        except (AutoresearchError, OSError) as error:
            self._say(
                500, (reason_of(error) if isinstance(error, OSError) else str(error)).encode()
            )

    def _names(self) -> tuple[str, ...]:
        return tuple(f"{name}:{self.server.server_port}" for name in (HOST, "localhost"))

    def _say(self, code: int, body: bytes, kind: str = "text/plain") -> None:
        self.send_response(code)
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Nobody asked for an access log."""
