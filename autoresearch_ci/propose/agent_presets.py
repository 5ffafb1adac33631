"""The agent CLIs we know: how to call them, what they need around them, what they say they did.

Pure: who runs them is agent_cli.py's business. Each was run against the version it names. Output is
untrusted text in a shape that changes between versions: what cannot be read is nothing, never an
error. A description may also be made from the edits themselves.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeGuard

from autoresearch_ci.config.proposers import Claude
from autoresearch_ci.experiment import FileEdit, Tree
from autoresearch_ci.llm.model_prices import spent
from autoresearch_ci.safety.prompt_text import line

DESCRIPTION_LENGTH = 200
"""Characters."""


@dataclass(frozen=True, kw_only=True)
class AgentReport:
    """What a CLI told us about its work; none of it is trusted for more than a label and a sum."""

    message: str = ""
    """Its last message."""
    tokens: int = 0
    """Input, cached or not, and output."""
    cost_usd: float = 0.0
    error: str = ""
    """In its own words, why it could not work, whatever its exit code says; empty: it could."""


def complaint(message: str) -> str:
    """What a last message says about being kept from work: a limit, a login, a key; or nothing.

    Only where nothing was edited does anybody ask. A long message is an answer.
    """
    return line(message, DESCRIPTION_LENGTH) if _KEPT_OUT.search(message[-_COMPLAINT:]) else ""


_COMPLAINT = 600
"""Characters: those who are turned away say so briefly, and at the end."""
_KEPT_OUT = re.compile(
    r"\blimits? (was |is |has been )?(reached|exceeded|hit)\b"
    r"|\b(hit|reached|exceeded|over) (your|the|its|my)\b.{0,40}\b(limit|quota)\b"
    r"|\bquota exceeded\b|\binsufficient[ _](quota|credits?|balance|funds)\b"
    r"|\bcredit balance is too low|\bout of credits?\b|\btoo many requests\b"
    r"|\b(please|must|need to|required to|to continue,?)\b.{0,20}\b(log|sign)[ -]?in\b|/login\b"
    r"|\b(log|sign)[ -]?in (is )?required\b|\bnot (logged|signed) in\b|\bset an auth method\b"
    r"|\b(visit|open)\b.{0,40}\b(url|link|page|browser)\b.{0,20}\b(auth|sign|log)"
    r"|\bauth(entication|orization)? (failed|required|error)\b|\bunauthori[sz]ed\b"
    r"|\b(invalid|incorrect|expired|revoked|missing) (x-)?(api[ -]?key|token|credentials)\b"
    r"|\b(api[ -]?key|token|credentials) (is |has |was )?(not valid|invalid|expired|incorrect)\b"
    r"|\bno api[ -]?key\b|\bapi[ -]?key (not found|is not set|is required|is missing)\b"
    r"|\b(session|login|subscription|licen[cs]e|trial) (is |has |was )?expired\b"
    r"|\bto (log|sign) in\b.{0,20}$|\b(log|sign) in again\b|\b(is |are )?overloaded\b"
    r"|\b(stream|connection|network|request) (was |has )?(been )?"
    r"(disconnected|refused|reset|closed|error|timed out|failed)\b"
    r"|\bservice (is )?(temporarily )?unavailable\b|\bcould not (connect|resolve)\b|\bENOTFOUND\b"
    r"|\bwaiting for auth|^(api )?error: (401|402|403|429|5\d\d)\b",
    re.IGNORECASE | re.MULTILINE,
)


def sentence(message: str) -> str:
    """The description in a last message: the labelled line, else the first one."""
    words = _described(message) or next((text for text in message.splitlines() if text.strip()), "")
    return line(words.strip(" *_#`>-"), DESCRIPTION_LENGTH)


def diff_words(edits: Sequence[FileEdit], incumbent: Tree) -> str:
    """`edit a.py (+3 -1), add b.py (+10)`."""
    return ", ".join(_edit_words(edit, incumbent) for edit in edits)


def _edit_words(edit: FileEdit, incumbent: Tree) -> str:
    try:
        before = Counter(incumbent.read(edit.path).splitlines())
        verb = "edit"
    except KeyError:
        before = Counter()
        verb = "add"
    if edit.content is None:
        return f"delete {edit.path}"
    after = Counter(edit.content.splitlines())
    counts = (f"+{(after - before).total()}", f"-{(before - after).total()}")
    return f"{verb} {edit.path} ({' '.join(counts)})"


def _objects(output: str) -> Iterator[dict[str, Any]]:
    """The JSON objects that begin at the start of a line, whatever is printed around them."""
    decoder = json.JSONDecoder()
    position = work = 0
    while work < _MOST_WORK and (match := _OBJECT.search(output, position)):
        try:
            value, position = decoder.raw_decode(output, match.start())
        except (ValueError, RecursionError) as error:
            position = match.end()
            looked_at = error.pos if isinstance(error, json.JSONDecodeError) else len(output)
            work += looked_at - match.start() + looked_at // 16  # the error counts all lines so far
            continue
        if isinstance(value, dict):
            yield value


_MOST_WORK = 1 << 26
"""Characters read in vain: each line of what is no JSON may be read up to its end."""
_OBJECT = re.compile(r"^\{(?=\s*[\"}])", re.MULTILINE)


def claude_says(output: str) -> AgentReport:
    """Its last word; before there is one, what the messages so far have cost at least."""
    said: AgentReport | None = None
    answers: dict[str, dict[str, Mapping[str, Any]]] = {}
    for value in _objects(output):
        if value.get("type") == "assistant":  # one line for each part of a message
            part = _mapping(value.get("message"))
            content = json.dumps(part.get("content"))
            answers.setdefault(_text(part.get("id")) or content, {})[content] = part
        if value.get("type") == "result":
            message = _text(value.get("result"))
            kind = _text(value.get("subtype"))
            failed = value.get("is_error") is True or kind.startswith("error")
            listed = value.get("errors")
            reasons = [_text(word) for word in listed] if isinstance(listed, list) else []
            before = said or AgentReport()
            said = AgentReport(
                error=message or "; ".join(filter(None, reasons)) or kind or "is_error"
                if failed
                else "",
                message=message,
                # A child of its may write in its name, but lower what it has said no more.
                tokens=max(before.tokens, _sum(value.get("usage"), *_ANTHROPIC_USAGE)),
                cost_usd=max(before.cost_usd, _number(value.get("total_cost_usd"))),
            )
    least = _so_far(answers.values(), broken_off=said is None)
    said = said or AgentReport()
    return replace(
        said,
        tokens=max(said.tokens, least.tokens),
        cost_usd=max(said.cost_usd, least.cost_usd),
    )


def _so_far(answers: Iterable[Mapping[str, Mapping[str, Any]]], *, broken_off: bool) -> AgentReport:
    """`answers`: their parts, by the content of each."""
    tokens, dollars = 0, 0.0
    for parts in answers:
        # When a part is told, what it took to write it is not counted yet: only the last word is.
        written = sum(map(len, parts)) if broken_off else 0
        last = list(parts.values())[-1]
        told = {n: c for n, c in _mapping(last.get("usage")).items() if _is_count(c)}
        told["output_tokens"] = max(told.get("output_tokens", 0), written // _CHARACTERS)
        cost = spent(told, Claude.model_construct(model=_text(last.get("model"))))
        tokens, dollars = tokens + cost.tokens, dollars + cost.cost_usd
    return AgentReport(tokens=tokens, cost_usd=dollars)


_CHARACTERS = 4
"""Of a token, as models count English and code."""


_ANTHROPIC_USAGE = (
    "input_tokens",
    "cache_creation_input_tokens",
    "cache_read_input_tokens",
    "output_tokens",
)


def codex_says(output: str) -> AgentReport:
    message, tokens, error = "", 0, ""
    for value in _objects(output):
        item = _mapping(value.get("item"))
        if item.get("type") == "agent_message":
            message = _text(item.get("text"))
        tokens += _sum(value.get("usage"), "input_tokens", "output_tokens")
        match value.get("type"):
            case "error":
                error = _words(value)
            case "turn.failed":
                error = _words(value.get("error")) or error or "turn.failed"
            case "turn.completed":  # after what it tried again
                error = ""
    return AgentReport(message=message, tokens=tokens, error=error)


def gemini_says(output: str) -> AgentReport:
    message, tokens, error = "", 0, ""
    for value in _objects(output):
        message = _text(value.get("response")) or message
        error = _words(value.get("error")) or error
        models = _mapping(_mapping(value.get("stats")).get("models"))
        tokens += sum(_sum(_mapping(model).get("tokens"), "total") for model in models.values())
    return AgentReport(message=message, tokens=tokens, error=error)


def opencode_says(output: str) -> AgentReport:
    message, tokens, cost, error = "", 0, 0.0, ""
    counted: set[str] = set()
    for value in _objects(output):
        part = _mapping(value.get("part"))
        if value.get("type") == "text":
            message = _text(part.get("text")) or message
        elif value.get("type") == "error":
            error = _words(value.get("error")) or "error"
        elif value.get("type") == "step_finish" and (step := _text(part.get("id"))) not in counted:
            counted.update({step} - {""})
            cost += _number(part.get("cost"))
            usage = _mapping(part.get("tokens"))
            tokens += _sum(usage, "input", "output", "reasoning")
            tokens += _sum(usage.get("cache"), "read", "write")
    return AgentReport(message=message, tokens=tokens, cost_usd=cost, error=error)


def plain_says(output: str) -> AgentReport:
    """An unknown CLI: the last `DESCRIPTION: ...` line is its message; nothing else is known."""
    found = _described(output)
    return AgentReport(message=f"DESCRIPTION: {found}" if found else "")


def _described(text: str) -> str:
    """What follows the last `DESCRIPTION:`, unless that is an echo of the request."""
    found = _DESCRIPTION.findall(text)
    return found[-1] if found else ""


_DESCRIPTION = re.compile(r"^[^\w\n]*DESCRIPTION[^\w\n]*:[ \t*_`]*([^<\s].*)$", re.MULTILINE)


def aider_says(output: str) -> AgentReport:
    tokens = sum(
        _amount(sent) + _amount(received) for sent, received in _AIDER_TOKENS.findall(output)
    )
    costs = [_number(float(cost)) for cost in _AIDER_COST.findall(output)]
    message = plain_says(output).message
    errors = list(_AIDER_ERROR.finditer(output))
    # A service that was asked again with success reports tokens after the error.
    lasted = errors and not _AIDER_TOKENS.search(output, errors[-1].end())
    return AgentReport(
        message=message,
        tokens=tokens,
        cost_usd=max(costs, default=0.0),
        error=errors[-1][0].strip() if lasted else "",
    )


# Bounded, as it searches megabytes that somebody else wrote.
_AMOUNT = r"([\d.,]{1,20}[kM]?)"
_AIDER_TOKENS = re.compile(rf"^Tokens: {_AMOUNT} sent,.{{0,80}}? {_AMOUNT} received", re.MULTILINE)
_AIDER_ERROR = re.compile(r"^(?:litellm\.)[A-Za-z.]{1,80}(?:Error|Exception)\b.*", re.MULTILINE)
_AIDER_COST = re.compile(r"\$(\d{1,9}(?:\.\d{1,9})?) session")


def _amount(text: str) -> int:
    """`2.1k` is 2100."""
    scale = {"k": 1000, "M": 1_000_000}.get(text[-1], 1)
    digits = text.rstrip("kM").replace(",", "")
    return round(float(digits) * scale) if re.fullmatch(r"\d+(\.\d+)?", digits) else 0


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _words(error: object) -> str:
    """Of an error as a service words it: text, or an object that holds it two levels down."""
    for _ in range(3):
        if isinstance(error, str):
            return error
        found = _mapping(error)
        named = _text(found.get("name"))
        error = found.get("message") or found.get("data") or found.get("error") or named
    return _text(error)


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _number(value: object) -> float:
    """A sum of money; anything else counts as nothing."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    return float(value) if 0 <= value < 1e6 else 0.0


