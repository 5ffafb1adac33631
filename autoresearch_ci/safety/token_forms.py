"""The one table of how access tokens of well-known services look.

Pure and light. What follows from a find (a variable withheld, a text redacted, a proposal refused)
is decided by whoever asks. The forms follow the services' own pages and the rules of gitleaks and
detect-secrets, a little wider, as services make their tokens longer. None takes an ordinary word, a
path of Python names or a run of base64 for a token.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from typing import NamedTuple


class TokenForm(NamedTuple):
    """How one service's tokens look: `before`, one of `heads`, `body`."""

    service: str
    heads: tuple[str, ...]
    """Stand in each of them, known to everybody; where there is none, there is no token."""
    body: str
    """What comes after the head, as an expression whose time is bounded by what it takes."""
    before: str
    """What comes before the head, likewise; usually nothing."""


_MIXED = "(?=[a-z_-]{0,40}[0-9A-Z])"
"""No words in lower case, as names of packages, classes and functions are."""
_PART = r"[\w-]{10,4000}+"
"""Of a JSON web token."""
_END = r"(?![0-9A-Za-z])"


def _form(service: str, heads: str, body: str, *, before: str = "") -> TokenForm:
    return TokenForm(service, tuple(heads.split()), body, before)


TOKEN_FORMS = (
    _form("GitHub", "ghp_ gho_ ghu_ ghs_ ghr_", r"[0-9A-Za-z]{30,}"),
    _form("GitHub, fine-grained", "github_pat_", r"[0-9A-Za-z_]{30,}"),
    # https://github.blog/changelog/2026-05-15-github-app-installation-tokens-per-request-override-header/
    _form(
        "GitHub, an app", ".eyJ", rf"{_PART}\.{_PART}", before=rf"gh[su]_[0-9A-Za-z]+_eyJ{_PART}"
    ),
    # Routable ones have parts, as runners' do: https://docs.gitlab.com/security/tokens/
    _form(
        "GitLab",
        "glpat- gldt- glrt- glrtr- glcbt- glptt- glft- glimt- glagent- glsoat- gloas- glffct-",
        _MIXED + r"[\w-]{20,}(?:\.[\w.-]{9,})?",
    ),
    _form("GitLab, a runner's registration", "GR1348941", r"[\w-]{20,}"),
    _form("Bitbucket, Atlassian", "ATBB ATATT3xFfGF0 ATCTT3xFfGN0", r"[\w=-]{32,}"),
    _form(
        "Anthropic",
        "sk-ant- sk-ant-api03- sk-ant-admin01- sk-ant-oat01- sk-ant-ort01- sk-ant-sid01-",
        _MIXED + r"[\w-]{20,}",
    ),
    _form("OpenAI", "sk-proj- sk-svcacct- sk-admin- sk-None-", _MIXED + r"[\w-]{20,}"),
    # ... in its old form, which most who offer the same interface use.
    _form("OpenAI, old", "sk- sk-or-v1-", r"(?=[A-Za-z]{0,30}[0-9])[0-9A-Za-z]{20,}"),
    _form("Langfuse", "sk-lf-", r"[0-9a-f]{8}-[0-9a-f-]{27}"),
    _form("Hugging Face", "hf_ api_org_", r"[0-9A-Za-z]{30,}"),
    _form("Groq", "gsk_", r"[0-9A-Za-z]{40,}"),
    _form("xAI", "xai-", r"[0-9A-Za-z]{60,}"),
    _form("Perplexity", "pplx-", r"[0-9A-Za-z]{40,}"),
    _form("Replicate", "r8_", r"[0-9A-Za-z]{37,}"),
    _form("NVIDIA", "nvapi-", _MIXED + r"[\w-]{60,}"),
    _form("Databricks", "dapi", rf"[0-9a-f]{{32}}(?:-[0-9]+)?{_END}"),
    _form("AWS", "AKIA ASIA ABIA ACCA", rf"[0-9A-Z]{{16}}{_END}"),
    _form("AWS, Bedrock", "ABSK", r"[0-9A-Za-z+/]{100,}={0,2}"),
    _form("Google, a key", "AIza", r"[\w-]{35}"),
    _form("Google, OAuth", "ya29. GOCSPX-", r"[\w-]{20,}"),
    _form("Azure, a resource", "AccountKey= SharedAccessKey=", r"[0-9A-Za-z+/]{40,}={0,2}"),
    _form("Azure, an app", "Q~", r"[\w.~-]{31,34}", before=r"[\w.~]{3}[0-9]"),
    _form("Azure, DevOps", "AZDO", rf"[0-9A-Za-z]{{4}}{_END}", before="[0-9A-Za-z]{76}"),
    _form("DigitalOcean", "dop_v1_ doo_v1_ dor_v1_", r"[0-9a-f]{40,}"),
    _form("Cloudflare", "v1.0-", r"[0-9a-f]{24}-[0-9a-f]{100,}"),
    _form("Fly", "fm1a_ fm1r_ fm2_ fo1_", r"[\w+/-]{40,}={0,3}"),
    _form("Heroku", "HRKU-", r"[\w-]{30,}"),
    _form("Supabase", "sbp_ sb_secret_", _MIXED + r"[0-9A-Za-z_-]{20,}"),
    _form("Vault", "hvs. hvb. hvr.", r"[\w-]{90,}"),
    _form("Terraform", ".atlasv1.", r"[\w=-]{60,}", before="[0-9A-Za-z]{14}"),
    _form("Doppler", "dp.pt. dp.st. dp.ct. dp.sa.", r"(?:[\w-]{2,35}\.)?[0-9A-Za-z]{40,}"),
    _form("1Password", "ops_eyJ", r"[0-9A-Za-z+/]{100,}={0,3}"),
    _form("age", "AGE-SECRET-KEY-1", r"[0-9A-Z]{58}"),
    _form("Pulumi", "pul-", r"[0-9a-f]{40}"),
    _form("Docker", "dckr_pat_ dckr_oat_", _MIXED + r"[\w-]{20,}"),
    _form("npm", "npm_", r"[0-9A-Za-z]{36}"),
    _form("PyPI", "pypi- pypi-AgEIcHlwaS5vcmc pypi-AgENdGVzdC5weXBpLm9yZw", r"[\w-]{50,}"),
    _form("RubyGems", "rubygems_", r"[0-9a-f]{48}"),
    _form("JFrog", "AKCp", r"[0-9A-Za-z]{69}"),
    _form(
        "Slack",
        "xoxa- xoxb- xoxe- xoxo- xoxp- xoxr- xoxs- xapp- xoxe.xoxb- xoxe.xoxp-",
        r"(?=[A-Za-z-]{0,30}[0-9])[0-9A-Za-z-]{10,}",
    ),
    _form("Telegram", ":AA", r"[\w-]{33}(?![\w-])", before="[0-9]{8,10}"),
    _form("Stripe", "sk_live_ rk_live_ sk_test_ rk_test_ sk_prod_ rk_prod_", "[0-9A-Za-z]{20,}"),
    _form("Stripe, a webhook", "whsec_", r"[0-9A-Za-z+/]{24,}={0,2}"),
    _form("ElevenLabs", "sk_", r"[0-9a-f]{48}"),
    _form("Square", "sq0atp- sq0csp-", r"[\w-]{22,}"),
    _form("Shopify", "shpat_ shpca_ shppa_ shpss_", r"[0-9A-Fa-f]{32}"),
    _form("SendGrid", "SG.", r"[\w-]{20,24}\.[\w-]{39,50}"),
    _form("Brevo", "xkeysib-", r"[0-9a-f]{64}-\w{16}"),
    _form("Twilio", "SK", rf"[0-9a-f]{{32}}{_END}"),
    _form("Linear", "lin_api_ lin_oauth_", r"[0-9A-Za-z]{32,}"),
    _form("Notion", "ntn_", r"[0-9]{11}[0-9A-Za-z]{35}"),
    _form("Figma", "figd_", _MIXED + r"[\w-]{30,}"),
    _form("Postman", "PMAK-", r"[0-9a-f]{24}-[0-9a-f]{34}"),
    _form("Grafana", "glc_ glsa_", r"[0-9A-Za-z+/]{32,}={0,3}(?:_[0-9a-f]{8})?"),
    _form("Sentry", "sntrys_eyJ sntryu_", r"[\w+/=-]{50,}"),
    _form("New Relic", "NRAK-", r"[0-9A-Z]{27}"),
    # Not after a dot or a hyphen, so that a run of beginnings is not read again from each.
    _form(
        "a JSON web token",
        ".eyJ",
        rf"{_PART}\.{_PART}",
        before=rf"(?:(?<![\w.-])|(?<=\\[nrt]))eyJ{_PART}",
    ),
    _form(
        "a private key",
        "PRIVATE",
        r" KEY(?: BLOCK)?-----"
        r"(?:(?>(?:[^-]|-(?!----)){0,20000})-----END [0-9A-Z ]{0,30}PRIVATE KEY(?: BLOCK)?-----)?",
        before="-----BEGIN (?:[0-9A-Z]+ ){0,3}",
    ),
)


