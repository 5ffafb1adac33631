"""What a failed command needs, as far as its output tells: the setting that gives it, paste-ready.

CORE: text in, lines out. A wrong cure costs more than none, so each wants its own words.
"""

from __future__ import annotations

import re

_LOOPBACK = re.compile(
    r"Errno (99|101)\]|\b127\.0\.0\.1\b|\blocalhost\b|\[::1\]|::1:\d|EADDRNOTAVAIL|ENETUNREACH"
    r"|Network is unreachable|Cannot assign requested address"
)
_SOCKETS = re.compile(
    r"socket[^\n]{0,200}(Operation not permitted|Permission denied)|EPERM.*socket"
)
_INTERNET = re.compile(
    r"Temporary failure in name resolution|Name or service not known|getaddrinfo|ENOTFOUND"
    r"|EAI_AGAIN|[Cc]ould not resolve host|NameResolutionError|dial tcp: lookup"
)
_TOOLCHAIN = re.compile(
    r"rustup could not choose a version|no default (toolchain|is configured)"
    r"|pyenv: version .{0,80} is not installed|(nvm|fnm|volta): .{0,80}not (found|installed)",
    re.IGNORECASE,
)
_DENIED = re.compile(r"Permission denied|EACCES|cannot execute|failed to map segment")


def cures(output: str, *, network: str = "allow", noexec: str = "") -> list[str]:
    """What to do. `network`: what the command had. `noexec`: where nothing may be executed."""
    found = []
    if network == "deny" and (_LOOPBACK.search(output) or _SOCKETS.search(output)):
        found.append(
            "do: give it a 127.0.0.1 of its own, as local servers and pytest-xdist need: "
            "--set sandbox.network=loopback"
        )
    elif network != "allow" and _INTERNET.search(output):
        found.append(
            "do: download what it asks for in a `setup` command, which has the network, or "
            "--set sandbox.network=allow"
        )
    if noexec and _DENIED.search(output):
        found.append(
            f"do: set TMPDIR to a folder where programs may run: {noexec} is mounted noexec"
        )
    if _TOOLCHAIN.search(output):
        found.append(
            "do: name the toolchain's home, as HOME is another one here: for example "
            '--env RUSTUP_HOME="$HOME/.rustup"'
        )
    return found
