"""`autoresearch-ci report`: the page of a run, or its chart, written anew; or served meanwhile.

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
from autoresearch_ci.report.chart_png import png
from autoresearch_ci.report.run_folder import REPORT_FILE
from autoresearch_ci.report.stored_run import stored_chart, stored_report
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
    replace_file(path, content)
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
