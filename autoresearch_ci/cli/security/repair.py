"""`autoresearch-ci security --fix`: repairs what the scan found, by the loop of `fix`.

What a repair is, measure/failure_objective.py decides; the gate then judges what remains.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

from autoresearch_ci.cli.config import effective
from autoresearch_ci.cli.fix_targets import targets_of, with_targets
from autoresearch_ci.cli.gate_commits import Compared
from autoresearch_ci.cli.investigate.open_investigation import Desk, opened_desk
from autoresearch_ci.cli.make_proposer import turns_of
from autoresearch_ci.cli.publish import tell
from autoresearch_ci.cli.run import run, show_table
from autoresearch_ci.cli.security.model_layer import check_fix
from autoresearch_ci.cli.security.scan import ScanContext, Scanned
from autoresearch_ci.config.fix import FixTarget
from autoresearch_ci.config.schema import Config
from autoresearch_ci.decide.failures.failure import journal_id
from autoresearch_ci.decide.security.as_failures import failure_id, threshold, to_repair
from autoresearch_ci.decide.security.weakness import Weakness
from autoresearch_ci.errors import AutoresearchError, BaselineError, ConfigError, ProposerError
from autoresearch_ci.events import Note, Warning
from autoresearch_ci.experiment import Experiment
from autoresearch_ci.investigate.program import bundled
from autoresearch_ci.measure.run_diagnostics import OwnTarget
from autoresearch_ci.measure.scanners.run_scanners import ScanResults
from autoresearch_ci.measure.weakness_target import (
    MODEL,
    SCANNERS,
    ClaimedWeaknesses,
    ScannedCode,
    Verify,
)
from autoresearch_ci.preflight import Options, RunContext
from autoresearch_ci.propose.autofix import NAME as AUTOFIX
from autoresearch_ci.record.investigation_records import peek
from autoresearch_ci.record.run_names import chosen_tag, run_store
from autoresearch_ci.record.run_records import peek_base
from autoresearch_ci.report.remaining_failures import evidence_markdown
from autoresearch_ci.report.run_folder import Finished
from autoresearch_ci.workspace.store import Store

EVERYTHING = ("**",)
_WORKFLOWS = re.compile(r"\.github/(workflows/[^/]+\.ya?ml|actions/([^/]+/)+action\.ya?ml)")


@dataclass(frozen=True, kw_only=True)
class Claims:
    """What a model says besides the scanners, and who is asked whether it is mended."""

    weaknesses: Sequence[Weakness]
    """Open ones, bad enough."""
    verify: Verify


def _is_claim(weakness: Weakness) -> bool:
    return weakness.sources == (MODEL,)


def _of_scanners(head: ScanResults) -> ScanResults:
    """Without what a model says."""
    told = tuple(weakness for weakness in head.weaknesses if not _is_claim(weakness))
    gaps = {name: why for name, why in head.gaps.items() if name != MODEL}
    return replace(head, weaknesses=told, gaps=gaps)


def _desk(scan: ScanContext, tag: str) -> AbstractContextManager[Desk]:
    """Where a model is asked whether something is mended."""
    begun = peek(run_store(scan.repository, f"verify-{tag}")).start is not None
    return opened_desk(
        scan.config,
        bundled("security"),
        Options(start=Path.cwd(), tag=tag, base=scan.pair.head, resume=begun),
        command="verify",
        asked={},
        iterations=1,
        observe=scan.observe,
        stop=scan.stop,
        environment=scan.environment,
    )


def claims_of(desk: Desk, weaknesses: Sequence[Weakness]) -> Claims:
    """What a model says; `desk` stays open until all is repaired.

    Each answer is an independent request: it sees the claim, and the code before and after.
    """

    def verify(claim: Weakness, before: Mapping[str, str], after: Mapping[str, str]) -> str:
        return check_fix(desk, claim, before=before, after=after).judgement

    return Claims(weaknesses=weaknesses, verify=verify)


@dataclass(frozen=True, kw_only=True)
class Fixed:
    """What is there after the repairs."""

    pair: Compared
    scanned: Scanned
    broken: AutoresearchError | None = None
    """What the process ends with, once the report is written."""


def fix(scan: ScanContext, scanned: Scanned, options: argparse.Namespace) -> Fixed | None:
    """Repairs, and the scan of what remains; `None`: nothing is to be repaired.

    Raises `AutoresearchError` where no run can begin.
    """
    least = threshold(scan.config.security.fail_on)
    everything = to_repair(scanned.head.weaknesses, scanned.base, scanned.excuses, least)
    if not everything:
        scan.observe(Note(message=f"nothing to repair: nothing is open that is {least} or worse"))
        return None
    if scan.pair.fork:
        raise ConfigError(
            "security --fix: a fork's pull request is not repaired here: its job may push nothing, "
            "and nothing of it is run with our key.\ndo: leave out --fix."
        )
    resolved, path = effective(options, commit=scan.pair.rules, only=True, command="fix")
    wanted = [weakness for weakness in everything if not _is_claim(weakness)]
    claimed = [weakness for weakness in everything if _is_claim(weakness)]
    config = _config(resolved.config, scan, claimed=bool(claimed))
    if options.iterations:
        config = config.model_copy(update={"iterations": options.iterations})
    tag = chosen_tag(scan.repository, None, resume=options.resume, prefix="security-fix-")
    if options.resume:
        _refuse_another_head(peek_base(run_store(scan.repository, tag)), scan.pair.head)
    if turns_of(config, scan.environment) == ((AUTOFIX, 1),):
        return Fixed(pair=scan.pair, scanned=scanned, broken=_nobody(len(everything)))
    with ExitStack() as stack:
        whole = options.diff is None and scan.config.scope == EVERYTHING
        claims = claims_of(stack.enter_context(_desk(scan, tag)), claimed) if claimed else None
        repairs = _Repairs(
            scan=scan,
            known=_of_scanners(scanned.head) if whole else None,
            wanted=wanted,
            claims=claims,
            stack=stack,
            config=config,
        )
        options_of_run = Options(
            start=Path.cwd(),
            config_path=path,
            tag=tag,
            resume=options.resume,
            command="security-fix",
            opened=tuple(w.path for w in everything if _WORKFLOWS.fullmatch(w.path)),
        )
        try:
            finished = run(
                replace(resolved, config=config),
                options_of_run,
                observe=scan.observe,
                stop=scan.stop,
                environment=scan.environment,
                besides=repairs,
            )
        except (BaselineError, ProposerError) as error:  # what was found is told all the same
            return Fixed(pair=scan.pair, scanned=scanned, broken=error)
        left = repairs.claims_left(finished)
    out = sys.stdout if options.format == "text" else sys.stderr
    show_table(finished, out)
    tell(finished.published, out)
    remaining = _remaining(scan, scanned, finished, diff=options.diff is not None)
    return _with_model(remaining, scanned, claimed, left)


def _refuse_another_head(base: str, head: str) -> None:
    if base != head:
        raise ConfigError(
            f"security --fix --resume: the last repairs are of {base[:12]}, and what was scanned "
            f"is {head[:12]}.\ndo: git switch --detach {base[:12]}, or leave out --resume."
        )


def _nobody(number: int) -> ProposerError:
    told = "weakness" if number == 1 else "weaknesses"
    return ProposerError(
        f"security --fix: nobody is there to repair {number} {told}: a scanner has no fixer of "
        "its own, and there is no key for a model. The report says what was found.\n"
        "do: set ANTHROPIC_API_KEY, or name somebody else: --proposer NAME (docs/security.md)."
    )


def _config(config: Config, scan: ScanContext, *, claimed: bool) -> Config:
    """What `fix` measures, and the scanners besides; only what these tell is repaired."""
    found = targets_of(config, scan.repository, scan.pair.head)
    tested = with_targets(config, found) if found.targets else config
    least = threshold(scan.config.security.fail_on)
    command = f"autoresearch-ci security --fail-on {least}"
    own = FixTarget(tool=SCANNERS, command=command, category="critical")
    model = FixTarget(tool=MODEL, command="a model is asked again", category="critical")
    targets = (own, *([model] if claimed else []), *tested.fix.targets)
    if not found.targets and not config.guards:
        message = "no test was found: only scanners and our rules say that a repair keeps a feature"
        scan.observe(Warning(message=f"{message}\ndo: --guard CMD, or fix.targets"))
    section = config.fix.model_copy(update={"targets": targets, "categories": ("critical",)})
    return config.model_copy(update={"fix": section, "security": scan.config.security})


@dataclass(frozen=True, kw_only=True)
class _Repairs:
    """See `Besides`."""

    scan: ScanContext
    known: ScanResults | None
    """What all scanners said of all of the head; `None`: they have not looked at all of it."""
    wanted: Sequence[Weakness]
    claims: Claims | None
    stack: ExitStack
    """Closes the room of the scanners."""
    config: Config
    _own: dict[str, OwnTarget] = field(default_factory=dict)

    def targets(self, store: Store, context: RunContext) -> Mapping[str, OwnTarget]:
        settings = self.scan.config.security
        least, allow = threshold(settings.fail_on), self.config.fix.allow
        look = self.stack.enter_context(self.scan.looker())
        found: dict[str, OwnTarget] = {
            SCANNERS: ScannedCode(
                files=context.files,
                scan=lambda files: look(files, store),
                wanted=self.wanted,
                least=least,
                excusing=tuple(filter(None, (settings.accepted, settings.baseline))),
                allow=allow,
                known=self.known if context.base == self.scan.pair.head else None,
            )
        }
        if self.claims:
            found[MODEL] = ClaimedWeaknesses(
                files=context.files,
                read=store.read,
                claims=self.claims.weaknesses,
                least=least,
                verify=self.claims.verify,
                allow=allow,
            )
        self._own.update(found)
        return found

    def claims_left(self, finished: Finished) -> Sequence[Weakness]:
        """What the model claims and the result has not mended."""
        own = self._own.get(MODEL)
        if not isinstance(own, ClaimedWeaknesses):
            return ()
        return own.left(finished.ledger.changes(finished.ledger.incumbent))

    def evidence(self, experiments: Sequence[Experiment]) -> str:
        named = {journal_id(failure_id(SCANNERS, w)): w for w in self.wanted}
        claims = self.claims.weaknesses if self.claims else ()
        named |= {journal_id(failure_id(MODEL, w)): w for w in claims}
        return evidence_markdown(named, experiments)


def _remaining(scan: ScanContext, scanned: Scanned, finished: Finished, *, diff: bool) -> Fixed:
    """All of the result looked at again, as of a stranger: its excuses are those of before."""
    head = finished.ledger.incumbent
    if not finished.ledger.history.kept:
        return Fixed(pair=scan.pair, scanned=scanned, broken=finished.broken)
    pair = replace(scan.pair, head=head)
    if not diff:
        pair = replace(pair, base=scan.pair.base if scan.pair.proposed else scan.pair.head)
        pair = replace(pair, proposed=True)
    again = replace(scan, pair=pair, ask=None)
    scope = () if scan.config.scope == EVERYTHING else scan.config.scope
    return Fixed(pair=pair, scanned=again.run(diff=diff, scope=scope), broken=finished.broken)


def _with_model(
    fixed: Fixed, scanned: Scanned, claimed: Sequence[Weakness], left: Sequence[Weakness]
) -> Fixed:
    """With what a model said of the head, but for what it says is mended: it is not asked anew."""
    if fixed.scanned is scanned:  # nothing was kept
        return fixed
    before = scanned.head
    names = {weakness.fingerprint for weakness in claimed}
    others = [w for w in before.weaknesses if _is_claim(w) and w.fingerprint not in names]
    answered = {w.fingerprint: w for w in before.weaknesses if w.answer}
    head = fixed.scanned.head
    told = [
        replace(w, status=was.status, answer=was.answer)
        if (was := answered.get(w.fingerprint))
        else w
        for w in head.weaknesses
    ]
    gaps = {name: why for name, why in before.gaps.items() if name == MODEL}
    looked = {name: number for name, number in before.looked.items() if name == MODEL}
    head = replace(
        head,
        weaknesses=(*told, *others, *left),
        gaps={**head.gaps, **gaps},
        looked={**head.looked, **looked},
    )
    excuses = fixed.scanned.excuses
    excuses = replace(excuses, of={**scanned.excuses.of, **excuses.of})
    base, older = fixed.scanned.base, scanned.layer.older
    return replace(
        fixed,
        scanned=replace(
            fixed.scanned,
            head=head,
            gaps={**fixed.scanned.gaps, **gaps},
            excuses=excuses,
            base=replace(base, weaknesses=(*base.weaknesses, *older)) if base else None,
            layer=scanned.layer,
            left={**scanned.left, **fixed.scanned.left},
        ),
    )
