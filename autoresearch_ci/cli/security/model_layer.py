"""The model layer of `security`: what a model finds and code has checked, and what it made of hits.

The deterministic layer and the gate are security.py's. A model that cannot be asked, refuses, is
cut short or looks at nothing makes the layer incomplete, with the reason; never clean.
"""

from __future__ import annotations

import difflib
import hashlib
import itertools
import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from autoresearch_ci.cli.investigate.open_investigation import Desk, opened_desk
from autoresearch_ci.config.schema import Budget, Config
from autoresearch_ci.decide.investigation.saturation import UNUSABLE, coverage, crossed
from autoresearch_ci.decide.line_map import unchanged_lines
from autoresearch_ci.decide.security.model_layer import KeptLines, ModelLayer, rests_on_change
from autoresearch_ci.decide.security.weakness import (
    MODEL,
    Confidence,
    Severity,
    Weakness,
    identified,
    worst_first,
)
from autoresearch_ci.errors import ProposerError
from autoresearch_ci.events import Observer
from autoresearch_ci.execution.command import Stop
from autoresearch_ci.investigate.form import Reader
from autoresearch_ci.investigate.loop_with_steps import Stepped, focused
from autoresearch_ci.investigate.program import Program, bundled
from autoresearch_ci.investigate.program_steps import ANSWER
from autoresearch_ci.investigate.steps import UNANSWERED, BareClaim, Opinion, verify_fix
from autoresearch_ci.investigate.write_pages import each_looked
from autoresearch_ci.llm.conversation import OutOfBudget
from autoresearch_ci.llm.credentials import credential
from autoresearch_ci.preflight import Options
from autoresearch_ci.record.investigation_history import Item, Known
from autoresearch_ci.record.investigation_records import peek
from autoresearch_ci.record.run_names import run_store
from autoresearch_ci.safety.prompt_text import line
from autoresearch_ci.workspace.repository import Repository

LEAST_OF_A_CHANGE = 4
"""Iterations that a change takes, besides one for each of its files: as many as there are roles."""
COMMAND = "audit"
"""What the records and the run folder are called after."""


def audit_commit(
    config: Config,
    head: str,
    hits: Sequence[Weakness],
    *,
    environment: Mapping[str, str],
    observe: Observer,
    stop: Stop,
    depth: str = "",
    iterations: int | None = None,
    focus: str = "",
    texts: Callable[[], Mapping[str, tuple[str, str]]] | None = None,
) -> ModelLayer:
    """`audit` of a commit of the repository here, by the program `security`.

    `texts`: where a change is looked at, by path what it makes of what; read when somebody can be
    asked.

    What was asked of this commit before, and came to its end, is not asked again; what broke off
    goes on. `iterations`: as the program says, and fewer for a small change. Raises `ConfigError`,
    `WorkspaceError`.
    """
    claudes = config.claude.in_turn()
    if iterations == 0:
        return ModelLayer(hits=tuple(hits), why_not="nobody is to be asked: --iterations 0")
    if all(credential(claude, environment) is None for claude in claudes):
        return ModelLayer(hits=tuple(hits), why_not="there is no key")
    changes, kept = changes_of(texts()) if texts else (None, None)
    if changes == {}:
        return ModelLayer(hits=tuple(hits), commit=head)
    program = bundled("security").at_depth(depth)
    told = json.dumps(changes or {}, sort_keys=True).encode(errors="replace")
    asked = {"focus": focus, "changes": hashlib.sha256(told).hexdigest()[:16]}
    with closing(Repository.open(Path.cwd())) as repository:
        tag, resume = _place(repository, head, program, asked, config.budget)
    with opened_desk(
        config,
        program,
        Options(start=Path.cwd(), tag=tag, resume=resume, base=head),
        command=COMMAND,
        asked=asked,
        iterations=_iterations(program, changes) if iterations is None else iterations,
        observe=observe,
        stop=stop,
        environment=environment,
    ) as desk:
        return audit(desk, hits, focus=focus, changes=changes, kept=kept)


def changes_of(pairs: Mapping[str, tuple[str, str]]) -> tuple[dict[str, str], KeptLines]:
    """The diffs of files, by their texts before and after, and what of them is as it was."""
    diffs = {}
    for path, (before, after) in pairs.items():
        lines = difflib.unified_diff(
            before.splitlines(), after.splitlines(), "before", "after", n=5, lineterm=""
        )
        diffs[path] = "\n".join(lines)
    kept = {path: unchanged_lines(before, after) for path, (before, after) in pairs.items()}
    return diffs, kept


def _iterations(program: Program, changes: Mapping[str, str] | None) -> int:
    """As the program says; of a change fewer, as it has few files."""
    most = program.facts.defaults.iterations
    return most if changes is None else min(most, LEAST_OF_A_CHANGE + len(changes))


def _place(
    repository: Repository, head: str, program: Program, asked: Mapping[str, str], budget: Budget
) -> tuple[str, bool]:
    """The tag, and whether it goes on there: a commit is asked about anew after a bad end."""
    for number in itertools.count(1):
        tag = head[:12] if number == 1 else f"{head[:12]}-{number}"
        known = peek(run_store(repository, f"{COMMAND}-{tag}"))
        if known.start is None:
            return tag, False
        same = (known.start.base, known.start.digest, dict(known.start.asked))
        if same == (head, program.digest, asked) and _goes_on(known, budget):
            return tag, True
    raise AssertionError("there is always another number")


