"""`autoresearch-ci security`: what is insecure at HEAD, or what of it HEAD brings; a gate."""

from __future__ import annotations

import argparse
import datetime
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from functools import partial
from pathlib import Path

import autoresearch_ci
from autoresearch_ci.cli.action.runner_io import FileCommands
from autoresearch_ci.cli.action.trigger import ECHO
from autoresearch_ci.cli.assembly import make_redactor
from autoresearch_ci.cli.ci_job import run_url
from autoresearch_ci.cli.config import effective
from autoresearch_ci.cli.gate_commits import Compared, asked, fetched, staged
from autoresearch_ci.cli.gate_files import (
    Gated,
    files_url,
    report_folder,
    say_to_forge,
    show,
    write_all,
)
from autoresearch_ci.cli.security.kept_history import CommitHistory
from autoresearch_ci.cli.security.model_layer import audit_commit
from autoresearch_ci.cli.security.repair import EVERYTHING, fix
from autoresearch_ci.cli.security.scan import ScanContext, Scanned
from autoresearch_ci.cli.terminal import obey_signals
from autoresearch_ci.config.flags import FLAGS
from autoresearch_ci.config.schema import Config, Publish
from autoresearch_ci.config.security import at_least
from autoresearch_ci.decide.security.gate import gate, threshold_of
from autoresearch_ci.decide.security.model_layer import ModelLayer
from autoresearch_ci.decide.security.weakness import Weakness
from autoresearch_ci.errors import ConfigError, PublishError
from autoresearch_ci.events import Observer, Warning, redacted
from autoresearch_ci.publish.forge.choose import make_forge
from autoresearch_ci.publish.forge.forge import LineNote
from autoresearch_ci.publish.forge.git_remote import Remote
from autoresearch_ci.record.handoff_form import handoff_text
from autoresearch_ci.report import security_files as pages
from autoresearch_ci.report.console import make_progress
from autoresearch_ci.report.html_findings import security_html
from autoresearch_ci.report.reconnaissance_pages import attack_surface_page, threat_model_page
from autoresearch_ci.report.sarif import weaknesses_sarif
from autoresearch_ci.report.security_page import (
    annotated,
    beside_lines,
    comment_markdown,
    security_lines,
    security_markdown,
)
from autoresearch_ci.report.security_report import (
    SecurityReport,
    findings,
    security_json,
    without_secrets,
)
from autoresearch_ci.report.weaknesses_gitlab import code_quality, sast
from autoresearch_ci.safety.log_text import json_text
from autoresearch_ci.safety.redaction import Redactor
from autoresearch_ci.workspace.repository import Repository


def main(options: argparse.Namespace) -> int:
    """The exit code of the gate. Raises `AutoresearchError` where nothing can be looked at."""
    _refuse_unused(options)
    if options.staged:
        options.diff = ""
        options.iterations = options.iterations or 0  # nobody waits for a model before a commit
    environment = options.environment
    files = FileCommands(environment)  # before anything that is looked at could write them
    diff = options.diff is not None
    pair = _compared(options)
    resolved, _ = effective(options, commit=pair.rules, only=True, command="security")
    config, weaker = _held(resolved.config, pair, options)
    config = _as_typed(config, options)
    redactor = make_redactor(config, environment)
    now = datetime.datetime.now(datetime.UTC)
    with (
        make_progress(
            sys.stdout if options.format == "text" else sys.stderr, json=False
        ) as progress,
        closing(Repository.open(Path.cwd())) as repository,
    ):
        observe = redacted(progress, redactor.redact)
        looked_at = "staged" if options.staged else pair.head
        folder = report_folder(repository, looked_at, options.output, command="security")
        if not options.staged and repository.changed():
            observe(Warning(message="uncommitted changes are not looked at: HEAD is"))
        scan = ScanContext(
            config=config,
            repository=repository,
            pair=pair,
            environment=environment,
            redactor=redactor,
            stop=obey_signals(),
            observe=observe,
            today=now.date().isoformat(),
            ask=partial(_asked, options, config, pair, observe),
        )
        scanned = scan.run(diff=diff, scope=() if config.scope == EVERYTHING else config.scope)
        scanned = replace(scanned, doubts=(*weaker, *scanned.doubts))
        repairs = options.fix and ECHO not in environment
        fixed = fix(scan, scanned, options) if repairs else None
        if fixed:
            pair, scanned = fixed.pair, fixed.scanned
            folder = report_folder(repository, pair.head, options.output, command="security")
        report = _report(
            config, pair, scanned, environment, redactor, allow=options.allow_incomplete
        )
        if not diff and not pair.proposed and config.scope == EVERYTHING:
            history = CommitHistory(repository, config, environment, observe)
            report = history.continued(report, scanned, now.date().isoformat())
        if diff and pair.pull_request and config.publish.mode != "none":
            text = comment_markdown(report, run_url(environment))
            notes = [LineNote(path=p, line=n, text=t, key=k) for p, n, t, k in beside_lines(report)]
            say_to_forge("security", text, pair, config, repository, environment, observe, notes)
    told = _gated(report, now)
    if options.staged:
        told = replace(told, next="")  # repairs are of HEAD
    sarif = json_text(weaknesses_sarif(report)) if options.format == "sarif" else ""
    show(told, folder, options.format, sarif)
    write_all(told, folder, files, environment)
    if fixed and fixed.broken:
        raise fixed.broken
    return report.exit_code


