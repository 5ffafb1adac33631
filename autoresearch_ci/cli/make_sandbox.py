"""Configuration and repository -> the sandbox of the measure tree, and of an agent's draft."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from autoresearch_ci.config.schema import Config
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.execution.sandbox import places
from autoresearch_ci.execution.sandbox.abilities import reachable_services
from autoresearch_ci.execution.sandbox.jail import Jail
from autoresearch_ci.execution.sandbox.places import Places
from autoresearch_ci.execution.sandbox.users import first_words, programs
from autoresearch_ci.preflight import RunContext
from autoresearch_ci.workspace.repository import Repository

_OF_TOOLCHAINS = ("VIRTUAL_ENV", "CONDA_PREFIX", "JAVA_HOME", "GOROOT", "NVM_DIR")


def measured(config: Config, context: RunContext, own: Sequence[Path]) -> Jail:
    """Of setup, metric, guards, hooks and holdout."""
    repository = context.repository
    needed = _programs(config, config.commands, repository.root)
    needed += _shared_interpreters(context)
    if config.hooks:
        needed += [str(repository.hooks()), str(repository.common_dir / "objects")]
    return Jail(
        config.sandbox,
        _places(
            config,
            context,
            context.scratch,
            own,
            needed,
            [*_secrets_of(repository), *places.pointed_to(os.environ, config.pass_env)],
        ),
    )


def agent(
    config: Config,
    context: RunContext,
    scratch: Path,
    command: str | Sequence[str],
) -> Jail:
    """Of an agent CLI: with the network, without the repository that its draft was made from."""
    line = command if isinstance(command, str) else shlex.join(command)
    needed = _programs(config, [line], context.repository.root)
    asked = config.sandbox.model_copy(update={"network": "allow"})
    return Jail(asked, _of_draft(config, context, scratch, needed), who="the agent")


def fixer(config: Config, context: RunContext, scratch: Path) -> Jail:
    """Of a tool that mends a draft: it may do what measured code may.

    And talk to itself, where that reaches nobody else: cargo does, through a port.
    """
    needed = _programs(config, config.commands, context.repository.root)
    needed += _shared_interpreters(context)
    hidden = [
        *_secrets_of(context.repository),
        *places.pointed_to(os.environ, config.pass_env),
    ]
    found = _of_draft(config, context, scratch, needed, hidden)
    jail = Jail(config.sandbox, found, who="a fixer")
    if config.sandbox.network != "deny" or not jail.abilities.namespaces:
        return jail
    asked = config.sandbox.model_copy(update={"network": "loopback"})
    return Jail(asked, found, who="a fixer")


def scanner(
    config: Config, repository: Repository, scratch: Path, own: Sequence[Path], program: str
) -> Jail:
    """Of a tool that looks at a copy of some files: it sees these, itself, and nothing of ours.

    Without a network, unless `enter` is asked for one.
    """
    # What it is started with may be a link into a version manager's folders.
    real = os.path.realpath(program)
    homes = [str(Path(path).parent.parent) for path in (program, real, sys.executable)]
    homes += [sys.base_prefix]
    hidden = [
        *places.secrets(os.environ, Path.home()),
        *_secrets_of(repository),
        *places.pointed_to(os.environ, ()),
        *(str(path) for path in (repository.common_dir, repository.git_dir, repository.root)),
    ]
    search = os.environ.get("PATH", os.defpath).split(":")
    shown = [path for path in (*search, *homes) if path.startswith("/") and path != "/"]
    asked = config.sandbox.model_copy(update={"network": "deny", "write": ()})
    return Jail(
        asked,
        Places(
            scratch=scratch,
            own=tuple(own),
            hidden=tuple(hidden),
            shown=(*shown, str(scratch)),
            needed=tuple(
                programs(["/bin/sh", shlex.quote(program)], search_path(config), Path("/"))
            ),
            services=tuple(places.services(os.environ)),
        ),
        who="a scanner",
    )


def _of_draft(
    config: Config,
    context: RunContext,
    scratch: Path,
    needed: Sequence[str],
    hidden: Sequence[str] = (),
) -> Places:
    """Without the repository that the draft was made from, and without what is `hidden`."""
    repository = context.repository
    secrets = [str(repository.common_dir), str(repository.git_dir)]
    secrets += [str(repository.root / path) for path in context.hidden]
    own = [scratch / name for name in ("tree", "home", "tmp", "exchange")]
    return _places(config, context, scratch, own, needed, [*secrets, *hidden])


def _shared_interpreters(context: RunContext) -> list[str]:
    """Of environments that `share` copies: `uv run` and the like start them, whatever the line."""
    root = context.repository.root
    pythons = (root / name / "bin" / "python" for name in context.share)
    real = (path.resolve() for path in pythons if path.exists())
    return [str(path) for path in real if not path.is_relative_to(root)]


def first_word(command: str) -> str:
    """The program that a shell line begins with; empty: it cannot be told."""
    return next(first_words(command), "")


def search_path(config: Config) -> str:
    """Where the commands' programs are looked for."""
    return config.env.get("PATH") or os.environ.get("PATH", os.defpath)


def _programs(config: Config, lines: Sequence[str], root: Path) -> list[str]:
    return programs(["bash", *lines], search_path(config), root)


def _places(
    config: Config,
    context: RunContext,
    scratch: Path,
    own: Sequence[Path],
    needed: Sequence[str],
    secrets: Sequence[str],
) -> Places:
    hidden = [
        *places.secrets(os.environ, Path.home()),
        *secrets,
        *context.keys,
        str(context.run_store.parent),
        str(context.folder),
    ]
    # A tool of the user's may live among the hidden: beside ours, or as ~/.claude/local does.
    folders = [*search_path(config).split(":"), *(os.environ.get(v, "") for v in _OF_TOOLCHAINS)]
    folders += [os.path.dirname(os.path.realpath(program)) for program in needed]  # noqa: PTH120
    shown = [path for path in folders if path.startswith("/") and path not in hidden]
    return Places(
        scratch=scratch,
        own=tuple(own),
        write=config.sandbox.write,
        hidden=tuple(hidden),
        shown=(*shown, str(scratch)),
        needed=tuple(needed),
        services=(*places.services(os.environ), *_agents(context.keys)),
    )


def _agents(keys: Sequence[str]) -> list[str]:
    """Who signs for whoever asks."""
    return [os.path.realpath(path) for path in keys if Path(path).is_socket()]


def refuse_signers(jail: Jail, keys: Sequence[str]) -> None:
    """Raises `ConfigError` where measured code could have something signed."""
    reached = reachable_services(jail.abilities, jail.user, jail.services)
    for path in _agents(keys):
        if path in reached:
            raise ConfigError(
                f"publish.commit.sign: measured code could ask {path} for a signature, too.\n"
                "usually: namespaces cannot be made here, and it runs as the agent's own user.\n"
                "do: start as root or where user namespaces are allowed (autoresearch-ci doctor "
                "says why they are not); or name an SSH key's file, and unset SSH_AUTH_SOCK."
            )


def _secrets_of(repository: Repository) -> list[str]:
    """What a checkout holds besides its files: the token that fetched it, a person's keys."""
    folder = repository.common_dir
    found = [folder / "config", folder / "autoresearch", repository.git_dir / "config.worktree"]
    found += [path for path in (folder / "modules").rglob("config") if path.is_file()]
    found += [repository.root / name for name in (".env", ".env.local", ".envrc")]
    return [str(path) for path in found]
