"""What earlier runs left in their notebooks on the remote, in a form that proposers understand.

CORE: files of notebooks in, sentences out. Nothing in them is trusted: a journal that cannot be
read is skipped, and whoever shows the words defuses them. Numbers of two runs compare when the
ruler is the same: what in the configuration decides what they mean, and its mark.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from typing import Any, TypeVar

from autoresearch_ci.config.schema import Config
from autoresearch_ci.decide.metric.taken_back import taken_back, told
from autoresearch_ci.experiment import Direction, Experiment, Status
from autoresearch_ci.record.journal_tsv import format_row, header, parse_rows
from autoresearch_ci.safety.secret_values import looks_secret
from autoresearch_ci.safety.wording import number, shortened, signed

T = TypeVar("T")

_KEYS = ("metric", "guards", "holdout", "scope", "setup", "share", "cache", "env")
"""Numbers of two runs that differ in one of these would not compare."""


def ruler_of(config: Config) -> dict[str, Any]:
    """What the numbers of a run mean; targets and timeouts may change."""
    values = config.model_dump(mode="json", include=set(_KEYS))
    if config.repairs:
        values["fix"] = config.fix.model_dump(mode="json", include={"targets"})
    for key in ("target", "timeout"):
        values["metric"].pop(key)
    if values["holdout"]:
        values["holdout"].pop("must")  # asks the same number for more or for less
        if not values["holdout"]["read"]:  # nor did runs say so that began before it was known
            values["holdout"].pop("read")
    # A value of the environment may be a secret: only whether it changed matters here.
    text = json.dumps(values["env"], sort_keys=True)
    values["env"] = hashlib.sha256(text.encode()).hexdigest()
    return values


def ruler_mark(config: Config) -> str:
    """A name for what `ruler` says, short enough to be published with a notebook.

    It is the same whatever the secrets are: a hash of them could be guessed by trying.
    """
    env = {name: value for name, value in config.env.items() if not looks_secret(name, value)}
    values = json.dumps(ruler_of(config) | {"env": env}, sort_keys=True)
    return hashlib.sha256(values.encode()).hexdigest()[:32]


JOURNAL = "results.tsv"
FACTS = "facts.json"
CHART = "progress.svg"
NOTEBOOKS = "refs/autoresearch/notebook/"
LOOKED_AT = 60
"""Notebooks that are opened, to see whose they are: the most telling."""
RUNS = 6
"""Of those with the same metric, that are read: our own branches' before others'."""
SENTENCES = 60
NIGHTS = 60
"""Of one lineage that are listed."""
KEEPS = 300
"""Rows of one lineage that are carried along: the newest."""
REJECTED = 300
"""Changes that are remembered as refused: the newest."""
ATTEMPTS = 300
"""Of earlier runs together, whose trees are read: a start of git for each file of each."""


@dataclass(frozen=True, kw_only=True)
class Night:
    """What one run added to a branch that several have built upon."""

    notebook: str
    """Its notebook's ref on the forge."""
    date: str
    """When it began, ISO 8601 in UTC."""
    host: str
    """The machine in a few words; empty: unknown."""
    ruler: str
    """The mark of what its numbers mean; empty: unknown."""
    tried: int
    kept: int
    before: float | None
    """The metric where it began, as it was measured then and there."""
    after: float | None
    seconds: float
    tokens: int
    cost_usd: float
    rows: str = ""
    """What it kept, as rows of the journal: its notebook is not read for ever."""

    @property
    def keeps(self) -> tuple[Experiment, ...]:
        """`rows`, read; nothing where they are none."""
        try:
            return parse_rows(header(Direction.MINIMIZE) + self.rows)
        except ValueError:
            return ()


@dataclass(frozen=True, kw_only=True)
class Rejected:
    """A change that a person has refused by closing the pull request that it was in."""

    commit: str
    description: str
    notebook: str
    """The ref on the forge that holds the commit."""
    pull_request: str
    """Its address."""


@dataclass(frozen=True, kw_only=True)
class Lineage:
    """What a run continues: the branch's own history since it left the one it is merged into."""

    origin: str = ""
    """The commit where it left; empty: this run is the first, and its base is that commit."""
    apart: Sequence[str] = ()
    """Files that differ since then and are not measured: they are the branch's on both sides."""
    nights: Sequence[Night] = ()
    """Earlier ones, oldest first."""


