"""What is insecure about a workflow that asks an agent: rules of our own, each one function.

A rule speaks of a step that asks an agent, within what its job has at hand. Who reads the workflow
for other holes, as template injection, is another tool's business.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from autoresearch_ci.config.reader import Path
from autoresearch_ci.decide.security.agentic.agent_steps import (
    AgentStep,
    all_asked,
    is_checkout,
    reads_strangers,
    strangers_in,
)
from autoresearch_ci.decide.security.agentic.agents import (
    action_name,
    everything_allowed,
    reads_secrets,
)
from autoresearch_ci.decide.security.agentic.workflow import WorkflowStep, parse
from autoresearch_ci.decide.security.weakness import Confidence, Severity, Weakness
from autoresearch_ci.experiment import ReadText

TOOL = "agentic"


def scan(path: str, content: str, read: ReadText = lambda path: None) -> tuple[Weakness, ...]:
    """Of one workflow or composite action, and what it calls of the same repository.

    Raises `ConfigError` for what cannot be read.
    """
    workflow = parse(path, content)
    found: list[Weakness] = []
    for asked in all_asked(workflow, read):
        for rule in RULES:
            found += rule(asked)
    return tuple(found)


def untrusted_prompt(asked: AgentStep) -> Iterator[Weakness]:
    """A stranger's words in what the agent is told."""
    for at, text in asked.step.texts():
        told = bool(_PROMPTS.search(str(at[-1]))) or asked.step.uses.startswith("./")
        if at[-2:-1] == ("env",) or (at[-2:-1] == ("with",) and not told):
            continue
        shown, words = strangers_in(asked, text)
        if not words:
            continue
        # Whatever else the job holds, it holds the agent's own key.
        exposed = asked.outsiders or asked.workflow.called
        yield _weakness(
            asked,
            "untrusted-prompt",
            at,
            words=shown,
            severity=Severity.HIGH if exposed else Severity.MEDIUM,
            confidence=Confidence.HIGH,
            cwe=1427,
            title=f"the prompt of {asked.agent.name} holds {words}, which anybody can write",
            why="Whoever opens an issue or a pull request can tell the agent what to do, with all "
            "that the job has at hand.",
            fix="Give the agent a number to look up with a tool that only reads, or let a person "
            "who may write start it; never paste the text into its instructions.",
        )


_PROMPTS = re.compile(r"(?i)prompt|message|instructions|query|question|args|input|review|goal|task")


def missing_actor_check(asked: AgentStep) -> Iterator[Weakness]:
    """Anybody can start it."""
    if asked.outsiders and not asked.checked:
        armed = asked.writes or asked.other_secrets
        yield _weakness(
            asked,
            "missing-actor-check",
            severity=Severity.HIGH if armed else Severity.MEDIUM,
            cwe=862,
            title=f"anybody can start {asked.agent.name} here, by {', '.join(asked.outsiders)}",
            why="No condition asks who set it off, so a stranger spends the key, and works with "
            "the job's token.",
            fix="Add `if:` with `author_association` of OWNER, MEMBER or COLLABORATOR, or an "
            "environment that somebody must approve.",
        )


_STRONG = frozenset({"contents", "actions", "packages", "id-token", "deployments", "everything"})
"""Scopes with which more than a conversation can be written."""


def write_token(asked: AgentStep) -> Iterator[Weakness]:
    """A token that writes beside an agent that reads what strangers wrote."""
    if not asked.agent.acts or not asked.writes:
        return
    if not asked.outsiders or not reads_strangers(asked):
        return
    high = bool(_STRONG & {*asked.writes})
    yield _weakness(
        asked,
        "write-token",
        severity=Severity.HIGH if high else Severity.MEDIUM,
        confidence=Confidence.MEDIUM if asked.job.permissions is None else Confidence.HIGH,
        cwe=250,
        title=f"{asked.agent.name} reads what strangers write, beside a token that writes "
        f"{', '.join(asked.writes)}",
        why="Who steers the agent by its input has that token.",
        fix="`permissions: {contents: read}` for this job; let a second job, which asks no model "
        "and checks what the first one made, do the writing.",
    )