def _held(head: Config, pair: Compared, options: argparse.Namespace) -> tuple[Config, list[str]]:
    """The head's configuration without what could hide what it brings; and a sentence on that."""
    if options.diff is None or pair.proposed or not pair.base:
        return head, []
    try:
        resolved, path = effective(options, commit=pair.base, only=True, command="security")
    except ConfigError as error:
        error.add_note(f"Of {pair.base[:12]}, the base: what it says holds for what HEAD brings.")
        raise
    base = resolved.config
    security = at_least(base.security, head.security)
    held = head.model_copy(
        update={"security": security, "claude": base.claude, "sandbox": base.sandbox}
    )
    names = [f"security.{n}" for n, value in security if value != getattr(head.security, n)]
    names += [n for n in ("claude", "sandbox") if getattr(base, n) != getattr(head, n)]
    told = f"{path} is not as the base has it; the base's counts, or what is stricter, in: "
    return held, [told + ", ".join(names)] if names else []


_OF_REPAIRS = ("guards", "env", "proposer", "publish.branch", "publish.base", "publish.draft")
"""Keys that only a repair reads."""


def _refuse_unused(options: argparse.Namespace) -> None:
    """Who types a guard believes that something is guarded."""
    typed = {key for key, _ in getattr(options, "typed", ())}
    unused = [FLAGS[key].name for key in _OF_REPAIRS if key in typed]
    unused += ["--resume"] * options.resume
    if unused and not options.fix:
        does = "does" if len(unused) == 1 else "do"
        raise ConfigError(
            f"security: {', '.join(unused)} {does} nothing without --fix: nothing is repaired, "
            "and nothing of yours is run.\ndo: add --fix, or leave it out."
        )
    if options.staged and (options.fix or options.proposed or options.diff):
        raise ConfigError(
            "security: --staged looks at what is about to be committed, against HEAD.\n"
            "do: leave out --fix, --proposed and the base of --diff, or --staged."
        )


def _asked(
    options: argparse.Namespace,
    config: Config,
    pair: Compared,
    observe: Observer,
    hits: Sequence[Weakness],
    texts: Callable[[], Mapping[str, tuple[str, str]]] | None,
) -> ModelLayer:
    """What a model makes of it, where there is a key; else nothing is asked."""
    return audit_commit(
        config,
        pair.head,
        hits,
        environment=options.environment,
        observe=observe,
        stop=obey_signals(),
        depth=options.depth,
        iterations=options.iterations,
        focus=options.focus,
        texts=texts,
    )


