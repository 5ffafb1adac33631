"""Every key of the configuration, its type, its default and what it means; nothing is read here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Discriminator, Field, Tag, WithJsonSchema

from autoresearch_ci.config.fix import FAILURES, Fix
from autoresearch_ci.config.metric import Guard, Holdout, Metric, Section
from autoresearch_ci.config.proposers import (
    Claude,
    ProposerChoice,
    Proposers,
    ServerName,
    ToolServer,
)
from autoresearch_ci.config.security import Security
from autoresearch_ci.config.value_types import (
    Author,
    BranchTemplate,
    Command,
    MessageTemplate,
    Name,
    RelativePath,
    SigningKey,
    Text,
    Variable,
    refusal,
)


def _user(value: object) -> object:
    """A number is a user, too."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return str(value)
    return value


def _absolute(value: str) -> str:
    if not value.startswith("/"):
        raise refusal("is not absolute", "a path that starts with /")
    return value


def _folder(value: str) -> str:
    if set(value) & set("!#*?[]\\"):
        raise refusal("names no folder", "a folder without wildcards, such as target/")
    return value


_Places = Annotated[tuple[Annotated[Name, AfterValidator(_absolute)], ...], Field(strict=False)]
Network = Literal["deny", "loopback", "allow"]
Protections = Literal["none", "container", "full"]
"""In this order: nothing to rely on; own files and no network; nothing else exists."""


class Sandbox(Section):
    """The confinement of setup, metric, guards, hooks, holdout and agent CLIs.

    Setup and agent CLIs always have the network: installing and asking a model need it.
    """

    network: Network = "deny"
    """Of metric, guards, hooks and holdout; `loopback`: a 127.0.0.1 of their own. Setup has it."""
    read_only: bool = True
    """Write only to the measure tree, HOME and TMPDIR; never see credentials and records."""
    user: Annotated[Name, BeforeValidator(_user, json_schema_input_type=Name | int)] = "auto"
    """As root: `auto` runs commands as nobody where that works, `keep` as root; or a user."""
    require: Protections | None = None
    """What must hold, or nothing is run: `full`, `container` or `none`; in GitHub's and GitLab's
    jobs `container` if nothing is said, elsewhere it is told what is missing."""
    read: _Places = ()
    """Absolute paths of files and folders that may be read, besides; toolchains are found."""
    write: _Places = ()
    """Absolute paths of files, folders and devices that may be written to, besides."""


# Strictness would ask for a tuple, which neither YAML nor a command line can write.
AsList = Field(strict=False)
NameList = Annotated[tuple[Name, ...], AsList]
Commands = Annotated[tuple[Command, ...], AsList]
Paths = Annotated[tuple[RelativePath, ...], AsList]


class Budget(Section):
    """Where a run stops, besides `iterations`."""

    minutes: float | None = Field(default=None, gt=0, le=43200)
    """Wall clock of this invocation, setup and confirmation too; what does not fit is not begun."""
    usd: float | None = Field(default=None, gt=0)
    """Dollars of the whole run; it can be resumed with more."""
    tokens: int | None = Field(default=None, ge=1)
    """Tokens of the whole run; it can be resumed with more."""
    iteration_usd: float | None = Field(default=None, gt=0)
    """Dollars of one iteration."""
    iteration_tokens: int | None = Field(default=None, ge=1)
    """Tokens of one iteration."""


class Confirm(Section):
    """The fresh measurement of base and final state at the end of a run."""

    mode: Literal["auto", "never"] = "auto"
    """`auto`: whenever something was kept, base and result are measured again, in turns."""
    repeats: int | None = Field(default=None, ge=1, le=1000)
    """Runs of each of the two; without it, five, or one of an exact metric."""
    ablate: bool | Literal["auto"] = "auto"
    """Leave each kept commit out in turn and take back those that do nothing. `auto`: where finding
    them takes half of the runs that the search took, or fewer."""


PublishMode = Literal["none", "local", "bundle", "github", "gitlab"]


def _switch_or_word(value: object) -> str:
    return "word" if isinstance(value, str) else "switch"


class CommitStyle(Section):
    """How commits are written, for rules that a forge or a commit-msg hook has about them."""

    author: Author = "autoresearch-ci <autoresearch-ci@users.noreply.github.com>"
    """Author and committer of every commit that is pushed."""
    message: MessageTemplate = "experiment: {description}"
    """First line of a candidate's commit: `{description}`, and if wanted `{tag}`, `{iteration}`."""
    sign: Annotated[
        Annotated[bool, Tag("switch")] | Annotated[SigningKey, Tag("word")],
        Discriminator(_switch_or_word),
    ] = False
    """Whether git signs what goes onto the branch, with the key it knows; or a key (GPG, SSH)."""


class Publish(Section):
    """What becomes of the kept commits."""

    mode: PublishMode = "local"
    """`local`: a branch here; `none`: run folder and notebook only; `bundle`: a file for a job that
    may write; `github`, `gitlab`: pushed after each keep, with one pull request."""
    branch: BranchTemplate = "autoresearch/{tag}"
    """`{tag}` is the run's tag. A name without it is one branch, continued night after night."""
    base: Name | None = None
    """Branch to merge into; without it, the one the job runs on, else the default branch."""
    draft: bool = True
    """Whether the pull request starts as a draft."""
    ready: bool = False
    """Whether it is marked ready for review when a run ends with a confirmed gain."""
    labels: NameList = ("autoresearch",)
    """Labels of a new pull request."""
    reviewers: NameList = ()
    """Who is asked to review a new one: logins, or teams as `org/team`."""
    commit: CommitStyle = CommitStyle()
    """How commits are written."""
    remote: Name = "origin"
    """Remote whose address names the repository when the environment does not."""
    repository: Name | None = None
    """`owner/name`; without it GITHUB_REPOSITORY (GitLab: CI_PROJECT_PATH), else the remote's."""

    def branch_name(self, tag: str) -> str:
        """The branch of the run called `tag`."""
        return self.branch.replace("{tag}", tag)


