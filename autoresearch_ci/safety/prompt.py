"""Text that others wrote, made fit for a prompt: bounded, delimited, nothing hidden in it.

What a person cannot see in an editor must not reach the model unseen either: zero-width and
direction marks, tag characters and the like are dropped from short texts, and shown as `⟨U+200B⟩`
in files, where an edit may have to name them.
"""

from __future__ import annotations

import hashlib
import re

import regex

_SHOWN = re.compile("⟨U\\+([0-9A-F]{4,6})⟩")
# \p{C}: control, format, surrogate, private, unassigned. Variation selectors are combining marks
# by category, and carry hidden bytes just as well; the rest are blanks that look like nothing.
_HIDDEN = regex.compile(
    r"[[\p{C}\uFE00-\uFE0F\U000E0100-\U000E01EF\u115F\u1160\u2028\u2029\u3164\uFFA0]--[\n\t]]",
    regex.V1,
)


def is_hidden(char: str) -> bool:
    """Whether a character leaves no mark on the screen; newline, tab and blank do not count."""
    return _HIDDEN.fullmatch(char) is not None


def has_hidden(text: str) -> bool:
    """Whether `shown` would change the text."""
    return _HIDDEN.search(text) is not None


def shown(text: str) -> str:
    """The text with its hidden characters made visible."""
    return _HIDDEN.sub(lambda match: f"⟨U+{ord(match[0]):04X}⟩", text)


def file_text(data: bytes) -> str | None:
    """A file as a prompt shows it; `None` when it is not text."""
    try:
        return shown(data.decode().replace("\r\n", "\n"))
    except UnicodeDecodeError:
        return None


def unshown(text: str) -> str:
    """The inverse of `shown`, for an edit that quotes what it was shown."""
    return _SHOWN.sub(_hidden, text)


def _hidden(match: re.Match[str]) -> str:
    number = int(match[1], 16)
    char = chr(number) if number <= 0x10FFFF else ""
    return char if char and is_hidden(char) else match[0]


def line(text: str, limit: int) -> str:
    """At most `limit` characters on one line, without hidden ones."""
    plain = _HIDDEN.sub("", " ".join(text.split()))
    return plain if len(plain) <= limit else plain[: limit - 1].rstrip() + "…"


def tail(text: str, limit: int) -> str:
    """The last lines of an output, `limit` UTF-8 bytes at most."""
    text = re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]", "", text).replace("\r\n", "\n").replace("\r", "\n")
    plain = _HIDDEN.sub("", text).strip()
    if size(plain) <= limit:
        return plain
    kept = plain.encode()[-limit:].decode(errors="ignore")
    cut = kept.find("\n")
    return "…\n" + (kept[cut + 1 :] if 0 <= cut < limit // 2 else kept)


def block(kind: str, name: str, text: str) -> str:
    """Delimited data: the text cannot contain its own end mark, which depends on all of it."""
    mark = hashlib.sha256(text.encode(errors="replace")).hexdigest()[:16]
    title = f"{kind} {quoted(name)}" if name else kind
    end = "" if text.endswith("\n") or not text else "\n"
    return f"--- {title} [{mark}] ---\n{text}{end}--- end [{mark}] ---\n"


def quoted(path: str) -> str:
    """A path that is safe to print: as it is, or as `repr` shows it if it has odd characters."""
    plain = path.isprintable() and not has_hidden(path) and "---" not in path
    return path if plain else ascii(path)


def size(text: str) -> int:
    """Bytes as sent."""
    return len(text.encode(errors="replace"))