@dataclass(frozen=True, kw_only=True)
class PastNotebook:
    """One earlier run."""

    branch: str
    """Where its keeps were published."""
    experiments: tuple[Experiment, ...]
    heard: str = ""
    """How far it has read what people say, ISO 8601 in UTC."""
    ruler: str = ""
    """The mark of what its numbers mean; empty: unknown."""
    ref: str = ""
    """Where it was read; empty: unknown."""
    host: str = ""
    """The machine in a few words; empty: unknown."""
    nights: tuple[Night, ...] = ()
    """What it continued."""
    rejected: tuple[Rejected, ...] = ()
    """What it was told not to propose."""


def facts(
    *,
    metric: str,
    direction: Direction,
    branch: str,
    heard: str = "",
    ruler: str = "",
    host: str = "",
    nights: Sequence[Night] = (),
    rejected: Sequence[Rejected] = (),
) -> bytes:
    """What a later run must know to tell whether these numbers are of its kind."""
    known = {
        "metric": metric,
        "direction": str(direction),
        "branch": branch,
        "heard": heard,
        "ruler": ruler,
        "host": host,
        "nights": [asdict(night) for night in _carried(nights)],
        "rejected": [asdict(change) for change in rejected[-REJECTED:]],
    }
    return (json.dumps(known, indent=1, ensure_ascii=False) + "\n").encode()


def _listed_nights(nights: Sequence[Night]) -> list[Night]:
    """The newest; one that kept something is what the branch is made of, and stays longer."""
    idle = [night for night in nights[:-1] if not night.kept]
    dropped = idle[: max(len(nights) - NIGHTS, 0)]
    return [night for night in nights if night not in dropped][-NIGHTS:]


def _carried(nights: Sequence[Night]) -> list[Night]:
    """The newest nights; what the oldest of them kept is left out where it is too much."""
    room = KEEPS
    found: list[Night] = []
    for night in reversed(_listed_nights(nights)):
        room -= night.rows.count("\n")
        found.insert(0, night if room >= 0 else replace(night, rows=""))
    return found


def newest(refs: Sequence[str], tag: str) -> list[str]:
    """The notebooks worth opening, the most telling last.

    That is of the same tag, of tags that differ in a number at the end, and the last by name.
    """
    own = f"{NOTEBOOKS}{tag}"
    same = sorted((r for r in refs if r == own or r.startswith(f"{own}-")), key=_natural)
    kin = _without_number(own)
    others = sorted(
        (r for r in refs if r not in same), key=lambda r: (_without_number(r) == kin, _natural(r))
    )
    return [*others, *same][-LOOKED_AT:]


def _without_number(ref: str) -> str:
    """The same for every run of one workflow, whose tag ends in the run's own numbers."""
    return re.sub(r"(-[0-9]+)+$", "", ref)


def told_of(books: Sequence[PastNotebook], branches: Container[str]) -> list[PastNotebook]:
    """Those that are read, the most telling last: of these branches before others."""
    return sorted(books, key=lambda book: book.branch in branches)[-RUNS:]


def _natural(ref: str) -> list[tuple[int, str]]:
    """`t-10` after `t-9`."""
    return [(int(p), "") if p.isdigit() else (-1, p) for p in re.split(r"([0-9]+)", ref)]


def notebooks(
    files: Mapping[str, Mapping[str, bytes]], *, metric: str, direction: Direction
) -> list[PastNotebook]:
    """Those that measured the same metric in the same direction; `files` by ref."""
    found = []
    for ref, held in files.items():
        try:
            known = json.loads(held.get(FACTS, b"{}"))
            rows = parse_rows(held.get(JOURNAL, b"").decode(errors="replace"))
        except (ValueError, RecursionError):
            continue
        if not isinstance(known, dict):
            continue
        if (known.get("metric"), known.get("direction")) == (metric, str(direction)):
            names = ("branch", "heard", "ruler", "host")
            words = {name: str(known.get(name, "")) for name in names}
            nights = _listed(known.get("nights"), Night)
            rejected = _listed(known.get("rejected"), Rejected)
            found.append(
                PastNotebook(experiments=rows, ref=ref, nights=nights, rejected=rejected, **words)
            )
    return found


