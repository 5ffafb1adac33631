"""An example of every form of token that we know, put together here: none is anybody's, and none
stands in this repository for its secret scanners to find."""

from __future__ import annotations

import random
import string

from autoresearch_ci.safety.token_forms import TOKEN_FORMS, TokenForm, secret_part

_RANDOM = random.Random(11)
HEX = "0123456789abcdef"
ALNUM = string.ascii_letters + string.digits
UPPER = string.ascii_uppercase + string.digits
URLSAFE = ALNUM + "-_"


def drawn(length: int, alphabet: str = ALNUM) -> str:
    """Random, with a digit and both cases among the first few, as nearly all tokens have."""
    start = "".join(char for char in "a7Q" if char in alphabet)
    return start + "".join(_RANDOM.choices(alphabet, k=length - len(start)))


def _jwt() -> str:
    return f"{drawn(60)}.{drawn(43, URLSAFE)}"


def _pem(head: str, kind: str = "") -> str:
    lines = "\n".join(drawn(64, ALNUM + "+/") for _ in range(3))
    begin, end = (f"-----{word} {kind}{head} KEY-----" for word in ("BEGIN", "END"))
    return f"{begin}\n{lines}\n{end}"


_BODIES: dict[str, tuple[int, str]] = {
    "GitHub": (36, ALNUM),
    "GitHub, fine-grained": (82, ALNUM + "_"),
    "GitLab": (20, URLSAFE),
    "GitLab, a runner's registration": (20, URLSAFE),
    "Bitbucket, Atlassian": (186, URLSAFE),
    "Anthropic": (95, URLSAFE),
    "OpenAI": (156, URLSAFE),
    "OpenAI, old": (48, ALNUM),
    "Hugging Face": (34, string.ascii_letters),
    "Groq": (52, ALNUM),
    "xAI": (80, ALNUM),
    "Perplexity": (48, ALNUM),
    "Replicate": (37, ALNUM),
    "NVIDIA": (64, URLSAFE),
    "Databricks": (32, HEX),
    "AWS": (16, UPPER),
    "AWS, Bedrock": (128, ALNUM),
    "Google, a key": (35, URLSAFE),
    "Google, OAuth": (28, URLSAFE),
    "Azure, a resource": (86, ALNUM + "+/"),
    "Azure, an app": (31, ALNUM),
    "Azure, DevOps": (4, ALNUM),
    "DigitalOcean": (64, HEX),
    "Fly": (120, ALNUM),
    "Heroku": (60, URLSAFE),
    "Supabase": (40, HEX),
    "Vault": (95, URLSAFE),
    "Terraform": (67, URLSAFE),
    "Doppler": (43, ALNUM),
    "1Password": (260, ALNUM),
    "age": (58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"),
    "Pulumi": (40, HEX),
    "Docker": (27, URLSAFE),
    "npm": (36, ALNUM),
    "PyPI": (160, URLSAFE),
    "RubyGems": (48, HEX),
    "JFrog": (69, ALNUM),
    "Telegram": (33, URLSAFE),
    "Stripe": (24, ALNUM),
    "Stripe, a webhook": (32, ALNUM),
    "ElevenLabs": (48, HEX),
    "Square": (43, URLSAFE),
    "Shopify": (32, HEX),
    "Twilio": (32, HEX),
    "Linear": (40, ALNUM),
    "Figma": (40, URLSAFE),
    "Grafana": (40, ALNUM),
    "Sentry": (64, HEX),
    "New Relic": (27, UPPER),
}
_BEFORE = {
    "GitHub, an app": lambda: f"ghs_{_RANDOM.randrange(10**6)}_eyJ{drawn(30)}",
    "a JSON web token": lambda: f"eyJ{drawn(33)}",
    "Azure, an app": lambda: f"{drawn(3)}8",
    "Azure, DevOps": lambda: drawn(76),
    "Telegram": lambda: str(_RANDOM.randrange(10**9, 10**10)),
    "Terraform": lambda: drawn(14),
}
_OTHERS = {
    "GitHub, an app": _jwt,
    "a JSON web token": _jwt,
    "Langfuse": lambda: "-".join(drawn(n, HEX) for n in (8, 4, 4, 4, 12)),
    "Cloudflare": lambda: f"{drawn(24, HEX)}-{drawn(146, HEX)}",
    "Slack": lambda: f"{drawn(12, '0123456789')}-{drawn(13, '0123456789')}-{drawn(24)}",
    "SendGrid": lambda: f"{drawn(22, URLSAFE)}.{drawn(43, URLSAFE)}",
    "Brevo": lambda: f"{drawn(64, HEX)}-{drawn(16)}",
    "Notion": lambda: f"{drawn(11, '0123456789')}{drawn(35)}",
    "Postman": lambda: f"{drawn(24, HEX)}-{drawn(34, HEX)}",
}


def _example(form: TokenForm, head: str) -> str:
    if form.service == "a private key":
        return _pem(head)
    before = _BEFORE.get(form.service, str)()
    body = _OTHERS[form.service]() if form.service in _OTHERS else drawn(*_BODIES[form.service])
    return f"{before}{head}{body}"


EXAMPLES = {
    f"{form.service}: {head}": _example(form, head) for form in TOKEN_FORMS for head in form.heads
} | {
    "a private key, encrypted": _pem("PRIVATE", "ENCRYPTED "),
    "a private key of a kind": _pem("PRIVATE", "RSA "),
    "GitLab, routable": f"glpat-{drawn(40, URLSAFE)}.01.{drawn(9, HEX)}",
    "GitLab, a job": f"glcbt-{drawn(2, HEX)}_{drawn(20, URLSAFE)}",
    "Databricks, a service": f"dapi{drawn(32, HEX)}-2",
}


def secrets_of(token: str) -> list[str]:
    """Pieces of what is secret of it."""
    texts = token.splitlines()[1:-1] if "\n" in token else [secret_part(token)]
    return [text[at : at + 12] for text in texts for at in range(0, len(text) - 11, 4)] or texts
