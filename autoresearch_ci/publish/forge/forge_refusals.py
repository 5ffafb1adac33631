"""What git and forges say when they refuse, recognised: what it means and which setting to change.

CORE: text in, an error out. The server's words are shown, bounded and defused, never obeyed.
"""

from __future__ import annotations

import enum
import re
from dataclasses import dataclass

from autoresearch_ci.errors import PublishError
from autoresearch_ci.safety.log_text import defuse


class RefusalKind(enum.Enum):
    """Why something was refused."""

    CREDENTIALS = enum.auto()
    FORBIDDEN = enum.auto()
    SSO = enum.auto()
    ARCHIVED = enum.auto()
    NOT_FOUND = enum.auto()
    PROTECTED = enum.auto()
    WORKFLOWS = enum.auto()
    SECRET = enum.auto()
    TOO_LARGE = enum.auto()
    PUSH_TOO_LARGE = enum.auto()
    """All of what was sent, not one file of it."""
    SHALLOW = enum.auto()
    MOVED = enum.auto()
    """The ref is not where we left it: a person, or another run."""
    HIDDEN_REF = enum.auto()
    """The forge takes branches and tags only."""
    CERTIFICATE = enum.auto()
    RATE_LIMIT = enum.auto()
    UNREACHABLE = enum.auto()
    """The network or the server; worth another try."""
    PULLS_OFF = enum.auto()
    """GitHub Actions may not create pull requests in this repository or organisation."""
    EXISTS = enum.auto()
    NO_DRAFTS = enum.auto()
    NOTHING_NEW = enum.auto()
    NO_BASE = enum.auto()
    OTHER = enum.auto()


class ForgeRefused(PublishError):
    """The forge or its git server said no; `kind` is why."""

    wanted: float | None = None
    """Seconds after which the server wants to be asked again; `None`: it does not say."""

    def __init__(self, kind: RefusalKind, message: str) -> None:
        super().__init__(message)
        self.kind = kind


TRANSIENT = frozenset({RefusalKind.UNREACHABLE, RefusalKind.RATE_LIMIT})
"""Kinds that pass on their own."""
BY_STATUS = {
    401: RefusalKind.CREDENTIALS,
    403: RefusalKind.FORBIDDEN,
    404: RefusalKind.NOT_FOUND,
    429: RefusalKind.RATE_LIMIT,
}
"""What an HTTP status says of an API's refusal, where nothing else is said."""


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns), re.IGNORECASE)


# In this order: the first that matches wins, so what is specific comes first.
_TEXTS: tuple[tuple[re.Pattern[str], RefusalKind], ...] = (
    (_any("not permitted to create or approve pull requests"), RefusalKind.PULLS_OFF),
    (_any(r"refusing to allow an? .{0,60} to create or update workflow"), RefusalKind.WORKFLOWS),
    (_any("SAML SSO", "SAML enforcement", "enabled or enforced SAML"), RefusalKind.SSO),
    (_any("archived so (it|is) is read-only", "was archived"), RefusalKind.ARCHIVED),
    (_any("rate limit", "abuse detection", r"returned error: 429"), RefusalKind.RATE_LIMIT),
    (_any("GH009", "push protection", "push cannot contain secrets"), RefusalKind.SECRET),
    (
        _any("GH001", "exceeds GitHub's file size limit", "larger than the maximum"),
        RefusalKind.TOO_LARGE,
    ),
    (
        _any(
            r"HTTP (code )?413\b",
            "returned error: 413",
            "(Request Entity|Payload|Content) Too Large",
            "pack exceeds maximum allowed size",
            "push size .{0,40}(exceed|larger)",
        ),
        RefusalKind.PUSH_TOO_LARGE,
    ),
    (_any("shallow update not allowed"), RefusalKind.SHALLOW),
    (
        _any("GH006", "GH013", "protected branch", "rule violations", "not allowed to push"),
        RefusalKind.PROTECTED,
    ),
    (_any("deny updating a hidden ref", "funny refname"), RefusalKind.HIDDEN_REF),
    (
        _any(
            "Authentication failed",
            "Invalid username or (password|token)",
            "Bad credentials",
            "could not read (Username|Password)",
            "returned error: 401",
            "HTTP Basic: Access denied",
        ),
        RefusalKind.CREDENTIALS,
    ),
    (
        _any(
            "Resource not accessible by",
            r"Permission to \S+ denied",
            "Write access to repository not granted",
            "You are not allowed to",
            "returned error: 403",
        ),
        RefusalKind.FORBIDDEN,
    ),
    (
        _any("Repository not found", r"repository '[^']*' not found", "returned error: 404"),
        RefusalKind.NOT_FOUND,
    ),
    (
        _any("stale info", "non-fast-forward", "fetch first", "cannot lock ref", "already exists"),
        RefusalKind.MOVED,
    ),
    (_any("certificate", "SSL peer"), RefusalKind.CERTIFICATE),
    # An answer of the server's, though git says "RPC failed"; only 408 passes on its own.
    (_any(r"(HTTP|returned error:) 4(?!08)\d\d\b"), RefusalKind.OTHER),
    (
        _any(
            r"HTTP 5\d\d",
            r"returned error: 5\d\d",
            "Could not resolve host",
            "Failed to connect",
            r"Connection (refused|reset|timed out|was reset)",
            "Operation too slow",
            "Empty reply",
            "unexpected disconnect",
            "early EOF",
            "RPC failed",
            "hung up unexpectedly",
            "Internal Server Error",
            "remote unpack failed",
            "unpacker error",
            "transfer closed",
            "recv error",
            "SSL_ERROR",
        ),
        RefusalKind.UNREACHABLE,
    ),
)