def _one_of(heads: Iterable[str]) -> str:
    return "|".join(map(re.escape, sorted(heads, key=len, reverse=True)))


@functools.cache
def _pattern(form: TokenForm) -> re.Pattern[str]:
    if form.before:
        begun = f"{_not_within('')}{form.before}(?:{_one_of(form.heads)})"
    else:  # to begin with the head itself makes the search fast
        begun = "|".join(f"{head}{_not_within(head)}" for head in map(re.escape, form.heads))
    return re.compile(f"(?:{begun}){form.body}", re.ASCII)


def _not_within(head: str) -> str:
    """Before the head no letter or digit, but for those of a line end that is written out."""
    return rf"(?:(?<![0-9A-Za-z]{head})|(?<=\\[nrt]{head}))"


_PUBLIC = re.compile(
    # A JSON web token's head says only how it was signed.
    r"(?:gh[su]_[0-9A-Za-z]+_)?eyJ[\w-]+\.|(?:Bearer|Basic) |"
    + _one_of(head for form in TOKEN_FORMS if not form.before for head in form.heads),
    re.ASCII,
)


def tokens_in(text: str) -> frozenset[str]:
    """Every token in the text; one may be part of another."""
    return frozenset(
        match[0]
        for form in TOKEN_FORMS
        if any(map(text.__contains__, form.heads))  # much faster than an expression
        for match in _pattern(form).finditer(text)
    )


def secret_part(token: str) -> str:
    """A token, or another value, without the beginning that everybody knows."""
    public = _PUBLIC.match(token)
    return token[public.end() :] if public else token
