"""Configuration and repository -> the sandbox of the measure tree, and of an agent's draft."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import autoresearch_ci
from autoresearch_ci.config.schema import Config, Protections, Sandbox
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.execution.command_words import first_words, programs
from autoresearch_ci.execution.environment import clean_environment, downloads
from autoresearch_ci.execution.sandbox import places
from autoresearch_ci.execution.sandbox.jail import Jail
from autoresearch_ci.execution.sandbox.places import Places
from autoresearch_ci.execution.sandbox.toolchains import Toolchains
from autoresearch_ci.preflight import RunContext
from autoresearch_ci.workspace.repository import Repository
from autoresearch_ci.workspace.scratch import TREE


def measured(config: Config, context: RunContext, own: Sequence[Path]) -> Jail:
    """Of setup, metric, guards, hooks and holdout."""
    repository = context.repository
    needed = _programs(config, config.commands, repository.root)
    needed += _shared_interpreters(context)
    hooks = [str(repository.hooks())] if config.hooks else []
    found = _places(
        config,
        context,
        context.scratch,
        own,
        needed,
        [*_secrets_of(repository), *places.pointed_to(os.environ, config.pass_env)],
    )
    ours = _own_places(config.commands, repository)
    return Jail(
        config.sandbox,
        replace(
            found,
            needed=(*found.needed, *hooks),
            shown=(*found.shown, *hooks, *ours),
        ),
    )


PROGRAM = "autoresearch-ci"


def starts_us(commands: Iterable[str]) -> bool:
    """Whether one of the commands is ours, as the scores are."""
    return any(PROGRAM in command for command in commands)


def _own_places(commands: Iterable[str], repository: Repository) -> list[str]:
    """Where we are installed, and where our code lies that was installed in place.

    Not in the repository itself: there the tree has it.
    """
    if not starts_us(commands):
        return []
    found = [Path(sys.prefix), Path(autoresearch_ci.__file__).parent]
    return [str(path) for path in found if not path.is_relative_to(repository.root)]


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
    """Of a tool that mends a draft: it may do what measured code may."""
    needed = _programs(config, config.commands, context.repository.root)
    needed += _shared_interpreters(context)
    hidden = [
        *_secrets_of(context.repository),
        *places.pointed_to(os.environ, config.pass_env),
    ]
    found = _of_draft(config, context, scratch, needed, hidden)
    return Jail(config.sandbox, found, who="a fixer")


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
        *places.secrets(Path.home()),
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
            home=next((folder for folder in own if folder.name == "home"), None),
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
    own = [scratch / name for name in (TREE, "home", "tmp", "exchange")]
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
    apart = tuple(map(str, context.elsewhere))
    hidden = [
        *places.secrets(Path.home()),
        *secrets,
        *context.keys,
        *apart,
        str(context.run_store.parent),
        str(context.folder),
    ]
    shown = _toolchains(config, context, needed)
    return Places(
        scratch=scratch,
        own=tuple(own),
        home=next((folder for folder in own if folder.name == "home"), None),
        read=config.sandbox.read,
        write=config.sandbox.write,
        hidden=tuple(hidden),
        apart=apart,
        shown=(*(path for path in shown if path not in hidden), str(scratch)),
        needed=tuple(needed),
        services=(*places.services(os.environ), *_agents(context.keys)),
    )


def _toolchains(config: Config, context: RunContext, needed: Sequence[str]) -> list[str]:
    """What the commands' environment and words lead to, and what was downloaded for them."""
    passed = {name: os.environ[name] for name in config.pass_env if name in os.environ}
    nowhere = Path(os.devnull)
    environment = clean_environment(
        {**passed, **config.env}, home=nowhere, tmp=nowhere, inherit=os.environ
    )
    root = context.repository.root
    tracked = {root / path.partition("/")[0] for path in context.files}
    found = Toolchains(home=Path.home(), apart=(str(root),)).found(environment, needed)
    found += downloads(os.environ.get("HOME", ""), nowhere).values()
    # What git tracks of the checkout comes from the tree.
    return [path for path in found if not tracked & {Path(path), *Path(path).parents}]


def _agents(keys: Sequence[str]) -> list[str]:
    """Who signs for whoever asks."""
    return [os.path.realpath(path) for path in keys if Path(path).is_socket()]


_OF_JOBS = ("GITHUB_ACTIONS", "GITLAB_CI")


def required(asked: Sandbox, environment: Mapping[str, str]) -> Protections:
    """What must hold: as it is said, else in a job the least that keeps its secrets.

    `environment`: also what our own process no longer has, as it has no variables of a job.
    """
    in_a_job = any(environment.get(name) == "true" for name in _OF_JOBS)
    return asked.require or ("container" if in_a_job and asked.read_only else "none")


def refuse_weaker(asked: Sandbox, jail: Jail, environment: Mapping[str, str]) -> None:
    """Raises `ConfigError` where less is kept than is required."""
    order, found, wanted = get_args(Protections), jail.protection, required(asked, environment)
    if order.index(found.holds) >= order.index(wanted):
        return
    missing = "".join(f"- {missing}\n" for missing in found.off)
    whose = "" if asked.require else ", as in every job of GitHub's or GitLab's"
    raise ConfigError(
        f"sandbox.require is {wanted}{whose}, and this machine keeps {found.holds}:\n{missing}"
        f"do: mend that, or accept it as it is: --set sandbox.require={found.holds}"
    )


def refuse_unreached(jail: Jail, places: Iterable[Path]) -> None:
    """Raises `ConfigError` where the holdout would not find what it alone reads."""
    for place in places:
        if not place.exists():
            raise ConfigError(f"holdout.read: {place} does not exist.\ndo: correct it.")
        if not (jail.full or jail.reaches(place.parent)):
            raise ConfigError(
                f"holdout.read: {place} lies where the commands' user cannot go.\n"
                f"do: chmod o+x the folders above it, or let it run as you (sandbox.user: keep)."
            )


def refuse_signers(jail: Jail, keys: Sequence[str]) -> None:
    """Raises `ConfigError` where measured code could have something signed."""
    for path in _agents(keys):
        if path in jail.reached:
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
