"""Who proposes: the many ways to write `proposer:`, and the settings of Claude."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    ValidationError,
    WithJsonSchema,
    model_validator,
)

from autoresearch_ci.config.metric import Section
from autoresearch_ci.config.reader import shown
from autoresearch_ci.config.value_types import (
    FILE_BYTES,
    Command,
    Duration,
    Name,
    Text,
    Variable,
    refusal,
)

PresetName = Literal["claude-code", "codex", "gemini", "opencode", "aider"]
PRESETS = get_args(PresetName)
"""Agent CLIs whose non-interactive flags we know."""
MAX_WEIGHT = 100
_KNOWN = ("auto", "search", "autofix", "claude", *PRESETS)
_EXPECTED = f"{', '.join(_KNOWN)}, script:FILE, {{command: ...}}, a list of these, or {{mix: ...}}"


class Agent(Section):
    """An agent CLI that edits files in a checkout of its own."""

    command: Command | Annotated[tuple[Name, ...], Field(strict=False, min_length=1)] | None = None
    """Shell line or argv; `{prompt_file}` in it is replaced, else the prompt is standard input."""
    preset: PresetName | None = None
    """An agent CLI whose flags are known; instead of `command`."""
    model: Text = ""
    """For presets; empty is the CLI's own default."""
    timeout: Duration = 900.0
    """Of one proposal."""
    max_usd: float | None = Field(default=None, gt=0)
    """Dollars of one proposal, where the CLI can stop itself."""
    env: Mapping[Variable, Text] = Field(default={}, repr=False)
    """Further environment of the agent."""
    pass_env: Annotated[tuple[Variable, ...], Field(strict=False)] = ()
    """Names of variables the agent inherits, such as its key."""

    @property
    def name(self) -> str:
        """The journal's `proposer` column."""
        return self.preset or "command"


@dataclass(frozen=True, kw_only=True)
class Proposers:
    """Whose turn it is: one proposer, or several."""

    turns: tuple[tuple[str, int], ...] = (("auto", 1),)
    """Names with their turns per cycle: `search`, `autofix`, `claude`, `script:FILE`, or a key of
    `agents`."""
    agents: Mapping[str, Agent] = field(default_factory=dict, repr=False)

    def __str__(self) -> str:
        return ", ".join(f"{name} x{n}" if n > 1 else name for name, n in self.turns)


def _read(value: object) -> Proposers:
    """Bring every way of writing it into the one form."""
    if isinstance(value, Proposers):
        return value
    if isinstance(value, Mapping) and set(value) == {"mix"}:
        return _mixture(value["mix"])
    if isinstance(value, str) and not value.startswith("script:"):
        value = [part.strip() for part in value.split(",")]  # as a flag writes a list
    entries = value if isinstance(value, list | tuple) else [value]
    if not entries:
        raise refusal("is empty", _EXPECTED, show=False)
    turns: list[tuple[str, int]] = []
    agents: dict[str, Agent] = {}
    for entry in entries:
        name = _entry(entry, agents)
        if name in (other for other, _ in turns):
            raise refusal(f"has {name} twice", "each proposer once", show=False)
        turns.append((name, 1))
    return Proposers(turns=tuple(turns), agents=agents)


def _mixture(shares: object) -> Proposers:
    if not isinstance(shares, Mapping) or not shares:
        raise refusal("has an unusable mix", "{mix: {claude: 1, search: 4}}", show=False)
    turns: list[tuple[str, int]] = []
    agents: dict[str, Agent] = {}
    for name, weight in shares.items():
        if not isinstance(weight, int) or isinstance(weight, bool) or not 1 <= weight <= MAX_WEIGHT:
            raise refusal(
                f"has a bad share for {name}", f"a number from 1 to {MAX_WEIGHT}", show=False
            )
        turns.append((_entry(name, agents), weight))
    return Proposers(turns=tuple(turns), agents=agents)