def _goes_on(known: Known, budget: Budget) -> bool:
    usd, tokens = budget.usd, budget.tokens
    spent = (usd is not None and known.spent.cost_usd >= usd) or (
        tokens is not None and known.spent.tokens >= tokens
    )
    broken = any(i.status == UNUSABLE or i.reviewed.startswith(UNANSWERED) for i in known.items)
    return not broken and not spent


def audit(
    desk: Desk,
    hits: Sequence[Weakness],
    *,
    focus: str = "",
    changes: Mapping[str, str] | None = None,
    kept: KeptLines | None = None,
) -> ModelLayer:
    """Never raises for want of a model: the reason is in what it returns.

    `hits`: what the deterministic layer found, with fingerprints; `focus`: cells, roles or words;
    `changes`: by path, the diffs that are audited, where it is a change that is, and `kept` what of
    the files is as it was: what rests on nothing else is not the change's.
    """
    if why := desk.why_no_model():
        return ModelLayer(hits=tuple(hits), why_not=why)
    program, words = focused(desk.program, focus)
    work = Stepped(
        program=program,
        iterations=desk.iterations,
        facts=[*desk.facts, *words],
        observe=desk.collaborators.observe,
        hits=hits,
        changes=changes or {},
        hidden=desk.collaborators.context.hidden,
    )
    try:
        with desk.asking() as asking:
            work.run(asking)
    except ProposerError:
        pass  # written down: it is the end that the records tell of
    return _layer(desk, work, kept)


def _layer(desk: Desk, work: Stepped, kept: KeptLines | None) -> ModelLayer:
    """What the records say."""
    known, program = desk.records.known, work.program
    commit = known.start.base if known.start else ""
    said = [_weakness(i, program) for i in known.items if _is_said(i, program)]
    rows = each_looked(known.items, program)
    grid, together = program.facts.grid, program.facts.together
    covered = dict(coverage(grid, rows))
    if together:
        covered[" x ".join(together)] = crossed(grid, rows, together)
    dropped = sum(len(item.dropped) for item in known.items)
    found = worst_first(identified(said, Reader(desk.tree()).text))
    older = [w for w in found if kept is not None and not rests_on_change(w.evidence, kept)]
    return ModelLayer(
        weaknesses=tuple(w for w in found if w not in older),
        older=tuple(older),
        hits=tuple(_answered(hit, work) for hit in work.hits),
        incomplete=tuple(work.incomplete(known)),
        commit=commit,
        coverage=covered,
        terrain=work.terrain.lists if work.terrain else {},
        dropped=dropped + (work.terrain.dropped if work.terrain else 0),
        tokens=known.spent.tokens,
        cost_usd=known.spent.cost_usd,
    )


def _answered(hit: Weakness, work: Stepped) -> Weakness:
    """With what a model made of it; nothing is taken away from it."""
    found = work.answers.get(hit.fingerprint)
    step = work.program.facts.steps.get(ANSWER)
    if found is None or step is None:
        return hit
    becomes = step.judgements[found.judgement].becomes
    rule = work.program.facts.statuses.get(becomes)
    return replace(
        hit,
        status=rule.finding if rule else hit.status,
        answer=f"{found.judgement}, says a model: {found.why}",
        evidence=(*hit.evidence, *found.evidence),
    )


def _is_said(item: Item, program: Program) -> bool:
    """Whether it is a word on a weakness, and not on there being none."""
    rule = program.facts.statuses.get(item.claimed)
    return rule is not None and rule.finding != "disproven"


def _weakness(item: Item, program: Program) -> Weakness:
    """A finding as the gate knows it: only the place and quotes that code has found."""
    answer, rule = item.answer, program.facts.statuses.get(item.status)
    cwe = int(answer.get("cwe") or 0)
    unsure = not item.reviewed.startswith("stands")
    confidence = Confidence(str(answer.get("confidence") or Confidence.MEDIUM))
    return Weakness(
        rule=f"{MODEL}/CWE-{cwe}" if cwe else f"{MODEL}/{program.facts.name}",
        path=item.path,
        line=item.line,
        end_line=_end(item),
        severity=Severity(str(answer.get("severity") or Severity.MEDIUM)),
        confidence=max(confidence, Confidence.MEDIUM, key=_rank) if unsure else confidence,
        title=str(answer.get("title", "")),
        why=" ".join(filter(None, (str(answer.get("why", "")), item.overruled))),
        fix=str(answer.get("fix", "")),
        cwe=cwe,
        owasp=str(answer.get("owasp", "")),
        stride=str(answer.get("stride", ""))[:1].upper(),
        evidence=item.evidence,
        sources=(MODEL,),
        status=rule.finding if rule else "unknown",
        role=item.role,
    )


def _rank(confidence: Confidence) -> int:
    return confidence.rank


def _end(item: Item) -> int:
    """The last line, if it is told soundly."""
    told = item.answer.get("end_line")
    near = isinstance(told, int) and item.line <= told <= item.line + 200
    return int(told) if near and told else item.line


def check_fix(
    desk: Desk, weakness: Weakness, *, before: Mapping[str, str], after: Mapping[str, str]
) -> Opinion:
    """`fixed`, `still_vulnerable` or `inconclusive`, with the reason: never more than code shows.

    `before` and `after`: by path, the text of each changed file.
    """
    claim = BareClaim(
        name=weakness.fingerprint,
        title=weakness.title,
        kind=f"CWE-{weakness.cwe}" if weakness.cwe else "",
        path=weakness.path,
        line=weakness.line,
    )
    try:
        with desk.asking() as asking:
            return verify_fix(asking, desk.program, claim, before=before, after=after)
    except (ProposerError, OutOfBudget) as error:
        return Opinion(judgement="inconclusive", why=line(str(error), 300))