def _listed(data: object, kind: type[T]) -> tuple[T, ...]:
    from pydantic import TypeAdapter, ValidationError

    try:
        return TypeAdapter(tuple[kind, ...]).validate_python(data)  # type: ignore[valid-type]
    except ValidationError:
        return ()


def sentences(books: Sequence[PastNotebook], ignored: Sequence[str] = ()) -> list[str]:
    """What was tried, oldest first: what proposers of a later run are told."""
    sentences = []
    for book in books:
        gone = {e.commit for e in taken_back(book.experiments)}
        for e in told(book.experiments):
            if e.status is Status.BASELINE or not e.description:
                continue
            fate = str(e.status)
            if e.commit in gone:
                fate = "kept at first, and taken back since it did nothing"
            if any(e.commit.startswith(name) for name in ignored):
                fate = "a person asked not to propose it again"
            delta = f" {signed(e.delta)} to {number(e.metric)}" if e.metric is not None else ""
            sentences.append(f"{shortened(e.description, 120)} ({fate}{delta})")
    return list(dict.fromkeys(sentences))[-SENTENCES:]


def named(books: Sequence[PastNotebook], name: str) -> Experiment | None:
    """The experiment whose commit somebody named or abbreviated."""
    read = (e for book in books for e in book.experiments)
    carried = (e for book in books for night in book.nights for e in night.keeps)
    known = chain(read, carried)
    return next((e for e in known if e.commit.startswith(name)), None)


def described(books: Sequence[PastNotebook], commits: Sequence[str]) -> list[str]:
    """The descriptions of commits that people named, else their names."""
    return [e.description if (e := named(books, name)) else name for name in commits]


def comparable(books: Sequence[PastNotebook], branch: str, ruler: str) -> list[PastNotebook]:
    """Earlier runs on `branch` whose numbers mean what ours do, oldest first; not too many."""
    found: list[PastNotebook] = []
    room = ATTEMPTS
    for book in reversed(books):
        if ruler and (book.branch, book.ruler) == (branch, ruler):
            room -= len(book.experiments)
            if found and room < 0:
                break
            found.insert(0, book)
    return found


def numbers(book: PastNotebook) -> list[Experiment]:
    """The beginning of a journal without any words."""
    return [replace(e, description="", reason="") for e in book.experiments[:ATTEMPTS]]


def night_of(
    experiments: Sequence[Experiment], *, notebook: str, host: str = "", ruler: str = ""
) -> Night:
    """What a run's journal, baseline included, adds up to."""
    first = experiments[0] if experiments else None
    statuses = [e.status for e in told(experiments)]
    return Night(
        notebook=notebook,
        date=first.timestamp if first else "",
        host=host,
        ruler=ruler,
        tried=len(statuses) - statuses.count(Status.BASELINE),
        kept=statuses.count(Status.KEEP),
        before=first.metric if first else None,
        after=experiments[-1].best if experiments else None,
        seconds=sum(e.seconds for e in experiments),
        tokens=sum(e.tokens for e in experiments),
        cost_usd=sum(e.cost_usd for e in experiments),
        rows="".join(format_row(e) for e in experiments if e.status is Status.KEEP),
    )


def nights_on(books: Sequence[PastNotebook], branch: str) -> list[Night]:
    """The runs that `branch` consists of, oldest first; none of an earlier branch of that name."""
    on = [book for book in books if book.branch == branch]
    if not on:
        return []
    own = {
        book.ref: night_of(book.experiments, notebook=book.ref, host=book.host, ruler=book.ruler)
        for book in on
    }
    newest = on[-1]
    told = (
        replace(night, rows=own[night.notebook].rows) if night.notebook in own else night
        for night in newest.nights
    )
    return _listed_nights([*told, own[newest.ref]])


def kept_in(nights: Sequence[Night]) -> list[Experiment]:
    """What these runs kept, in order, and what took some of it back."""
    return [e for night in nights for e in night.keeps]
