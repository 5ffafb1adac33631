"""Text that others wrote, made fit for a prompt: bounded, delimited, nothing hidden in it.

What a person cannot see in an editor (characters.py) must not reach the model unseen either: it is
dropped from short texts, and shown as `⟨U+200B⟩` in files, where an edit may have to name it.
"""

from __future__ import annotations

import hashlib
import re

from autoresearch_ci.safety.characters import has_hidden, is_hidden, replaced, without_hidden

_SHOWN = re.compile("⟨U\\+([0-9A-F]{4,6})⟩")


def shown(text: str) -> str:
    """The text with its hidden characters made visible."""
    return replaced(text, lambda char: f"⟨U+{ord(char):04X}⟩")


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
    plain = without_hidden(" ".join(text.split()))
    return plain if len(plain) <= limit else plain[: limit - 1].rstrip() + "…"


def tail(text: str, limit: int) -> str:
    """The last lines of an output, `limit` UTF-8 bytes at most."""
    text = re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]", "", text).replace("\r\n", "\n").replace("\r", "\n")
    plain = without_hidden(text).strip()
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