def _guard(value: object) -> object:
    if isinstance(value, str):
        return {"command": value}
    if isinstance(value, Mapping | Guard):
        return value
    raise refusal("has the wrong type", "a command line, or a mapping with a command")


def _mode(value: object) -> object:
    return {"mode": value} if isinstance(value, str) else value


def _word_or_list(value: object) -> str:
    return "word" if isinstance(value, str) else "list"


class Config(Section):
    """The effective configuration of one run."""

    goal: Text = ""
    """What to reach, in a sentence for people and models."""
    scope: NameList = Field(min_length=1)
    """Paths that a proposal may touch: gitignore-style globs, `!` excludes."""
    metric: Metric
    """The one number."""
    guards: Annotated[
        tuple[
            Annotated[Guard, BeforeValidator(_guard, json_schema_input_type=Command | Guard)], ...
        ],
        AsList,
    ] = ()
    """What must keep holding: command lines, or mappings."""
    holdout: Holdout | None = None
    """A metric the proposer never sees."""
    setup: Commands = ()
    """Command lines run once in each measure tree, before the baseline."""
    share: Annotated[
        Annotated[Literal["auto", "none"], Tag("word")] | Annotated[Paths, Tag("list")],
        Discriminator(_word_or_list),
    ] = "auto"
    """Ignored dependency folders that the measure tree receives."""
    cache: Annotated[tuple[Annotated[RelativePath, AfterValidator(_folder)], ...], AsList] = ()
    """Folders of build outputs: what the unmodified code leaves there, all measurements find."""
    env: Annotated[
        Mapping[Variable, Text],
        WithJsonSchema(
            {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
        ),
    ] = Field(default={}, repr=False)
    """Extra environment of setup, metric, guards and holdout."""
    pass_env: Annotated[tuple[Variable, ...], AsList] = ()
    """Names of variables inherited from the caller."""
    gaming: Literal["refuse", "warn", "allow"] = "refuse"
    """What becomes of a change that patches a clock or equals everything; signs are only told."""
    iterations: int = Field(default=25, ge=0, le=1_000_000)
    """How many proposals are judged; 0 measures the baseline only."""
    budget: Budget = Budget()
    """Where a run stops, besides `iterations`."""
    proposer: ProposerChoice = Proposers()
    """`auto`, `search`, `autofix`, `claude`, an agent CLI, `script:FILE`, or several of them."""
    claude: Claude = Claude()
    """How Claude is asked."""
    mcp: Mapping[ServerName, ToolServer] = Field(default={}, repr=False)
    """Model Context Protocol servers, by name: their tools are offered to Claude."""
    seed: int = Field(default=0, ge=0, le=2**32 - 1)
    """Seed of everything random that we do ourselves."""
    program: RelativePath | None = None
    """Markdown file with the human's brief."""
    hooks: bool = False
    """Run the repository's own git hooks on each candidate."""
    plateau: int | None = Field(default=None, ge=1)
    """Stop after that many iterations without a keep."""
    checkpoints: int = Field(default=10, ge=0, le=1_000_000)
    """Experiments after which a line says where the run stands, and what `evals` makes of it."""
    calibrate: Literal["auto", "never"] = "auto"
    """Whether the unmodified code is measured repeatedly first, to learn its noise."""
    confirm: Annotated[
        Confirm,
        BeforeValidator(_mode, json_schema_input_type=Literal["auto", "never"] | Confirm),
    ] = Confirm()
    """Whether base and final state are measured afresh at the end."""
    sandbox: Sandbox = Sandbox()
    """What measured code may see and change."""
    publish: Annotated[
        Publish,
        BeforeValidator(_mode, json_schema_input_type=PublishMode | Publish),
    ] = Publish()
    """What becomes of the kept commits."""
    fix: Fix = Fix()
    """What the command `fix` repairs."""
    security: Security = Security()
    """What the command `security` looks with and at, and what fails it."""

    @property
    def repairs(self) -> bool:
        """Whether what is measured is how much is broken."""
        return self.metric.command == FAILURES

    @property
    def measured(self) -> tuple[str, ...]:
        """What runs for each candidate, the metric's command first."""
        metrics = [] if self.metric.rubric else [self.metric.command]
        if self.repairs:
            metrics = [target.command for target in self.fix.targets]
        metrics += [part.command for part in (*self.guards, self.holdout) if part]
        return tuple(metrics)

    @property
    def rulers(self) -> tuple[str, ...]:
        """Commands whose own files no candidate may change.

        What a tool is told to look at is what there is to repair.
        """
        if not self.repairs:
            return self.commands
        scripts = (target.shown for target in self.fix.targets if target.is_script)
        return (*self.setup, *scripts, *(guard.command for guard in self.guards))

    @property
    def judges(self) -> tuple[str, ...]:
        """Commands that say whether a repair is one: what they start in turn says so, too."""
        if not self.repairs:
            return ()
        shown = (target.shown for target in self.fix.targets if target.judges)
        return (*shown, *(guard.command for guard in self.guards))

    @property
    def commands(self) -> tuple[str, ...]:
        """What is configured to run in the measure tree."""
        return (*self.setup, *self.measured)
