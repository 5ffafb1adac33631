"""What stands between the `---` lines of a program: its keys, and what each means.

Types alone; what they cannot say is checked in program_checks.py.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from autoresearch_ci.config.metric import Section
from autoresearch_ci.investigate.program_steps import Names, PanelRules, ProgramInput, ProgramStep

ANSWER = ("status", "evidence")
"""Properties that every item has: code reads them."""
CHANGES = "changes"
"""The section that is told where a change is what is looked at."""
DEBATE = "debate"
"""The section of a panel's rounds."""
FINDINGS = "findings"
"""What a report that may hold several items calls them."""
OF_THE_ROW = (
    "iteration",
    "timestamp",
    "status",
    "claimed",
    "evidence",
    "dropped",
    "file_line",
    "role",
    "commit",
    "fingerprint",
    "seconds",
    "tokens",
    "cost_usd",
)
"""Columns that the record has, whatever the program."""
OF_A_ROUND = (
    *("round", "persona", "findings_produced", "findings_revised", "challenges_issued"),
    *("flip_count", "status"),
)
"""Columns of a panel's table."""

Evidences = Annotated[
    tuple[Literal["quote", "command", "failing_command", "passing_command"], ...],
    Field(strict=False),
]
FindingStatus = Literal["open", "fixed", "disproven", "blocked", "accepted", "unknown"]


class StatusRule(Section):
    """What a status asks for and means."""

    needs: Evidences = ()
    """Kinds of evidence of which one is enough."""
    fields: Names = ()
    """Parts of the answer that must not be empty."""
    news: bool = False
    """Whether it is something new, so that the search goes on."""
    nothing: bool = False
    """Whether it says that nothing is there: it covers its cells when files were read for it."""
    finding: FindingStatus = "unknown"
    """What it is called in the handoff."""


class StopSection(Section):
    """What ends the search, besides iterations and budget."""

    warn_after: int = Field(default=5, ge=1)
    """Iterations without news after which that is said."""
    stop_after: int = Field(default=10, ge=1)
    """Iterations without news after which nothing is left."""
    answered_by: str = ""
    """A property of the item that is true when the question is answered; with a status that has
    news."""


class Defaults(Section):
    """What holds where nobody says otherwise."""

    iterations: int = Field(default=15, ge=0, le=1_000_000)


class Depth(Section):
    """How far a search goes that somebody asks for by a word."""

    iterations: int | None = Field(default=None, ge=0, le=1_000_000)
    """Without it as many as elsewhere."""
    experiments: int | None = Field(default=None, ge=0, le=20)
    """In each iteration; without it as many as elsewhere."""
    personas: int | None = Field(default=None, ge=2, le=12)
    """Of a panel."""
    rounds: int | None = Field(default=None, ge=0, le=5)
    """Of a panel."""


class ExperimentsSection(Section):
    """What an iteration may run, in the sandbox."""

    kinds: Annotated[tuple[Literal["tests", "script"], ...], Field(strict=False)] = ()
    """`tests`: the repository's own test command on selected tests; `script`: one that is placed in
    the measure tree."""
    most: int = Field(default=1, ge=0, le=20)
    """How many."""


class FrontMatter(Section):
    """What stands between the `---` lines."""

    name: str = Field(min_length=1, max_length=40, pattern=r"^[a-z][a-z0-9-]*$")
    """Of the command, and the beginning of its run folder's name."""
    shape: Literal["investigate", "panel"]
    """The loop that it runs in."""
    about: str = Field(min_length=1, max_length=200)
    """One line for people."""
    item: dict[str, Any]
    """JSON schema of what the model answers: an object with `status` and `evidence` in it."""
    first: Names = ()
    """Properties that are stated, and kept, before anything is tried."""
    claim: str
    """The property that tells one item from another."""
    prediction: str = ""
    """The property, `fails` or `passes`, that says how the experiment ends if the claim is true."""
    several: int = Field(default=0, ge=0, le=100)
    """How many items one report may hold; 0: it is one item. Then the place tells them apart."""
    roles: Names = ()
    """Who looks: in turns, one in each iteration, or all of a panel."""
    sets: Mapping[str, Names] = {}
    """Other roles, by the word that asks for them."""
    grid: Mapping[str, Names] = {}
    """What is to be covered: properties of the item, and the cells of each."""
    together: Names = ()
    """Dimensions of the grid of which the combinations are to be covered."""
    inputs: Mapping[str, ProgramInput] = {}
    """What a person may say, by flag."""
    steps: Mapping[str, ProgramStep] = {}
    """Requests besides the loop's own."""
    panel: PanelRules | None = None
    """Of the shape `panel`."""
    statuses: Mapping[str, StatusRule]
    """Every status that an item can get."""
    otherwise: str
    """The status of what lacks what its own asks for."""
    refuted: str = ""
    """The status of a claim whose prediction did not come true."""
    experiments: ExperimentsSection = ExperimentsSection()
    """What may be run."""
    stop: StopSection = StopSection()
    """What ends it."""
    columns: Names
    """Of the table, in order."""
    outputs: Names
    """Files of the run folder."""
    defaults: Defaults = Defaults()
    """Where nobody says otherwise."""
    depths: Mapping[str, Depth] = {}
    """By the word that asks for it, the shallowest first."""
