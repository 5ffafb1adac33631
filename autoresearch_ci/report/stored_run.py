"""The report of a run made from what its folder holds: later, elsewhere, or while it lasts.

Which run, a person names or is the newest. Nobody vouches for the files: they are bounded, and what
they say is text. What run.json does not say, the run's records do; what nobody says is left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, closing, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from autoresearch_ci.decide.metric.taken_back import ideas
from autoresearch_ci.errors import AutoresearchError, ConfigError, WorkspaceError
from autoresearch_ci.experiment import Direction, Experiment, Spent, Status
from autoresearch_ci.record.foreign_journals import LARGEST, ForeignJournal, read_journal
from autoresearch_ci.record.journal_tsv import header, parse_rows
from autoresearch_ci.record.notebook import notebook_ref
from autoresearch_ci.record.run_names import is_tag, run_store
from autoresearch_ci.record.run_records import Records
from autoresearch_ci.report.chart import progress_svg
from autoresearch_ci.report.html_page import ReportPage, html_page
from autoresearch_ci.report.run_folder import REPORT_FILE, attempts
from autoresearch_ci.report.run_summary import Confirmation, RunInfo
from autoresearch_ci.safety.redaction import Redactor
from autoresearch_ci.safety.untrusted_files import file_bytes
from autoresearch_ci.safety.untrusted_values import MIB, Unreadable, json_value
from autoresearch_ci.workspace.repository import Repository

T = TypeVar("T")

_FACTS = 8 * MIB
UNFINISHED = "not ended: the run goes on, or was cut short"


@dataclass(frozen=True, kw_only=True)
class StoredRun:
    """What was read of one run."""

    journal: Path
    rows: Sequence[Experiment]
    info: RunInfo
    facts: Mapping[str, Any]
    """run.json; empty where there is none that can be read."""
    earlier: Sequence[Experiment]


def stored_report(journal: Path, redactor: Redactor, *, follow: bool = False, version: str) -> str:
    """The page of the run that wrote `journal`. Raises `ConfigError` for what is no journal."""
    with _repository_of(journal) as repository:
        run = stored_run(journal, repository, redactor)
        return _page(run, repository, redactor.redact, follow=follow, version=version)


def stored_chart(journal: Path, redactor: Redactor) -> str:
    """The progress picture of that run as SVG. Raises `ConfigError` for what is no journal."""
    with _repository_of(journal) as repository:
        run = stored_run(journal, repository, redactor)
    return progress_svg(
        run.rows,
        direction=run.info.direction,
        metric_name=run.info.metric_name,
        title=run.info.goal,
        earlier=run.earlier,
        tried_earlier=sum(night.tried for night in run.info.lineage.nights),
        confirmation=run.info.confirmation,
    )


def _repository_of(journal: Path) -> AbstractContextManager[Repository | None]:
    """`None`: it was copied out of it."""
    try:
        return closing(Repository.open(journal.resolve().parent))
    except WorkspaceError:
        return nullcontext()


def _page(
    run: StoredRun,
    repository: Repository | None,
    redact: Callable[[str], str],
    *,
    follow: bool,
    version: str,
) -> str:
    kept = [e.commit for e in run.rows if e.status is Status.KEEP]
    configuration = run.facts.get("config")
    page = ReportPage(
        attempts=attempts(run.rows, run.journal.parent, repository, redact),
        earlier=run.earlier,
        configuration=configuration if isinstance(configuration, dict) else {},
        version=version,
        head=kept[-1] if kept else run.info.base_commit,
        target=finite(configured(run.facts, "metric.target")),
        follow=follow,
    )
    return html_page(run.rows, run.info, page)


def stored_run(journal: Path, repository: Repository | None, redactor: Redactor) -> StoredRun:
    """Without the secrets that we know. Raises `ConfigError` for what is no journal."""
    try:
        content = file_bytes(journal, LARGEST)
    except (OSError, Unreadable) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise ConfigError(
            f"{journal}: {reason}.\ndo: name the folder of a run, or its results.tsv."
        ) from error
    facts = redactor.redact_all(run_facts(journal))
    content = redactor.redact(content.decode(errors="replace")).encode()
    found = read_journal(content, str(journal), _direction(facts))
    info = _checked(RunInfo, _section(facts).get("info")) or _bare(found, facts)
    info = _completed(info, journal, repository, redactor)
    totals = facts.get("totals")
    done = totals.get("iterations") if isinstance(totals, dict) else None
    stood = [e.commit for e in found.rows if e.status in (Status.BASELINE, Status.KEEP)]
    if done != len(ideas(found.rows)) or facts.get("head") not in (None, *stood[-1:]):
        # It was written before the run went on.
        info = _reopened(info, found.rows)
    if found.notes:
        info = replace(info, stop_reason="; ".join([info.stop_reason, *found.notes]))
    return StoredRun(
        journal=journal, rows=found.rows, info=info, facts=facts, earlier=_earlier(facts)
    )


def run_facts(journal: Path) -> Mapping[str, Any]:
    """run.json beside a journal; nothing where there is none that can be read."""
    try:
        values = json_value(file_bytes(journal.with_name("run.json"), _FACTS), limit=_FACTS)
    except (OSError, Unreadable, ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def metric_name(journal: Path) -> str:
    """Empty where nothing beside the journal says it."""
    info = _section(run_facts(journal)).get("info")
    return str(info.get("metric_name") or "") if isinstance(info, dict) else ""


def _section(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    found = facts.get("report")
    return found if isinstance(found, dict) else {}


def configured(facts: Mapping[str, Any], key: str) -> Any:
    """A value of the configuration that the run had."""
    config = facts.get("config")
    return config.get(key) if isinstance(config, dict) else None


def _direction(facts: Mapping[str, Any]) -> Direction | None:
    word = configured(facts, "metric.direction")
    return Direction(word) if word in list(Direction) else None


def finite(value: object) -> float | None:
    """The number that somebody else's JSON holds; `None`: it is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def _checked(kind: type[T], value: object) -> T | None:
    """`None` for what no run of this version has written."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError:
        return None


def _bare(found: ForeignJournal, facts: Mapping[str, Any]) -> RunInfo:
    """What an older run.json says, or none."""
    rows = found.rows
    guards = configured(facts, "guards")
    listed = guards if isinstance(guards, list) else []
    return RunInfo(
        tag=str(facts.get("tag") or ""),
        branch=str(facts.get("branch") or ""),
        notebook_ref=str(facts.get("notebook") or ""),
        base_commit=str(facts.get("base") or (rows[0].commit if rows else "")),
        metric_name=str(configured(facts, "metric.name") or found.metric or "metric"),
        direction=found.direction,
        metric_command=str(configured(facts, "metric.command") or ""),
        guards=[str(g.get("command", g) if isinstance(g, dict) else g) for g in listed],
        goal=str(configured(facts, "goal") or ""),
        stop_reason=str(facts.get("stop_reason") or UNFINISHED),
        started=rows[0].timestamp if rows else "",
        seconds=sum(e.seconds for e in rows),
        host=str(facts.get("host") or "a machine that is not known"),
        confirmation=_checked(Confirmation, facts.get("confirmation")),
        failed=facts.get("failed") is True,
    )


def _completed(
    info: RunInfo, journal: Path, repository: Repository | None, redactor: Redactor
) -> RunInfo:
    """With what the run's own records say of how it measures, where there are any."""
    tag = info.tag or journal.resolve().parent.name.removeprefix("run-")
    info = replace(info, tag=tag, notebook_ref=info.notebook_ref or notebook_ref(tag))
    if info.metric_command or repository is None or not is_tag(tag):
        return info
    try:
        start = Records.peek(run_store(repository, tag)).start
    except (AutoresearchError, OSError):
        return info
    if start is None:
        return info
    ruler = redactor.redact_all(start.ruler)
    metric = ruler.get("metric") if isinstance(ruler.get("metric"), dict) else {}
    guards = ruler.get("guards")
    listed = guards if isinstance(guards, list) else []
    return replace(
        info,
        base_commit=start.base,
        branch=info.branch or start.branch or "",
        metric_name=str(metric.get("name") or info.metric_name),
        metric_command=str(metric.get("command") or ""),
        guards=[str(g.get("command", "")) for g in listed if isinstance(g, dict)],
    )