def _compared(options: argparse.Namespace) -> Compared:
    """With what a shallow clone lacks, where it can be fetched."""
    if options.staged:
        return staged(Path.cwd(), options.environment).pair
    pair, environment = asked(options), options.environment
    with closing(Repository.open(Path.cwd())) as repository:
        if pair.base or options.diff or not repository.is_shallow():
            return pair
        try:
            forge = make_forge(Publish(), repository, environment, lambda event: None)
            with closing(Remote(forge.address, repository, token=forge.token)) as remote:
                return fetched(pair, repository, remote, environment)
        except (ConfigError, PublishError) as error:
            why = str(error).partition("\n")[0]
            return replace(pair, missing=f"{pair.missing}; fetching it: {why}")


def _report(
    config: Config,
    pair: Compared,
    scanned: Scanned,
    environment: Mapping[str, str],
    redactor: Redactor,
    *,
    allow: bool,
) -> SecurityReport:
    """All that is told."""
    fail_on = config.security.fail_on
    verdict = gate(
        scanned.head.weaknesses,
        scanned.base,
        excuses=scanned.excuses,
        threshold=threshold_of(fail_on),
        unseen=scanned.gaps,
        looked=len(scanned.exhibit.subjects) if scanned.head.looked else 0,
        unread=scanned.unread,
        allow_incomplete=allow,
    )
    compared_with = scanned.base is not None and bool(pair.base)
    report = SecurityReport(
        verdict=verdict,
        commit=pair.head,
        base=pair.base if compared_with else "",
        no_base=pair.missing if scanned.base and not pair.base else "",
        fail_on=fail_on,
        looked=scanned.head.looked,
        left=scanned.left,
        unread=scanned.unread,
        files=len(scanned.exhibit.subjects),
        media=scanned.exhibit.media,
        excluded=tuple(scanned.exhibit.excluded),
        doubts=scanned.doubts,
        changed=scanned.changed,
        layer=scanned.layer,
        files_url=files_url(pair.head, environment),
    )
    return without_secrets(report, redactor.redact)


def _as_typed(config: Config, options: argparse.Namespace) -> Config:
    """What the command's own flags say."""
    typed = {"fail_on": options.fail_on, "baseline": options.baseline}
    given = {name: value for name, value in typed.items() if value}
    return config.model_copy(update={"security": config.security.model_copy(update=given)})


# --- The report, in every form that somebody reads ------------------------------------------------

_READABLE = 500
"""Weaknesses up to which files of JSON are indented."""


def _gated(report: SecurityReport, began: datetime.datetime) -> Gated:
    """All of it."""
    annotations = annotated(report)
    facts = security_json(report, [annotation.as_json() for annotation in annotations])
    ended = f"{datetime.datetime.now(datetime.UTC):%Y-%m-%dT%H:%M:%S}"
    started = f"{began:%Y-%m-%dT%H:%M:%S}"
    summary = security_markdown(report)
    # For people, where people may read it: it takes several times as long.
    text = partial(json_text, indent=1 if len(report.verdict.items) <= _READABLE else None)
    asks = report.exit_code and any(judged.blocks for judged in report.verdict.items)
    return Gated(
        lines=[*security_lines(report)],
        json=facts,
        files={
            "weaknesses.json": text(facts),
            "weaknesses.sarif": text(weaknesses_sarif(report)),
            "gl-sast-report.json": text(sast(report, started, ended)),
            "gl-code-quality-report.json": text(code_quality(report)),
            "security-results.tsv": pages.table(report, f"{started}Z"),
            "overview.md": pages.overview_page(report),
            "threat-model.md": threat_model_page(report.layer),
            "attack-surface-map.md": attack_surface_page(report.layer),
            "findings.md": pages.findings_page(report),
            "owasp-coverage.md": pages.coverage_page(report),
            "recommendations.md": pages.recommendations_page(report),
            "handoff.json": handoff_text(pages.handoff(report)),
            "summary.md": summary,
            "report.html": security_html(report, autoresearch_ci.__version__),
        },
        summary=summary,
        outputs={
            "findings": str(findings(report)),
            "verdict": str(report.verdict.ruling),
            "tokens": str(report.layer.tokens),
            "cost-usd": str(report.layer.cost_usd),
        },
        annotations=annotations,
        next="autoresearch-ci security --fix   # repairs what is high or critical" if asks else "",
    )