# Addresses, paths and refs, hosts, and what stands where git and curl name a host or a branch.
_NAMES = re.compile(
    r"[\w.+~@:%-]*/[^\s'\"]*|\b[\w-]+(?:\.[\w-]+)+|(?<=resolve host: )\S+|(?<=connect to )\S+"
    r"|(?<=-> )\S+"
)


def classify(said: str) -> RefusalKind:
    """Why, from what git or a forge printed; a name that somebody chose says nothing."""
    said = _NAMES.sub("_", said)
    return next((kind for pattern, kind in _TEXTS if pattern.search(said)), RefusalKind.OTHER)


@dataclass(frozen=True, kw_only=True)
class PublishPlace:
    """Where something was to be published: what a message must name."""

    repository: str
    """`owner/name`, or whatever the remote is called."""
    branch: str = ""
    settings: str = ""
    """Address of the repository's settings, when there is one."""


def explain(kind: RefusalKind, said: str, place: PublishPlace) -> ForgeRefused:
    """The error a user is shown: what happened, why usually, what to do."""
    what, usually, do = _ADVICE[kind]
    fill = {
        "repository": place.repository,
        "branch": place.branch or "the branch",
        "settings": place.settings or "the repository's settings",
    }
    lines = [what.format(**fill)]
    if quoted := quote(said):
        lines.append(f"it said: {quoted}")
    lines += [f"usually: {usually.format(**fill)}", f"do: {do.format(**fill)}"]
    return ForgeRefused(kind, "\n".join(lines))


_NOISE = re.compile(
    r"^(To |Done|error: failed to push|fatal: the remote end hung up|Everything up-to-date"
    r"|remote: *$|remote: [Pp]rocessing|hint: )"
)


def quote(said: str, room: int = 600) -> str:
    """The telling lines of what a server printed, in one bounded harmless line."""
    lines = [line.strip() for line in said.splitlines()]
    told = [line for line in lines if line and not _NOISE.match(line)]
    text = defuse(" / ".join(dict.fromkeys(told)))
    return text if len(text) <= room else text[: room - 1] + "…"