def _reopened(info: RunInfo, rows: Sequence[Experiment]) -> RunInfo:
    """Without what was true of an earlier end only."""
    return replace(
        info,
        stop_reason=UNFINISHED,
        seconds=sum(e.seconds for e in rows),
        confirmation=None,
        suites=(),
        sees_tests=False,
        idle=(),
        outside_rows=Spent(),  # a row tells of it once the iteration has ended
        failed=False,
        repairs=info.repairs and replace(info.repairs, looked=False, shown=(), left=0, flaky=0),
    )


def _earlier(facts: Mapping[str, Any]) -> Sequence[Experiment]:
    try:
        return parse_rows(header(Direction.MINIMIZE) + str(_section(facts).get("earlier") or ""))
    except ValueError:
        return ()


# --- Which run somebody means ---------------------------------------------------------------------

JOURNAL = "results.tsv"


def newest_journal(here: Path) -> Path:
    """The journal of the last run of this repository. Raises `ConfigError`."""
    try:
        with closing(Repository.open(here)) as repository:
            here = repository.root
    except WorkspaceError:
        pass
    found = [*here.glob(f"autoresearch/*/{JOURNAL}"), *here.glob(JOURNAL)]
    if not found:
        raise ConfigError(
            f"there is no journal below {here}.\n"
            "usually: no run was made here yet, or its folder was left on another machine.\n"
            "do: name it, such as autoresearch/run-2026-01-31/results.tsv"
        )
    return max(found, key=lambda path: path.stat().st_mtime)


def journal_of(name: str | None) -> Path:
    """Of the folder or file that somebody named; else the newest. Raises `ConfigError`."""
    if name is None:
        return newest_journal(Path.cwd())
    path = Path(name)
    if not path.is_dir():
        return path
    if not (path / JOURNAL).exists() and (path / REPORT_FILE).exists():
        raise ConfigError(
            f"{path} has no journal: it is of a look at a commit, which tries nothing.\n"
            f"do: open {path / REPORT_FILE}, which was written once; or look again."
        )
    return path / JOURNAL