def _entry(entry: object, agents: dict[str, Agent]) -> str:
    if isinstance(entry, str):
        if entry in PRESETS:
            agents[entry] = _agent({"preset": entry})
        elif entry not in _KNOWN and not re.fullmatch(r"script:.+", entry):
            raise refusal("is not a proposer", _EXPECTED)
        return entry
    if isinstance(entry, Mapping):
        agent = _agent(entry)
        if (agent.command is None) == (agent.preset is None):
            raise refusal("needs either command or preset", _EXPECTED, show=False)
        agents[agent.name] = agent
        return agent.name
    raise refusal("is not a proposer", _EXPECTED)


def _agent(entry: Mapping[str, Any]) -> Agent:
    try:
        return Agent.model_validate(dict(entry))
    except ValidationError as error:
        first = error.errors()[0]
        place = shown(".".join(str(part) for part in first["loc"]), limit=100)
        context = first.get("ctx", {})
        raise refusal(
            f"{place}: {context.get('wrong', first['msg'])}",
            str(context.get("expected", f"keys {', '.join(Agent.model_fields)}")),
            show=False,
        ) from error


_AGENT_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "command": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]},
        "preset": {"enum": list(PRESETS)},
        "model": {"type": "string"},
        "timeout": {"type": ["string", "number"]},
        "max_usd": {"type": "number", "exclusiveMinimum": 0},
        "env": {"type": "object"},
        "pass_env": {"type": "array", "items": {"type": "string"}},
    },
    "additionalProperties": False,
}
_NAME_SCHEMA: dict[str, Any] = {
    "type": "string",
    "pattern": f"^({'|'.join(_KNOWN)}|script:.+)$",
}
_SCHEMA: dict[str, Any] = {
    "anyOf": [
        _NAME_SCHEMA,
        _AGENT_SCHEMA,
        {"type": "array", "items": {"anyOf": [_NAME_SCHEMA, _AGENT_SCHEMA]}, "minItems": 1},
        {
            "type": "object",
            "properties": {"mix": {"type": "object", "additionalProperties": {"type": "integer"}}},
            "required": ["mix"],
            "additionalProperties": False,
        },
    ]
}

ProposerChoice = Annotated[
    Proposers,
    PlainValidator(_read),
    PlainSerializer(str, return_type=str),
    WithJsonSchema(_SCHEMA),
]


def _server_name(value: str) -> str:
    if not re.fullmatch(r"(?!.*__)[A-Za-z0-9_-]{1,32}", value):
        raise refusal(
            "is not a server name", "up to 32 letters, digits, - and single _", show=False
        )
    return value


def _server_address(value: str) -> str:
    if not re.match(r"https?://[^/\s]", value):
        raise refusal("is not an address", "one that starts with http:// or https://", show=False)
    return value


ServerName = Annotated[str, AfterValidator(_server_name)]


