"""A step that asks an agent, and what it meets: who set it off, which words are a stranger's, and
what lies within reach. Pure."""

from __future__ import annotations

import functools
import posixpath
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from autoresearch_ci.config.reader import Path
from autoresearch_ci.decide.security.agentic.agents import AgentKind, agent_of
from autoresearch_ci.decide.security.agentic.conditions import (
    admits_members_only,
    asks_the_author,
    dotted,
    expressions,
    strangers_words,
)
from autoresearch_ci.decide.security.agentic.workflow import (
    OUTSIDERS,
    PROPOSALS,
    Job,
    Workflow,
    WorkflowStep,
    parse,
)
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.experiment import ReadText


@dataclass(frozen=True, kw_only=True)
class AgentStep:
    """A step that asks an agent, and what is known around it."""

    workflow: Workflow
    job: Job
    step: WorkflowStep
    agent: AgentKind
    tainted: Mapping[str, str]
    """Expressions and variables that hold a stranger's words: name to what they come from."""

    @functools.cached_property
    def place(self) -> tuple[Path, str]:
        """Where it is started, and the words in that line."""
        if self.step.uses:
            return (*self.step.at, "uses"), ""
        lines = (line.strip() for line in self.step.run.splitlines())
        line = next((line for line in lines if agent_of(replace(self.step, run=line))), "")
        return ((*self.step.at, "run"), line) if line else (self.step.at, "")

    @property
    def outsiders(self) -> tuple[str, ...]:
        """Events that anybody sets off and that have secrets."""
        return tuple(sorted(self.workflow.triggers & OUTSIDERS))

    @property
    def checked(self) -> bool:
        """Whether who set it off is asked for, by the workflow or by the agent itself."""
        if self.agent.guards and not self.open_to:
            return True
        if self.job.environment:
            return True
        conditions = [self.step.condition, self.job.condition, *self._earlier()]
        return any(map(admits_members_only, filter(None, conditions))) or self._looked_up()

    @property
    def open_to(self) -> str:
        """Whom the agent is told to let in besides."""
        for name in self.agent.open_to:
            if value := self.step.inputs.get(name, "").strip():
                return value
        return ""

    def _earlier(self) -> Iterator[str]:
        """Conditions of the jobs that had to end well before."""
        seen: set[str] = set()
        pending = list(self.job.needs)
        always = re.search(r"\b(always|failure|cancelled)\(\)", self.job.condition)
        while pending and not always:
            job = self.workflow.jobs.get(pending.pop())
            if job and job.name not in seen:
                seen.add(job.name)
                yield job.condition
                pending += job.needs

    def _looked_up(self) -> bool:
        """Whether an earlier step asks GitHub what the actor may do, and can fail by the answer."""
        return any(
            _PERMISSION.search(text)
            for step in self._before
            for text in (step.uses, step.run, *step.inputs.values())
        )

    @property
    def _before(self) -> Sequence[WorkflowStep]:
        number = self.step.at[-1]
        return self.job.steps[: number if isinstance(number, int) else 0]

    @property
    def writes(self) -> tuple[str, ...]:
        """What the job's token may write; `everything` where nobody limits it."""
        permissions = self.job.permissions
        if permissions is None:
            return ("everything, unless the repository's settings say otherwise",)
        if isinstance(permissions, str):
            return ("everything",) if permissions == "write-all" else ()
        return tuple(name for name, level in permissions.items() if level == "write")

    @property
    def other_secrets(self) -> dict[str, Path]:
        """Secrets in its reach, but for the token and the agent's own key: name to where it is
        handed over."""
        texts = [*self.step.texts(), *((self.step.at, text) for text in self.job.env.values())]
        texts += [text for step in self._before for text in _left_behind(step)]
        named = [(name, at) for at, text in texts for name in _SECRET.findall(text)]
        named += [("all of them", at) for at, text in texts if _ALL_SECRETS.search(text)]
        found = {name: at for name, at in reversed(named) if not _is_own(name, self.agent)}
        return dict(sorted(found.items()))


_PERMISSION = re.compile(
    r"getCollaboratorPermissionLevel|collaborators/[^\s]*/permission|check-user-permission"
    r"|check-actor-permissions|get-user-permission|author_association|is-organization-member"
)
_SECRET = re.compile(r"\bsecrets\.([A-Za-z_]\w*)")
_ALL_SECRETS = re.compile(r"(?i)tojson\(\s*secrets\s*\)")


