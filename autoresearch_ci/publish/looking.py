"""Where a run begins that may read the forge and not write: the first of two jobs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from autoresearch_ci.config.resolve import Config
from autoresearch_ci.errors import ConfigError
from autoresearch_ci.events import Note, Observer, Warning
from autoresearch_ci.publish import old_copy
from autoresearch_ci.publish.forge.choose import Sleep, make_forge, settings
from autoresearch_ci.publish.forge.git_remote import Remote
from autoresearch_ci.publish.forge.refusals import Refused
from autoresearch_ci.publish.publisher import Beginning
from autoresearch_ci.publish.start_point import Scout
from autoresearch_ci.workspace.repository import Repository


@dataclass(frozen=True, kw_only=True)
class Look:
    """Called with a tag: the branch that the second job will continue, and what is known of it.

    Where the forge says nothing, a run begins from HEAD, knowing nothing. Raises `StoppedByPerson`.
    """

    config: Config
    repository: Repository
    environment: Mapping[str, str]
    observe: Observer
    sleep: Sleep

    def __call__(self, tag: str) -> Beginning:
        branch = self.config.publish.branch_name(tag)
        try:
            return self._looked(tag)
        except ConfigError as error:
            first = str(error).splitlines()[0]
            self.observe(Note(message=f"starting from HEAD, without a look at the forge: {first}"))
        except Refused as error:
            self.observe(
                Warning(
                    message="starting from HEAD, without what earlier runs know, so the second "
                    f"job may open another pull request: {error}"
                )
            )
        old_copy.forget(self.repository, branch, tag)
        return Beginning(branch=branch)

    def _looked(self, tag: str) -> Beginning:
        forge = make_forge(
            self.config.publish, self.repository, self.environment, self.observe, self.sleep
        )
        remote = Remote(forge.address, self.repository, token=forge.token, sleep=self.sleep)
        known = settings(self.config, tag, self.environment)
        try:
            scout = Scout(forge, remote, self.repository, known, self.observe, may_write=False)
            return scout.begin(tag)
        finally:
            remote.close()