_TOKEN = (
    "permissions: {{contents: write, pull-requests: write}} in the workflow's job, or a token "
    "with these two (input `token`, or app-id and app-private-key)"
)
_ADVICE: dict[RefusalKind, tuple[str, str, str]] = {
    RefusalKind.CREDENTIALS: (
        "{repository} does not accept the token.",
        "it expired while the run went on (an App's installation token lives one hour, a job's "
        "token as long as its job and at most 24 hours), was revoked, or none was given.",
        "give app-id and app-private-key, whose tokens are renewed, or a fresh token; then run "
        "again with --resume, or publish the result with `autoresearch-ci publish`.",
    ),
    RefusalKind.FORBIDDEN: (
        "the token may not write to {repository}.",
        "the job has no write permission (any `permissions:` block sets what it leaves out to "
        "none), or the run was triggered by a fork or by Dependabot, whose tokens only read.",
        f"set {_TOKEN}.",
    ),
    RefusalKind.SSO: (
        "the organisation of {repository} wants single sign-on for this token.",
        "a personal access token that was not authorised for the organisation.",
        "Settings > Developer settings > Personal access tokens > Configure SSO > Authorize, or "
        "use app-id and app-private-key.",
    ),
    RefusalKind.ARCHIVED: (
        "{repository} is archived, so nothing can be written to it.",
        "it was retired.",
        "unarchive it in {settings}, or set publish.mode: local.",
    ),
    RefusalKind.NOT_FOUND: (
        "{repository} was not found.",
        "it is private and the token belongs to another repository or organisation (a forge hides "
        "what a token may not see), or it was renamed or deleted.",
        "check GITHUB_REPOSITORY or publish.repository, and give the token access to it.",
    ),
    RefusalKind.PROTECTED: (
        "a branch protection or ruleset of {repository} refuses pushes to {branch}.",
        "a pattern such as `*` or `**/*` covers our branches, or demands signed commits, a linear "
        "history or a status check before the push.",
        "exclude `autoresearch/**` from that rule in {settings} (Rules, or Branches), let this "
        "app bypass it, or choose another publish.branch.",
    ),
    RefusalKind.WORKFLOWS: (
        "{repository} refuses the push because the branch differs in a workflow file.",
        "the run started from a commit whose .github/workflows differ from what the forge has; "
        "GITHUB_TOKEN can never be allowed to push such a change.",
        "run again from the newest commit of the base branch, or use a GitHub App with "
        "`Workflows: write`, or a personal access token with the `workflow` scope.",
    ),
    RefusalKind.SECRET: (
        "{repository} refuses the push because it thinks that a commit holds a secret.",
        "a candidate wrote something that looks like a key (push protection).",
        "read the file that is named; if it is harmless, allow it under the address that is named.",
    ),
    RefusalKind.TOO_LARGE: (
        "{repository} refuses the push because a file is too large.",
        "a candidate added a file of more than 100 MB.",
        "leave such files out of `scope`, or keep them in Git LFS.",
    ),
    RefusalKind.PUSH_TOO_LARGE: (
        "{repository}, or a proxy before it, refuses the push because it is too large.",
        "a limit on the size of one request (nginx: client_max_body_size) or of one push; large "
        "files in the base commit that the forge does not have yet count, too.",
        "push the base branch first, raise that limit, or keep large files in Git LFS; then run "
        "again with --resume.",
    ),
    RefusalKind.SHALLOW: (
        "{repository} does not accept a push from a shallow clone.",
        "the checkout holds a part of the history only, and the forge lacks the rest.",
        "git fetch --unshallow, or fetch-depth: 0 of actions/checkout; then run again with "
        "--resume.",
    ),
    RefusalKind.MOVED: (
        "{branch} was moved or created by somebody else meanwhile, and is left alone.",
        "a person or another run pushed to it while this run went on.",
        "look at what is there; the next keep goes to another branch.",
    ),
    RefusalKind.HIDDEN_REF: (
        "{repository} does not accept the notebook's ref, only branches.",
        "this forge hides refs outside of refs/heads and refs/tags.",
        "nothing; the branch is published without the notebook.",
    ),
    RefusalKind.CERTIFICATE: (
        "the certificate of {repository} cannot be verified.",
        "a company's own certificate authority that this machine does not know.",
        "install it, or name it: SSL_CERT_FILE=/path/ca.pem (git) and "
        "REQUESTS_CA_BUNDLE=/path/ca.pem (API).",
    ),
    RefusalKind.RATE_LIMIT: (
        "{repository} asks us to slow down.",
        "other jobs use the same token, or many runs write at once (GITHUB_TOKEN: 1,000 requests "
        "an hour for each repository).",
        "wait, then run again with --resume; or use an app of its own.",
    ),
    RefusalKind.UNREACHABLE: (
        "{repository} could not be reached, also after several tries.",
        "the network, a proxy, or the forge itself is down.",
        "run again with --resume when it is back; nothing that was kept is lost.",
    ),
    RefusalKind.PULLS_OFF: (
        "GitHub Actions is not permitted to create pull requests in {repository}.",
        "the setting is off, as it is by default; the organisation and the repository must both "
        "allow it.",
        "tick Settings > Actions > General > Workflow permissions > Allow GitHub Actions to create "
        "and approve pull requests ({settings}/actions), or give app-id and app-private-key.",
    ),
    RefusalKind.EXISTS: (
        "a pull request from {branch} exists already.",
        "another run created it at the same time, under another name.",
        "close it, or choose another publish.branch.",
    ),
    RefusalKind.NO_DRAFTS: (
        "{repository} has no draft pull requests.",
        "a private repository on a plan without them.",
        "set publish.draft: false.",
    ),
    RefusalKind.NOTHING_NEW: (
        "there is nothing between the base branch and {branch}.",
        "everything that was kept has been merged already.",
        "nothing.",
    ),
    RefusalKind.NO_BASE: (
        "{repository} has no branch of the name that publish.base gives.",
        "the run started from a tag, a detached commit, or a branch that was deleted.",
        "set publish.base to the branch to merge into, such as main.",
    ),
    RefusalKind.OTHER: (
        "{repository} refused.",
        "a hook or rule of that server.",
        "read what it said, mend that, and run again with --resume.",
    ),
}