_KEPT = re.compile(
    r"GITHUB_ENV|\blogin\b|\b(?:git|npm|gcloud|aws|kubectl) config|\.npmrc|\.netrc|credentials"
)
_SIGNS_IN = re.compile(r"login|auth|credentials|configure|setup-|ssh-agent|app-token")


def _left_behind(step: WorkflowStep) -> Iterator[tuple[Path, str]]:
    """What a step is told that later ones of its job can find: on disk, or in variables."""
    signs_in = _SIGNS_IN.search(step.uses.partition("@")[0].lower())
    kept = bool(_KEPT.search(step.run) or signs_in)
    if is_checkout(step):
        kept = step.inputs.get("persist-credentials", "true") != "false"
    if kept:
        yield from step.texts()


def is_checkout(step: WorkflowStep) -> bool:
    return step.uses.startswith("actions/checkout@")


def _is_own(name: str, agent: AgentKind) -> bool:
    upper = name.upper()
    return upper == "GITHUB_TOKEN" or any(word in upper for word in agent.keys)


_CALLS = 3
"""Local files that are followed one into another."""


def all_asked(workflow: Workflow, read: ReadText, calls: int = _CALLS) -> Iterator[AgentStep]:
    """Also what a step asks by way of a workflow or an action of the same repository."""
    for job in workflow.jobs.values():
        tainted = _tainted(workflow, job)
        for step in job.steps:
            if agent := agent_of(step) or _of_called(step, read, calls):
                own = {**tainted, **_in_variables(step.env, tainted)}
                if words := step.run and _handled(step, tainted):
                    own.update(dict.fromkeys(_passed_on(step), words))
                yield AgentStep(workflow=workflow, job=job, step=step, agent=agent, tainted=own)


def _of_called(step: WorkflowStep, read: ReadText, calls: int) -> AgentKind | None:
    """The agent that a local file asks; it guards where that file asks who set it off."""
    for path, text in _called(step.uses, read) if calls else ():
        try:
            found = next(all_asked(parse(path, text), read, calls - 1), None)
        except ConfigError:
            continue  # told of where that file itself is looked at
        if found:
            name = f"{found.agent.name} (in {path})"
            return replace(found.agent, name=name, guards=found.checked, open_to=())
    return None


def _called(uses: str, read: ReadText) -> Iterator[tuple[str, str]]:
    if not uses.startswith("./"):
        return
    place = posixpath.normpath(uses)
    names = [place] if place.endswith((".yml", ".yaml")) else []
    for path in (*names, f"{place}/action.yml", f"{place}/action.yaml"):
        if (text := read(path.removeprefix("./"))) is not None:
            yield path.removeprefix("./"), text


def _tainted(workflow: Workflow, job: Job) -> dict[str, str]:
    """What holds a stranger's words in a job: `env.TITLE`, `steps.read.outputs`."""
    found = _in_variables(job.env, {})
    for name in job.needs:
        earlier = workflow.jobs.get(name)
        for key, value in (earlier.outputs if earlier else {}).items():
            if earlier and (words := _words(value, _of_steps(earlier, {}))):
                found[f"needs.{name}.outputs.{key}"] = words
    return {**found, **_of_steps(job, found)}


def _of_steps(job: Job, known: Mapping[str, str]) -> dict[str, str]:
    found = dict(known)
    for step in job.steps:
        words = _handled(step, found)
        if words and agent_of(step) is None:  # an agent's answer is its own
            found.update(dict.fromkeys(_passed_on(step), words))
    return found


def _handled(step: WorkflowStep, known: Mapping[str, str]) -> str:
    """What of strangers' words a step works on; empty: nothing."""
    own = {**known, **_in_variables(step.env, known)}
    texts = [text for _, text in step.texts()]
    found = next((words for text in texts if (words := _words(text, own))), "")
    fetched = next((match for text in texts if (match := _FETCHES.search(text))), None)
    return found or (fetched[0] if fetched else _shell_words(step.run, own)[1])


_FETCHES = re.compile(
    r"\bgh (?:issue|pr) view\b|\bgh api \S*(?:issues|pulls|comments)/"
    r"|\bpayload\.(?:issue|pull_request|comment|review|discussion)\.(?:title|body)\b"
)