def secrets_beside(asked: AgentStep) -> Iterator[Weakness]:
    """Secrets that the agent does not need."""
    secrets = asked.other_secrets if asked.agent.acts else {}
    if secrets and (asked.outsiders or asked.tainted or asked.workflow.called):
        name, at = next(iter(secrets.items()))
        named = ", ".join(secrets)
        yield _weakness(
            asked,
            "secrets-beside-agent",
            at,
            words=f"secrets.{name}",
            severity=Severity.HIGH if reads_strangers(asked) else Severity.MEDIUM,
            cwe=200,
            title=f"secrets within reach of {asked.agent.name}: {named}",
            why="What stands in its environment it can print, and what it prints is public.",
            fix="Move the step that needs the secret into a job without an agent.",
        )


def untrusted_checkout(asked: AgentStep) -> Iterator[Weakness]:
    """The agent works in what a stranger has sent, with the base's secrets."""
    if not asked.agent.acts or not (asked.outsiders or asked.workflow.called):
        return
    for step in asked.job.steps:
        at, words = checks_out_head(step)
        if at and not asked.checked:
            yield _weakness(
                asked,
                "untrusted-checkout",
                at,
                words=words,
                severity=Severity.HIGH,
                cwe=829,
                title=f"{asked.agent.name} works in the files of a stranger's pull request",
                why="Agents obey CLAUDE.md, AGENTS.md, .mcp.json and settings that they find in "
                "the checkout, and here those are the stranger's; the job has secrets.",
                fix="Use `pull_request`, which has no secrets for forks; or check out the base and "
                "let the agent read the difference as text.",
            )
            return


_HEAD = re.compile(
    r"pull_request\.head\.(?:sha|ref)|github\.head_ref|workflow_run\.head_(?:sha|branch)"
    r"|refs/pull/.*/(?:merge|head)|merge_commit_sha"
)
_FETCHES_HEAD = re.compile(
    r"gh pr checkout|git (?:fetch|pull|checkout)[^\n]{0,400}(?:pull/|head\.ref|head_ref)"
)


def checks_out_head(step: WorkflowStep) -> tuple[Path, str]:
    """Where, and by which words, a step fetches what a stranger proposes; or nothing."""
    if is_checkout(step):
        for key in ("ref", "repository"):
            value = step.inputs.get(key, "")
            if _HEAD.search(value) or "head.repo" in value or "steps." in value:
                return (*step.at, "with", key), value.strip()
    if found := _FETCHES_HEAD.search(step.run):
        return (*step.at, "run"), found[0]
    return (), ""


def shell_for_all(asked: AgentStep) -> Iterator[Weakness]:
    """The agent may run whatever it likes."""
    if words := everything_allowed(asked.step):
        yield _weakness(
            asked,
            "unlimited-tools",
            _place_of(asked.step, words),
            words=words,
            severity=Severity.HIGH if reads_strangers(asked) else Severity.MEDIUM,
            cwe=78,
            title=f"{asked.agent.name} may run any command: {words}",
            why="One sentence in what it reads is then a shell on the runner.",
            fix="List the few commands that it needs, each with its arguments.",
        )


def reads_environment(asked: AgentStep) -> Iterator[Weakness]:
    """A tool that shows other processes' variables, or any file."""
    words = reads_secrets(asked.step)
    if words and not everything_allowed(asked.step):
        yield _weakness(
            asked,
            "reads-environment",
            _place_of(asked.step, words),
            words=words.splitlines()[0],
            severity=Severity.HIGH if reads_strangers(asked) else Severity.MEDIUM,
            cwe=200,
            title=f"a tool of {asked.agent.name} can read /proc and the environment: {words}",
            why="`cat /proc/self/environ` is all that it takes to read the key and the token.",
            fix="Allow tools that read beneath the checkout only; no general reader, no "
            "interpreter.",
        )


def non_write_users(asked: AgentStep) -> Iterator[Weakness]:
    """The agent's own check is switched off."""
    for name in asked.agent.open_to:
        value = asked.step.inputs.get(name, "").strip().strip("'\"")
        if not value:
            continue
        all_of_them = value == "*"
        bots = "bot" in name
        severity = Severity.MEDIUM if bots or not all_of_them else Severity.HIGH
        if all_of_them and not bots and _STRONG & {*asked.writes} and asked.outsiders:
            severity = Severity.CRITICAL
        yield _weakness(
            asked,
            "non-write-users",
            (*asked.step.at, "with", name),
            severity=severity if all_of_them or not bots else Severity.LOW,
            confidence=Confidence.HIGH,
            cwe=862,
            title=f"{name} lets {'everybody' if all_of_them else value} use {asked.agent.name}",
            why="The check that only who may write starts it is gone.",
            fix=f"Remove {name}; start it for strangers by a label that a maintainer sets.",
        )


