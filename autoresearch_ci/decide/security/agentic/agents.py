"""Which steps ask an agent, and what each agent lets others do: one table of actions, one of
command lines. Facts are those of each project's documentation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from autoresearch_ci.decide.security.agentic.workflow import WorkflowStep


@dataclass(frozen=True, kw_only=True)
class AgentKind:
    """One kind of agent."""

    name: str
    guards: bool = False
    """Whether it refuses by itself who may not write to the repository."""
    open_to: tuple[str, ...] = ()
    """Inputs that let others in: who, or `*`."""
    keys: frozenset[str] = frozenset()
    """Words in the names of secrets that it needs itself."""
    acts: bool = True
    """Whether it has tools of its own; else it answers, and that is all."""


_CLAUDE = frozenset({"ANTHROPIC", "CLAUDE"})
_OPENAI = frozenset({"OPENAI", "CODEX", "AZURE_OPENAI"})
_GOOGLE = frozenset({"GEMINI", "GOOGLE_API", "VERTEX"})
_ANY_KEY = _CLAUDE | _OPENAI | _GOOGLE | frozenset({"OPENROUTER", "MISTRAL", "GROQ", "DEEPSEEK"})

ACTIONS: Mapping[str, AgentKind] = {
    "anthropics/claude-code-action": AgentKind(
        name="Claude Code",
        guards=True,
        open_to=("allowed_non_write_users", "allowed_bots"),
        keys=_CLAUDE,
    ),
    "anthropics/claude-code-base-action": AgentKind(name="Claude Code", keys=_CLAUDE),
    "anthropics/claude-code-security-review": AgentKind(name="Claude Code", keys=_CLAUDE),
    "openai/codex-action": AgentKind(
        name="Codex", guards=True, open_to=("allow-users", "allow-bots"), keys=_OPENAI
    ),
    "google-github-actions/run-gemini-cli": AgentKind(name="Gemini CLI", keys=_GOOGLE),
    "google-gemini/gemini-cli-action": AgentKind(name="Gemini CLI", keys=_GOOGLE),
    "actions/ai-inference": AgentKind(name="a model", keys=_ANY_KEY),
    "sst/opencode/github": AgentKind(name="opencode", keys=_ANY_KEY),
    "anomalyco/opencode/github": AgentKind(name="opencode", keys=_ANY_KEY),
    "qodo-ai/pr-agent": AgentKind(name="PR-Agent", keys=_ANY_KEY),
    "codium-ai/pr-agent": AgentKind(name="PR-Agent", keys=_ANY_KEY),
    "the-pr-agent/pr-agent": AgentKind(name="PR-Agent", keys=_ANY_KEY),
    "coderabbitai/ai-pr-reviewer": AgentKind(name="CodeRabbit", keys=_ANY_KEY),
    "augmentcode/augment-agent": AgentKind(name="Augment", keys=_ANY_KEY | {"AUGMENT"}),
    "cursor/cursor-agent-action": AgentKind(name="Cursor", keys=_ANY_KEY | {"CURSOR"}),
}
"""By what stands before `@`, in small letters."""
_SOUNDS_LIKE_ONE = re.compile(
    r"claude|codex|gemini|copilot|openai|gpt|llm|agent|(^|[/-])ai([/-]|$)"
)
_ASKED_WITH = ("prompt", "direct_prompt", "prompt-file", "prompt_file", "system-prompt", "message")

_START = r"(?:^|[\s;&|(`]|\$\()"
_API = "a model's API"
_LINES = (
    (
        "Claude Code",
        r"claude(?:-code(?:@\S+)?)?(?=\s)(?!\s+(?:mcp|update|config|--version|doctor)\b)",
        _CLAUDE,
    ),
    ("Claude Code", r"[\"']claude[\"']\s+-", _CLAUDE),
    ("Codex", r"codex(?:@\S+)?\s+(?:exec|e|-|\"|')", _OPENAI),
    ("Gemini CLI", r"gemini(?:-cli(?:@\S+)?)?\s+(?:-|\"|')", _GOOGLE),
    ("Copilot", r"(?:copilot(?:@\S+)?\s+-|gh\s+copilot\s+(?:suggest|-p))", _ANY_KEY),
    ("aider", r"aider\s+-", _ANY_KEY),
    ("opencode", r"opencode\s+run\b", _ANY_KEY),
    ("Cursor", r"cursor-agent\s+-", _ANY_KEY | {"CURSOR"}),
    ("goose", r"goose\s+run\b", _ANY_KEY),
    ("Amp", r"amp\s+(?:-x|--execute)\b", _ANY_KEY | {"AMP"}),
    ("llm", r"llm\s+(?:prompt\b|-[msk]|\"|')", _ANY_KEY),
    ("Qwen Code", r"qwen\s+-", _ANY_KEY),
    ("Droid", r"droid\s+exec\b", _ANY_KEY | {"FACTORY"}),
    ("GitHub Models", r"gh\s+models\s+run\b", _ANY_KEY),
    (
        _API,
        r"(?:curl|wget|https?)\s[^\n|;&]*(?:api\.anthropic\.com|api\.openai\.com|openrouter\.ai/api"
        r"|generativelanguage\.googleapis\.com|api\.mistral\.ai|api\.groq\.com|api\.deepseek\.com"
        r"|models\.github\.ai|models\.inference\.ai\.azure\.com|\.openai\.azure\.com)/",
        _ANY_KEY,
    ),
)
_COMMANDS = tuple(
    (
        re.compile(f"(?m){_START}(?:\\$\\{{?\\w++\\}}?/)?(?>(?:[^\\s;&|(`$/]*+/)*){pattern}"),
        AgentKind(name=name, keys=frozenset(keys), acts=name != _API),
    )
    for name, pattern, keys in _LINES
)


def agent_of(step: WorkflowStep) -> AgentKind | None:
    """Who is asked in a step; `None`: nobody, as far as can be seen."""
    if step.uses:
        name = action_name(step.uses)
        known = ACTIONS.get(name)
        if known or not any(key in step.inputs for key in _ASKED_WITH):
            return known
        return AgentKind(name=name, keys=_ANY_KEY) if _SOUNDS_LIKE_ONE.search(name) else None
    code = "\n".join(line for line in step.run.splitlines() if not line.lstrip().startswith("#"))
    code = _WORDS.sub(r"\1", code.replace("\\\n", " "))
    code = _with_programs(code, {**step.env, **dict(_ASSIGNED.findall(code))})
    return next((agent for pattern, agent in _COMMANDS if pattern.search(code)), None)


_WORDS = re.compile(
    r"""((?:^|[\s;&|(])(?:echo|printf)(?:\s+-\w+)*|\s(?:-m|--message|--body|--title|--notes))[ =]
    (?:"[^"`$]*(?:\$\w+[^"`$]*)*"|'[^']*')""",
    re.VERBOSE | re.MULTILINE,
)
"""What is said to people: in it nothing is started."""
_ASSIGNED = re.compile(
    r"(?m)(?:^|[\s;&])([A-Za-z_]\w{0,60})=[\"']?([\w@./-]{3,80})[\"']?(?=[\s;&]|$)"
)
_VARIABLE = re.compile(r"[\"']?\$\{?([A-Za-z_]\w{0,60})\}?[\"']?(?=\s)")


