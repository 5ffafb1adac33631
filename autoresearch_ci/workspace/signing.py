"""Signs commits as the user's own git would, with the user's own key; git does it.

Our git reads no configuration of the user's, so what signing needs of it is asked for once, before
anything is measured, and handed to the calls that make a commit, and to no other. Which commits are
signed is not decided here.
"""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from autoresearch_ci.errors import ConfigError
from autoresearch_ci.workspace.git import GitDirectory, user_settings

_SETTINGS = r"^(gpg\.([^.]+\.)?(format|program|defaultkeycommand)|user\.signingkey)$"
_VARIABLES = ("SSH_AUTH_SOCK", "GNUPGHOME", "GPG_TTY")
"""Where the key may be, besides HOME."""
_LITERAL = re.compile(r"key::|ssh-|ecdsa-|sk-")
"""How a public SSH key begins where it stands itself, instead of a file's name."""


@dataclass(frozen=True, kw_only=True)
class Signing:
    """What git needs to sign a commit."""

    settings: Mapping[str, str]
    """Git configuration."""
    environment: Mapping[str, str]

    @classmethod
    def tried(
        cls, root: Path, key: str, author: Mapping[str, str], environment: Mapping[str, str]
    ) -> Self:
        """Of the repository at `root`, tried once. Raises `ConfigError` when git cannot sign.

        `key`: as `user.signingKey`; empty: the one that git is configured with. `author`: git's
        variables for who commits, whose key is taken where none is named.
        """
        settings = user_settings(root, _SETTINGS)
        if key:
            settings["user.signingkey"] = key
        key = settings.get("user.signingkey", "")
        if key and "gpg.format" not in settings and _looks_like_ssh(root, key):
            settings["gpg.format"] = "ssh"
        is_file = settings.get("gpg.format") == "ssh" and not _LITERAL.match(key)
        if key and is_file and not key.startswith("~"):
            settings["user.signingkey"] = str(root / key)
        passed = {name: environment[name] for name in _VARIABLES if environment.get(name)}
        signing = cls(settings=settings, environment=passed)
        signing._try(author)
        return signing

    @property
    def keys(self) -> list[str]:
        """Files, folders and sockets that nobody but git's own programs may use."""
        home = self.environment.get("GNUPGHOME", "") or str(Path.home() / ".gnupg")
        if self.settings.get("gpg.format", "openpgp") != "ssh":
            return [home, f"{home}/S.gpg-agent"]
        found = [home, self.environment.get("SSH_AUTH_SOCK", "")]
        if not _LITERAL.match(key := self.settings.get("user.signingkey", "")):
            path = os.path.expanduser(key)  # noqa: PTH111 (as git does)
            found += [path, path.removesuffix(".pub")]
        return [path for path in found if path]

    def _try(self, author: Mapping[str, str]) -> None:
        with tempfile.TemporaryDirectory(prefix="autoresearch-ci-") as name:
            git = GitDirectory(Path(name), Path(name))
            git("init", "--quiet", "--bare", "--template=", name)
            tree = git("hash-object", "-t", "tree", "-w", "--stdin", stdin=b"").decode().strip()
            code, _, err = git.attempt(
                *("commit-tree", "-S", tree, "-m", "may this be signed?"),
                env={**author, **self.environment},
                settings=self.settings,
            )
        if code:
            words = " ".join(err.split()) or "no message"
            kind = self.settings.get("gpg.format", "openpgp")
            raise ConfigError(
                f"publish.commit.sign: git cannot sign a commit ({kind}): {words}\n"
                "usually: no key, one that wants a passphrase while nobody is there, an agent that "
                "is not running, a key of another person than publish.commit.author, or no "
                "ssh-keygen or gpg (the container action has neither).\n"
                "do: make `git commit -S --allow-empty` work here; with an SSH key: git config "
                "gpg.format ssh && git config user.signingKey ~/.ssh/id_ed25519.pub; with GPG: git "
                "config user.signingKey KEY-ID. Or set `publish.commit.sign: false`."
            )


def _looks_like_ssh(root: Path, key: str) -> bool:
    """Whether nobody would call a GPG key so."""
    return bool(_LITERAL.match(key)) or key.startswith(("~", "/")) or (root / key).is_file()
