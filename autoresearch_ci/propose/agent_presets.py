"""How to call the agent CLIs we know: flags, keys, and what they need to find around them.

Pure: who runs them is agent_cli.py's business, what they print agent_words.py's. Each was run
against the version it names.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from autoresearch_ci.propose.agent_words import (
    Said,
    aider_says,
    claude_says,
    codex_says,
    gemini_says,
    opencode_says,
)


@dataclass(frozen=True, kw_only=True)
class Call:
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
    arguments: Callable[[Call], list[str]]
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
    says: Callable[[str], Said]
    """Reads the end of its output."""
    stdin: bool = True
    """Whether it reads the prompt from its standard input."""


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


def _claude(call: Call) -> list[str]:
    tools = "Read,Glob,Grep,Edit,Write"
    # Not --bare: it takes Glob, Grep and Write away. That the repository's own hooks and MCP
    # servers stay off is what the setting sources and the strict MCP configuration are for.
    return [
        *("-p", "--output-format", "json", "--setting-sources", "user"),
        *("--permission-mode", "acceptEdits", "--tools", tools, "--allowedTools", tools),
        *("--no-session-persistence", "--strict-mcp-config"),
        *(("--max-budget-usd", f"{call.max_usd:g}") if call.max_usd else ()),
        *(("--model", call.model) if call.model else ()),
    ]


def _codex(call: Call) -> list[str]:
    return [
        *("exec", "--json", "--ephemeral", "--ignore-user-config"),
        *("--skip-git-repo-check", "-s", "workspace-write", "-C", str(call.tree)),
        *(("-m", call.model) if call.model else ()),
        "-",
    ]


def _gemini(call: Call) -> list[str]:
    return [
        *("-p", "", "--approval-mode", "auto_edit", "--skip-trust", "-o", "json"),
        *(("-m", call.model) if call.model else ()),
    ]


def _opencode(call: Call) -> list[str]:
    return [
        *("run", "--pure", "--auto", "--format", "json", "-m", call.model),
        *("--dir", str(call.tree)),
    ]


def _aider(call: Call) -> list[str]:
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
        ),
        "codex": Preset(  # 0.169.0
            program="codex",
            arguments=_codex,
            install="npm install -g @openai/codex",
            keys=("OPENAI_API_KEY",),
            says=codex_says,
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
