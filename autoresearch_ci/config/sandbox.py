"""The section of the configuration about what measured code may see and change."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from autoresearch_ci.config.metric import Section
from autoresearch_ci.config.values import Name, refusal


def _user(value: object) -> object:
    """A number is a user, too."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return str(value)
    return value


def _absolute(value: str) -> str:
    if not value.startswith("/"):
        raise refusal("is not absolute", "a path that starts with /")
    return value


class Sandbox(Section):
    """The confinement of setup, metric, guards, hooks, holdout and agent CLIs.

    Setup and agent CLIs always have the network: installing and asking a model need it.
    """

    network: Literal["deny", "loopback", "allow"] = "deny"
    """Of metric, guards, hooks and holdout; `loopback`: a 127.0.0.1 of their own. Setup has it."""
    read_only: bool = True
    """Write only to the measure tree, HOME and TMPDIR; never see credentials and records."""
    user: Annotated[Name, BeforeValidator(_user, json_schema_input_type=Name | int)] = "auto"
    """As root: `auto` runs commands as nobody where that works, `keep` as root; or a user."""
    write: Annotated[
        tuple[Annotated[Name, AfterValidator(_absolute)], ...], Field(strict=False)
    ] = ()
    """Absolute paths of files, folders and devices that may be written to, besides."""
