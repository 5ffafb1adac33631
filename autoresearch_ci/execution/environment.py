"""Decides what a measured command may see of our environment: the toolchain, and nothing secret.

Which folders are its home is the caller's business; nothing is read from `os.environ` here.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path

from autoresearch_ci.safety.secret_values import looks_secret

_ALLOWED = re.compile(
    r"""
    PATH | LANG | LANGUAGE | LC_\w+ | TZ | USER | LOGNAME | SHELL
    | LD_LIBRARY_PATH | PKG_CONFIG_PATH | CC | CXX | SOURCE_DATE_EPOCH
    | VIRTUAL_ENV | PIP_\w+ | UV_\w+ | CONDA_PREFIX | CONDA_DEFAULT_ENV | PYENV_(ROOT|VERSION)
    | NVM_DIR | JAVA_HOME\w* | GOROOT | GOPATH | GOPROXY | GOTOOLCHAIN | DOTNET_ROOT | ANDROID_HOME
    | CARGO_HOME | RUSTUP_(HOME|TOOLCHAIN)
    | CUDA_\w+ | NVIDIA_\w+ | (ROCR|HIP)_VISIBLE_DEVICES | (OMP|MKL|OPENBLAS)_NUM_THREADS
    | SSL_CERT_(FILE|DIR) | REQUESTS_CA_BUNDLE | CURL_CA_BUNDLE | NODE_EXTRA_CA_CERTS
    | (HTTP|HTTPS|ALL|NO)_PROXY | (http|https|all|no)_proxy
    """,
    re.VERBOSE,
)


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
    folders = {"HOME": str(home), "TMPDIR": str(tmp), "TMP": str(tmp), "TEMP": str(tmp)}
    return {"PATH": os.defpath, **toolchain, **folders, **extra}


def _is_harmless(name: str, value: str) -> bool:
    return _ALLOWED.fullmatch(name) is not None and not looks_secret(name, value)