def _with_programs(code: str, variables: Mapping[str, str]) -> str:
    """With the names of programs that variables hold: `C=claude; $C -p`."""
    held = {name: value for name, value in variables.items() if _PROGRAM.fullmatch(value)}
    return _VARIABLE.sub(lambda found: held.get(found[1], found[0]), code) if held else code


_PROGRAM = re.compile(r"[\w@./-]{3,80}")


def action_name(uses: str) -> str:
    """`owner/name` of `owner/name@ref`, in small letters."""
    return uses.partition("@")[0].strip().lower().rstrip("/")


# --- What it may do -------------------------------------------------------------------------------

_EVERYTHING = re.compile(
    r"--dangerously-skip-permissions|bypassPermissions|--dangerously-bypass-approvals-and-sandbox"
    r"|danger-full-access|--yolo\b|--approval-mode[= ]yolo|--allow-all-tools"
    r"|\bdangerously[-_]skip[-_]permissions\b"
)
_ALLOWED = re.compile(
    r"(?i)allowed[-_]?tools[\"']?[=:\s]*(?P<tools>[^\n]*(?:\n[ \t]*[A-Z][^\n]*)*)"
)
_BASH = re.compile(
    r"\bBash\b(?!\()|\bBash\(\s*(?:\*|:\*)\s*\)|run_shell_command(?!\()|\bshell\b(?!\()"
)
_READERS = (
    *("cat", "head", "tail", "less", "more", "env", "printenv", "ps", "xxd", "od", "strings"),
    *("find", "grep", "rg", "sed", "awk", "jq", "python", "python3", "node", "perl", "ruby"),
    *("bash", "sh", "npm", "npx", "pip", "curl", "wget", "tee", "cp", "dd", "base64", "xargs"),
)
_READS = re.compile(
    rf"(?:Bash|run_shell_command|shell)\(\s*(?P<tool>{'|'.join(_READERS)})\b[^)]*\)"
    r"|Read\(\s*/{1,2}(?:proc|\*)[^)]*\)|--add-dir[= ]/(?:\s|$)|/proc/"
)
_UNSAFE_INPUTS = {
    "sandbox": ("danger-full-access",),
    "safety-strategy": ("unsafe",),
    "yolo": ("true",),
    "permission_mode": ("bypasspermissions",),
}


def everything_allowed(step: WorkflowStep) -> str:
    """The words that let the agent run whatever it likes; empty: there are none."""
    for name, value in step.inputs.items():
        if value.strip().lower() in _UNSAFE_INPUTS.get(name.lower(), ()):
            return f"{name}: {value.strip()}"
    for _, text in step.texts():
        if found := _EVERYTHING.search(text):
            return found[0]
    return next((f for tools in _tools(step) if (f := _found(_BASH, tools))), "")


def reads_secrets(step: WorkflowStep) -> str:
    """The words that let it read other processes' variables and files; empty: there are none."""
    return next((f for tools in _tools(step) if (f := _found(_READS, tools))), "")


def _found(pattern: re.Pattern[str], text: str) -> str:
    found = pattern.search(text)
    return found[0].strip() if found else ""


def _tools(step: WorkflowStep) -> list[str]:
    """What is said of tools that are allowed."""
    named = [
        value
        for name, value in step.inputs.items()
        if name.lower().replace("-", "_") in ("allowed_tools", "tools", "coretools")
    ]
    texts = [text for _, text in step.texts()]
    told = [match["tools"] for text in texts for match in _ALLOWED.finditer(text)]
    return [*named, *(re.split(r"(?i)disallowed[-_]?tools", text)[0] for text in told)]