class ToolServer(Section):
    """A Model Context Protocol server whose tools are offered to Claude."""

    command: Annotated[tuple[Name, ...], Field(strict=False, min_length=1)] | None = None
    """Argv of a server on standard input and output."""
    url: Annotated[Name, AfterValidator(_server_address)] | None = Field(default=None, repr=False)
    """Address of a server over HTTP; instead of `command`."""
    env: Mapping[Variable, Text] = Field(default={}, repr=False)
    """Further environment of the server."""
    pass_env: Annotated[tuple[Variable, ...], Field(strict=False)] = ()
    """Names of variables that the server inherits."""
    headers: Mapping[Name, Text] = Field(default={}, repr=False)
    """Sent with every request; `$NAME` in a value is read from the environment."""
    timeout: Duration = 60.0
    """Of one call."""
    max_calls: int = Field(default=20, ge=1, le=1000)
    """Calls that one iteration may make."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.command is None) == (self.url is None):
            raise refusal("needs either command or url", "one of them", show=False)
        return self


class Prices(Section):
    """Dollars per million tokens, for models that the bundled list does not know."""

    input: float = Field(ge=0)
    """Fresh input tokens."""
    output: float = Field(ge=0)
    """Output tokens."""
    cache_read: float | None = Field(default=None, ge=0)
    """Input tokens read from the cache; without it, as `input`."""
    cache_write: float | None = Field(default=None, ge=0)
    """Input tokens written to the cache; without it, as `input`."""


class OtherModel(Section):
    """What is different when another model is asked; the rest is as for the first one."""

    model: Name | None = None
    """Model to ask."""
    provider: Literal["anthropic", "bedrock", "vertex"] | None = None
    """Whose service."""
    base_url: Name | None = None
    """A server that speaks the Messages API."""
    headers: Mapping[Name, Text] = Field(default={}, repr=False)
    """Sent with every request."""
    key_variable: Variable | None = None
    """Environment variable that holds the key."""
    dialect: Literal["auto", "native", "plain"] | None = None
    """Which kind of tools the server understands."""
    max_tokens: int | None = Field(default=None, ge=256, le=200_000)
    """Of one answer."""
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    """How hard the model thinks."""
    price: Prices | None = None
    """What its tokens cost, when it is not the list price."""

    @model_validator(mode="after")
    def _own_key(self) -> Self:
        """Else the key that is found for the first server would go to this one."""
        if self.base_url and not self.key_variable:
            raise refusal(
                "has a base_url of its own",
                "key_variable beside it, which names its key",
                show=False,
            )
        return self


class Claude(Section):
    """How Claude is asked."""

    model: Name = "claude-opus-5-5"
    """Model to ask."""
    provider: Literal["anthropic", "bedrock", "vertex"] = "anthropic"
    """Whose service."""
    base_url: Name | None = None
    """A server that speaks the Messages API; without it `ANTHROPIC_BASE_URL`, else Anthropic's."""
    headers: Mapping[Name, Text] = Field(default={}, repr=False)
    """Sent with every request, for gateways."""
    key_variable: Variable | None = None
    """Environment variable that holds the key; without it, the SDK's own search."""
    dialect: Literal["auto", "native", "plain"] = "auto"
    """`plain`: tools as JSON schemas only, for servers that merely speak the protocol."""
    max_tokens: int = Field(default=32_000, ge=256, le=200_000)
    """Of one answer."""
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    """How hard the model thinks."""
    turns: int = Field(default=30, ge=1, le=1000)
    """Requests that one proposal may take."""
    file_bytes: int = Field(default=FILE_BYTES, ge=0, le=5_000_000)
    """In-scope files that are sent whole; beyond it they are read with tools."""
    cache_ttl: Literal["auto", "5m", "1h"] = "auto"
    """How long the prefix stays cached; `auto`: an hour when iterations take over four minutes."""
    patience: Duration = 900.0
    """How long one request may wait for a service that is overloaded."""
    price: Prices | None = None
    """What tokens cost, when it is not the list price."""
    fallbacks: Annotated[tuple[OtherModel, ...], Field(strict=False, max_length=10)] = ()
    """Who is asked next, in an investigation, when this one refuses or gives no usable answer."""
    roles: Mapping[Name, OtherModel] = {}
    """Who is asked first for a role of a program, by the role's name."""

    def in_turn(self, role: str = "") -> tuple[Claude, ...]:
        """Itself and those to be asked after it; before it whoever that role has of its own."""
        alone = self.model_copy(update={"fallbacks": (), "roles": {}})
        own = [alone.but(self.roles[role])] if role in self.roles else []
        return (*own, alone, *map(alone.but, self.fallbacks))

    def everybody(self) -> tuple[Claude, ...]:
        """All that may be asked."""
        return (*self.in_turn(), *(self.but(other) for other in self.roles.values()))

    def but(self, other: OtherModel) -> Claude:
        """The same with what another model has of its own.

        Another server is sent neither the headers nor the key that are named for the first one, and
        another model does not cost what the first one costs.
        """
        told = {name: getattr(other, name) for name in other.model_fields_set}
        elsewhere = {"provider", "base_url"} & told.keys()
        forgotten: dict[str, Any] = {"price": None} if {"model", *elsewhere} & told.keys() else {}
        if elsewhere:
            forgotten |= {"base_url": None, "headers": {}, "key_variable": None, "dialect": "auto"}
        return self.model_copy(update={**forgotten, **told})
