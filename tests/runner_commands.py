"""What GitHub's runner obeys in a log: `ActionCommand.TryParseV2` and `TryParse`, ported.

https://github.com/actions/runner/blob/main/src/Runner.Common/ActionCommand.cs. Where .NET compares
by culture it skips characters without weight, so each line is read a second time without these, and
without what a terminal obeys.
"""

from __future__ import annotations

import re
import unicodedata

COMMANDS = (
    *("set-output", "set-env", "add-path", "add-mask", "add-matcher", "remove-matcher", "error"),
    *("warning", "notice", "debug", "group", "endgroup", "stop-commands", "save-state", "echo"),
)
_WEIGHTLESS = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\ufff0-\uffff"
    "\U000e0000-\U000e0fff]"
)


_ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07]*\x07")


def obeyed(log: str) -> list[str]:
    """The commands that a runner would carry out, of everything that a step printed."""
    found = []
    for line in re.split("[\r\n\x0b\x0c\x85\u2028\u2029]", log):
        for read in (line, _weighty(line)):
            if name := _v2(read) or _v1(read):
                found.append(f"{name}: {line[:200]!r}")
                break
    return found


def _v2(message: str) -> str:
    """`::name properties::data` at the start of a line."""
    message = message.lstrip()
    if not message.startswith("::"):
        return ""
    end = message.find("::", 2)
    return _known(message[2:end]) if end >= 0 else ""


def _v1(message: str) -> str:
    """`##[name properties]data` anywhere in a line."""
    start = message.find("##[")
    end = message.find("]", start)
    return _known(message[start + 3 : end]) if 0 <= start < end else ""


def _known(info: str) -> str:
    name = info.partition(" ")[0].lower()
    return name if name in COMMANDS else ""


def _weighty(line: str) -> str:
    plain = "".join(
        c for c in _ESCAPES.sub("", line) if unicodedata.category(c) not in ("Cc", "Cf", "Cs")
    )
    return _WEIGHTLESS.sub("", plain)


def payloads(token: str) -> list[str]:
    """Every command in every place where it might be obeyed; each says `token`."""
    found = []
    for name in COMMANDS:
        v2, v1 = f"::{name} name=x::{token}", f"##[{name} name=x]{token}"
        found += [v2, v1, f"text {v1}", f"text##{v1}"]
        found += [f"{blank}{v2}" for blank in ("   ", "\t", "\u00a0", "\u2003", "\x0b", "\x85")]
        found += [f"{end}{v2}" for end in ("text\r", "\r\n", "\n", "text\u2028", "\x0c")]
        found += [f"{hidden}{v2}" for hidden in ("\ufeff", "\u200b", "\u2060", "\ufe0f", "\u00ad")]
        found += [f"\x1b[31m{v2}", f"\x1b[2K\x1b[1G{v2}", f"\x1b]0;x\x07{v2}"]
        found += [f"#{hidden}#[{name}]{token}" for hidden in ("\u200b", "\ufe0f", "\u034f", "\0")]
        found += [f":\u200b:{name}::{token}", f"\ufe0f \ufe0f{v2}"]
    return found