def _passed_on(step: WorkflowStep) -> Iterator[str]:
    """Under which names later steps find what a step has worked on."""
    if step.id and ("GITHUB_OUTPUT" in step.run or step.uses):
        yield f"steps.{step.id}.outputs"
    if "GITHUB_ENV" in step.run:
        yield from (f"env.{name}" for name in _SETS.findall(step.run))
    for text in (step.run, step.inputs.get("script", "")):
        yield from (f"env.{name}" for name in _EXPORTS.findall(text))
        yield from (f"{_FILE}{name}" for name in _WRITES.findall(text) if not _NO_FILE.match(name))


_SETS = re.compile(r"(?:echo|printf)[ \t]+[\"']?([A-Za-z_]\w{0,60})(?:=|<<)")
_EXPORTS = re.compile(r"exportVariable\(\s*[\"'](\w{1,60})[\"']")
_FILE = "file "
_WRITES = re.compile(
    r"""(?:>{1,2}|\btee(?:\s+-a)?\s|writeFile(?:Sync)?\()\s*["']?([\w./-]{3,120})(?=["'\s;,)|&]|$)"""
)
_NO_FILE = re.compile(r"/dev/|\d+$")


def _in_variables(env: Mapping[str, str], known: Mapping[str, str]) -> dict[str, str]:
    return {f"env.{name}": words for name, value in env.items() if (words := _words(value, known))}


def _words(text: str, known: Mapping[str, str]) -> str:
    """What of a stranger's stands in a text; empty: nothing."""
    for expression in expressions(text):
        if found := strangers_words(expression):
            return found
        for name, origin in known.items():
            if re.search(rf"(?i){re.escape(name)}\b", dotted(expression)):
                return origin
    return ""


def _shell_words(text: str, known: Mapping[str, str]) -> tuple[str, str]:
    """A variable of the shell or a file that holds them: how it is written, and what it holds."""
    for name, origin in known.items():
        path = name.removeprefix(_FILE)
        if path != name and (found := re.search(rf"(?<![\w./-]){re.escape(path)}(?![\w-])", text)):
            return found[0], origin
        variable = name.removeprefix("env.")
        used = rf"(?:\$\{{?|\bprintenv\s+){re.escape(variable)}\b"
        found = re.search(used, text) if name != variable else None
        if found:
            return found[0], origin
    found = _PIPED.search(text)
    return (found[0], found[0].strip("$( |")) if found else ("", "")


_PIPED = re.compile(
    r"\$\(\s*gh (?:issue|pr) view\b|\bgh (?:issue|pr) view\b(?=[^\n|]*\|)"
    r"|\bjq\b[^\n|]*\b(?:title|body)\b[^\n|]*GITHUB_EVENT_PATH"
    r"|(?:\bcat\s+|<\s*)[\"']?\$\{?GITHUB_EVENT_PATH"
)
"""What is fetched into a command line, rather than by a tool that the agent may use."""


def strangers_in(asked: AgentStep, text: str) -> tuple[str, str]:
    """How a stranger's words are written in what a step is told, and what they are; or nothing."""
    told = [(e, words) for e in expressions(text) if (words := _words(e, asked.tainted))]
    told.append(_shell_words(text, asked.tainted))
    others = ((e, words) for e, words in told if words and not _is_the_members_own(asked, words))
    return next(others, ("", ""))


def _is_the_members_own(asked: AgentStep, words: str) -> bool:
    """Whether it is the words of the very person who was asked for."""
    own = re.fullmatch(r"(?i)github\.event\.(?:comment|review|review_comment)\.body", words)
    if not own or not asked.checked:
        return False
    conditions = f"{asked.step.condition} {asked.job.condition}"
    return asked.agent.guards or asks_the_author(conditions)


def reads_strangers(asked: AgentStep) -> bool:
    """Whether it meets what a stranger wrote: in its prompt, by its trigger, in its checkout."""
    if asked.outsiders and (not asked.checked or asked.open_to):
        return True
    prompts = ((at, text) for at, text in asked.step.texts() if at[-2:-1] != ("env",))
    for _, text in prompts:
        if strangers_in(asked, text)[1]:
            return True
    return bool(asked.workflow.triggers & PROPOSALS) and bool(asked.open_to)
