"""Decides what a measured command may see of our environment: the toolchain, and nothing secret.

Which folders are its home is the caller's business; nothing is read from `os.environ` here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

from autoresearch_ci.safety.secret_values import looks_secret

_ALLOWED = re.compile(
    r"""
    PATH | LANG | LANGUAGE | LC_\w+ | TZ | USER | LOGNAME | SHELL
    | LD_LIBRARY_PATH | PKG_CONFIG_PATH | CC | CXX | SOURCE_DATE_EPOCH
    | VIRTUAL_ENV | PIP_\w+ | UV_\w+
    | CONDA_(PREFIX|DEFAULT_ENV|ENVS_(PATH|DIRS)) | MAMBA_ROOT_PREFIX
    | (PYENV|RBENV|NODENV|GOENV|JENV)_(ROOT|VERSION) | FNM_DIR | MISE_DATA_DIR
    | NVM_DIR | VOLTA_HOME | SDKMAN_DIR | ASDF_(DATA_DIR|DIR)
    | OPAMROOT | ELAN_HOME | GRADLE_RO_DEP_CACHE
    | GOROOT | GOPATH | GOMODCACHE | GOPROXY | GOTOOLCHAIN
    | JAVA_HOME\w* | DOTNET_ROOT | ANDROID_HOME
    | CARGO_HOME | RUSTUP_(HOME|TOOLCHAIN)
    | CUDA_\w+ | NVIDIA_\w+ | (ROCR|HIP)_VISIBLE_DEVICES | (OMP|MKL|OPENBLAS)_NUM_THREADS
    | SSL_CERT_(FILE|DIR) | REQUESTS_CA_BUNDLE | CURL_CA_BUNDLE | NODE_EXTRA_CA_CERTS
    | (HTTP|HTTPS|ALL|NO)_PROXY | (http|https|all|no)_proxy
    """,
    re.VERBOSE,
)


_HOMES = {
    "RUSTUP_HOME": ".rustup",
    "PYENV_ROOT": ".pyenv",
    "RBENV_ROOT": ".rbenv",
    "NVM_DIR": ".nvm",
    "VOLTA_HOME": ".volta",
    "SDKMAN_DIR": ".sdkman",
    "ASDF_DATA_DIR": ".asdf",
    "MISE_DATA_DIR": ".local/share/mise",
    "FNM_DIR": ".local/share/fnm",
    "NODENV_ROOT": ".nodenv",
    "GOENV_ROOT": ".goenv",
    "JENV_ROOT": ".jenv",
    "UV_PYTHON_INSTALL_DIR": ".local/share/uv/python",
    "OPAMROOT": ".opam",
    "ELAN_HOME": ".elan",
    "CONDA_ENVS_PATH": ".conda/envs",
    "MAMBA_ROOT_PREFIX": ".local/share/mamba",
}
"""Where version managers look for what they have installed when nobody says: below HOME."""
_DOWNLOADS = {
    "CARGO_HOME": (".cargo", "registry"),
    "GOMODCACHE": ("go/pkg/mod", "cache"),
    "GRADLE_RO_DEP_CACHE": (".gradle/caches", "modules-2"),
    "MAVEN_OPTS": (".m2/repository", "org"),
}
"""Where package managers keep what they have downloaded, below HOME, and what is in there then.

Those that can do with a folder that they may only read."""


_GIT = {"GIT_CONFIG_NOSYSTEM": "1"}
"""The machine's own settings may hold tokens, and git gives up where it may not read them."""
UNCONNECTED = {"npm_config_fetch_retries": "0", "PIP_RETRIES": "0"}
"""Without a network: `npx --no-install` asks for what is not there again and again for a minute."""
UNATTENDED = {"CI": "true"}
"""For those who would ask questions otherwise: installers, agents, servers of tools."""


def clean_environment(
    extra: Mapping[str, str], *, home: Path, tmp: Path, inherit: Mapping[str, str]
) -> dict[str, str]:
    """The whole environment of one command.

    `inherit` is filtered by name against an allow list, then by what looks secret in a name or a
    value. `extra` is passed as it is: the caller vouches for it. `home` and `tmp` must exist.
    Nothing in it tells a CI job from a laptop: code that asks is measured as it will be used.
    """
    toolchain = {name: value for name, value in inherit.items() if _is_harmless(name, value)}
    toolchain = {**_homes(inherit.get("HOME", "")), **toolchain}
    folders = {"HOME": str(home), "TMPDIR": str(tmp), "TMP": str(tmp), "TEMP": str(tmp)}
    return {"PATH": os.defpath, **_GIT, **toolchain, **folders, **extra}


def downloads(user_home: str, home: Path) -> dict[str, str]:
    """What the user's package managers have downloaded, for commands that have `home`.

    But for those that setup had download anew: they look there, and may write there, too.
    """
    if not user_home:
        return {}
    return {
        name: os.path.join(user_home, folder)  # noqa: PTH118
        for name, (folder, inside) in _DOWNLOADS.items()
        if Path(user_home, folder, inside).is_dir() and not Path(home, folder, inside).exists()
    }


def of_downloads(user_home: str, home: Path, reaches: Callable[[Path], bool]) -> dict[str, str]:
    """The variables that lead to those which commands can reach."""
    found = downloads(user_home, home).items()
    return {
        name: f"-Dmaven.repo.local={place}" if name == "MAVEN_OPTS" else place
        for name, place in found
        if reaches(Path(place))
    }


def _homes(home: str) -> dict[str, str]:
    """Of the toolchains that a fresh HOME would hide from their own programs."""
    if not home:
        return {}
    places = {name: os.path.join(home, folder) for name, folder in _HOMES.items()}  # noqa: PTH118
    return {name: place for name, place in places.items() if os.path.isdir(place)}  # noqa: PTH112


def _is_harmless(name: str, value: str) -> bool:
    return _ALLOWED.fullmatch(name) is not None and not looks_secret(name, value)