def _sum(usage: object, *names: str) -> int:
    counts = (_mapping(usage).get(name) for name in names)
    return sum(filter(_is_count, counts))


def _is_count(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 < value < _MOST_TOKENS


_MOST_TOKENS = 10**12


@dataclass(frozen=True, kw_only=True)
class AgentCall:
    """One invocation, as far as a preset needs to know it."""

    model: str = ""
    """Empty: the CLI's own default."""
    max_usd: float | None = None
    """For CLIs that can stop themselves."""
    tree: Path
    """The working folder."""
    prompt_file: Path
    """Files beside it are free for the CLI's own."""
    files: tuple[str, ...] = ()
    """Files in scope, for a CLI that must be told what it may edit."""


@dataclass(frozen=True, kw_only=True)
class Preset:
    """One known agent CLI."""

    program: str
    arguments: Callable[[AgentCall], list[str]]
    install: str
    """How to get it, paste-ready."""
    keys: tuple[str, ...]
    """Variables of which one must be set; empty: those of the model's provider."""
    variables: tuple[str, ...] = ()
    """Further variables it receives when they are set."""
    settings: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Environment that keeps it quiet and offline but for its model."""
    home_files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    """Files it needs in its HOME."""
    says: Callable[[str], AgentReport]
    """Reads the end of its output."""
    counted: str = ""
    """How lines begin that are heard as they come: of a long output the middle is dropped."""
    stdin: bool = True
    """Whether it reads the prompt from its standard input."""
    tells_usd: bool = True
    """Whether it says what a call cost; tokens all of them tell."""


def keys_of(preset: Preset, model: str) -> tuple[str, ...]:
    """Variables that may hold the key of the preset's service; empty when nobody can tell."""
    if preset.keys:
        return preset.keys
    provider, _, name = model.partition("/")
    if not name:
        return ()
    own = f"{re.sub('[^A-Z0-9]', '_', provider.upper())}_API_KEY"
    return _PROVIDER_KEYS.get(provider, (own,))


_PROVIDER_KEYS = {
    "google": ("GEMINI_API_KEY", "GOOGLE_API_KEY", "GOOGLE_GENERATIVE_AI_API_KEY"),
    "gemini": ("GEMINI_API_KEY", "GOOGLE_API_KEY"),
}


def _claude(call: AgentCall) -> list[str]:
    tools = "Read,Glob,Grep,Edit,Write"
    # Not --bare: it takes Glob, Grep and Write away. That the repository's own hooks and MCP
    # servers stay off is what the setting sources and the strict MCP configuration are for.
    return [
        # Line by line, for which it wants --verbose: what is broken off has told what it cost.
        *("-p", "--output-format", "stream-json", "--verbose", "--setting-sources", "user"),
        *("--permission-mode", "acceptEdits", "--tools", tools, "--allowedTools", tools),
        *("--no-session-persistence", "--strict-mcp-config"),
        *(("--max-budget-usd", f"{call.max_usd:g}") if call.max_usd else ()),
        *(("--model", call.model) if call.model else ()),
    ]


def _codex(call: AgentCall) -> list[str]:
    return [
        *("exec", "--json", "--ephemeral", "--ignore-user-config"),
        *("--skip-git-repo-check", "-s", "workspace-write", "-C", str(call.tree)),
        *(("-m", call.model) if call.model else ()),
        "-",
    ]


def _gemini(call: AgentCall) -> list[str]:
    return [
        *("-p", "", "--approval-mode", "auto_edit", "--skip-trust", "-o", "json"),
        *(("-m", call.model) if call.model else ()),
    ]


def _opencode(call: AgentCall) -> list[str]:
    return [
        *("run", "--pure", "--auto", "--format", "json", "-m", call.model),
        *("--dir", str(call.tree)),
    ]


def _aider(call: AgentCall) -> list[str]:
    histories = call.prompt_file.parent
    return [
        *("--model", call.model, "--edit-format", "diff"),
        *("--message-file", str(call.prompt_file), "--yes-always"),
        *("--no-auto-commits", "--no-dirty-commits", "--no-git", "--no-gitignore"),
        *("--no-check-update", "--no-show-model-warnings", "--analytics-disable"),
        *("--no-stream", "--no-pretty", "--no-detect-urls", "--no-suggest-shell-commands"),
        *("--map-tokens", "0"),
        *("--chat-history-file", str(histories / "chat")),
        *("--input-history-file", str(histories / "input")),
        *(f"--file={path}" for path in call.files[:_AIDER_FILES]),
    ]


_AIDER_FILES = 50
"""Files added to the chat at once: each is sent whole."""


PRESETS: Mapping[str, Preset] = MappingProxyType(
    {
        "claude-code": Preset(  # 2.1.197
            program="claude",
            arguments=_claude,
            install="npm install -g @anthropic-ai/claude-code",
            keys=("ANTHROPIC_API_KEY",),
            variables=("ANTHROPIC_BASE_URL",),
            settings={
                "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
                "DISABLE_AUTOUPDATER": "1",
            },
            says=claude_says,
            counted='{"type":"assistant"',
        ),
        "codex": Preset(  # 0.169.0
            program="codex",
            arguments=_codex,
            install="npm install -g @openai/codex",
            keys=("OPENAI_API_KEY",),
            says=codex_says,
            tells_usd=False,
        ),
        "gemini": Preset(  # 0.61.0
            program="gemini",
            arguments=_gemini,
            install="npm install -g @google/gemini-cli",
            keys=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
            variables=("GOOGLE_GEMINI_BASE_URL",),
            # Without it: exit code 41, "please set an auth method".
            home_files={
                ".gemini/settings.json": json.dumps(
                    {"security": {"auth": {"selectedType": "gemini-api-key"}}}
                )
            },
            says=gemini_says,
            tells_usd=False,
        ),
        "opencode": Preset(  # 1.18.33
            program="opencode",
            arguments=_opencode,
            install="npm install -g opencode-ai",
            keys=(),
            variables=("OPENCODE_CONFIG",),
            settings={
                "OPENCODE_PERMISSION": '{"bash":"deny","webfetch":"deny"}',
                "OPENCODE_DISABLE_AUTOUPDATE": "true",
                "OPENCODE_DISABLE_PROJECT_CONFIG": "true",
            },
            says=opencode_says,
            counted='{"type":"step_finish"',
        ),
        "aider": Preset(  # 0.86.2
            program="aider",
            arguments=_aider,
            install="pip install aider-chat",
            keys=(),
            variables=("OPENAI_API_BASE", "ANTHROPIC_API_BASE"),
            settings={"LITELLM_LOCAL_MODEL_COST_MAP": "True"},  # else it fetches a price list
            says=aider_says,
            stdin=False,
        ),
    }
)
