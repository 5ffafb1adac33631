"""`autoresearch-ci report`: the page of a run, written anew or served while the run lasts.

It reads what the run has left, runs nothing, and asks no model.
"""

from __future__ import annotations

import argparse
import webbrowser
from pathlib import Path

import autoresearch_ci
from autoresearch_ci.cli.report_server import ReportServer
from autoresearch_ci.cli.run_folders import journal_of
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.record.durable_files import replace_file
from autoresearch_ci.report.run_folder import REPORT_FILE
from autoresearch_ci.report.stored_run import stored_report
from autoresearch_ci.safety.log_text import defuse, json_text
from autoresearch_ci.safety.redaction import Redactor
from autoresearch_ci.safety.secret_values import secret_values


def main(options: argparse.Namespace) -> int:
    """Write the page and say where; with `--serve`, answer until somebody interrupts."""
    journal = journal_of(options.folder)
    redactor = Redactor(secret_values(options.environment))
    if options.serve is not None:
        if options.output or options.json:
            raise ConfigError("--serve writes no file: leave out --output and --json.")
        return _serve(journal, redactor, options.serve, opens=options.open)
    path = options.output or journal.parent / REPORT_FILE
    content = stored_report(journal, redactor, version=autoresearch_ci.__version__).encode(
        errors="replace"
    )
    replace_file(path, content)
    if options.json:
        print(json_text({"report": str(path), "journal": str(journal), "bytes": len(content)}))
    else:
        print(defuse(str(path)))
    if options.open:
        webbrowser.open(path.resolve().as_uri())
    return 0


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
