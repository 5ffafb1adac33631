"""Configuration and environment -> which forge, repository and token."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from autoresearch_ci.config.schema import Publish
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.events import Note, Observer
from autoresearch_ci.publish.forge.forge import Forge
from autoresearch_ci.workspace.repository import Repository

_SCP = re.compile(r"(?:[\w.-]+@)?[\w.-]+:(?!//)(?P<path>.+)")
Sleep = Callable[[float], None]


def make_forge(
    publish: Publish,
    repository: Repository,
    environment: Mapping[str, str],
    observe: Observer,
    sleep: Sleep = time.sleep,
) -> Forge:
    """GitHub or GitLab; `publish.mode` or, where that names none, the job says which.

    Raises `ConfigError` when a token or the repository's name lacks.
    """
    named = publish.mode in ("github", "gitlab")
    gitlab = publish.mode == "gitlab" if named else bool(environment.get("GITLAB_CI"))
    name = "CI_PROJECT_PATH" if gitlab else "GITHUB_REPOSITORY"
    slug = publish.repository or environment.get(name, "")
    slug = slug or _slug(repository.remote_url(publish.remote))
    if not slug:
        raise ConfigError(
            f"publish: which repository? {name} is not set, and there is no remote "
            f"{publish.remote!r} whose address says it.\n"
            "do: set publish.repository to owner/name."
        )

    def note(message: str) -> None:
        observe(Note(message=message))

    if gitlab:
        from autoresearch_ci.publish.forge.gitlab import GitLab

        return GitLab(slug, environment, note=note)
    from autoresearch_ci.publish.forge.github import GitHub

    return GitHub(slug, environment, sleep=sleep, note=note)


def _slug(url: str) -> str:
    """`owner/name` of a remote's address, whatever its form."""
    scp = _SCP.fullmatch(url)
    path = scp["path"] if scp and "://" not in url else urlsplit(url).path
    return path.strip("/").removesuffix(".git") if url.startswith(("http", "ssh:")) or scp else ""