def unpinned(asked: AgentStep) -> Iterator[Weakness]:
    """Other code than was reviewed may run with the key."""
    uses = asked.step.uses
    if uses and not uses.startswith(("./", "docker://")) and not _PINNED.search(uses):
        yield _weakness(
            asked,
            "unpinned-agent",
            (*asked.step.at, "uses"),
            severity=Severity.MEDIUM,
            confidence=Confidence.HIGH,
            cwe=829,
            title=f"the agent's action is not pinned: {uses}",
            why="Whoever can move that tag has the key and the token.",
            fix="Pin it to a commit: `@<40 hexadecimal digits> # v1.2.3`.",
        )
    for step in asked.job.steps:
        found = _FLOATING.search(step.run)
        if found and (step is asked.step or asked.step.run):
            yield _weakness(
                asked,
                "unpinned-agent",
                (*step.at, "run"),
                words=found[0].strip(),
                severity=Severity.MEDIUM,
                cwe=829,
                title=f"the agent is installed in whatever version there is: {found[0].strip()}",
                why="Whoever publishes the next version has the key and the token.",
                fix="Name a version, and install it from a lock file.",
            )
            return


_PINNED = re.compile(r"@[0-9a-f]{40}([0-9a-f]{24})?\b")
_FLOATING = re.compile(
    r"(?:npx|bunx|pnpx|pnpm dlx|npm (?:i|install|add)|yarn global add|pnpm add)\s+(?:-\S+\s+)*"
    r"(?:@anthropic-ai/claude-code|@openai/codex|@google/gemini-cli|@github/copilot|opencode-ai"
    r"|@qwen-code/qwen-code|@sourcegraph/amp)(?:@(?:[a-z][\w-]*|[\^~<>=*][^\s]*|\d+))?(?=[\s\"']|$)"
    r"|(?:(?:pip3?|pipx|uv pip|uv tool) install|uvx|pipx run)\s+(?:-\S+\s+)*"
    r"(?:aider-chat|aider-install|llm|open-interpreter|mistral-vibe|kimi-cli)(?=[\s\"']|$)"
    r"|(?:curl|wget)\s[^\n|]{0,400}(?:claude\.ai|cursor\.com|opencode\.ai|ampcode\.com|goose|codex|gemini)"
    r"[^\n|]{0,400}\|\s*(?:ba|z)?sh"
)


def no_egress_limit(asked: AgentStep) -> Iterator[Weakness]:
    """What the agent knows can go anywhere."""
    idle = asked.job.isolated or not asked.agent.acts
    if idle or not reads_strangers(asked) or not (asked.outsiders or asked.tainted):
        return
    for step in asked.job.steps:
        hardened = action_name(step.uses) == "step-security/harden-runner"
        if hardened and step.inputs.get("egress-policy") == "block":
            return
    yield _weakness(
        asked,
        "no-egress-limit",
        severity=Severity.LOW,
        cwe=200,
        title=f"nothing limits where {asked.agent.name} can send what it reads",
        why="An address in a stranger's text is enough to carry the key away.",
        fix="First step: step-security/harden-runner with `egress-policy: block` and the hosts "
        "that are needed.",
    )


def _place_of(step: WorkflowStep, words: str) -> Path:
    first = words.splitlines()[0].split(":")[0]
    return next((at for at, text in step.texts() if words in text), ()) or next(
        ((*step.at, "with", name) for name in step.inputs if name == first), step.at
    )


def _weakness(
    asked: AgentStep,
    rule: str,
    at: Path = (),
    *,
    severity: Severity,
    cwe: int,
    title: str,
    why: str,
    fix: str,
    words: str = "",
    confidence: Confidence = Confidence.MEDIUM,
) -> Weakness:
    at, words = (at, words) if at else asked.place
    line = asked.workflow.line(at, words.splitlines()[0] if words else "")
    return Weakness(
        rule=f"{TOOL}/{rule}",
        path=asked.workflow.path,
        line=line,
        severity=severity,
        confidence=confidence,
        title=title,
        why=why,
        fix=fix,
        cwe=cwe,
        sources=(TOOL,),
    )


Rule = Callable[[AgentStep], Iterator[Weakness]]

RULES: tuple[Rule, ...] = (
    untrusted_prompt,
    missing_actor_check,
    write_token,
    secrets_beside,
    untrusted_checkout,
    shell_for_all,
    reads_environment,
    non_write_users,
    unpinned,
    no_egress_limit,
)
