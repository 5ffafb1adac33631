"""Who is turned away says so in few words; who answers is not taken for one of them."""

from __future__ import annotations

import pytest

from autoresearch_ci.propose.agent_presets import complaint


@pytest.mark.parametrize(
    "words",
    [
        "You've hit your usage limit. Upgrade to Pro or try again later.",
        "Claude AI usage limit reached|1760000000",
        "5-hour limit reached - resets 3am",
        "API Error: 429 rate_limit_error: too many requests",
        "API Error: 401 authentication_error",
        "You exceeded your current quota, please check your plan",
        "Credit balance is too low",
        "insufficient_quota",
        "Not logged in. Run codex login.",
        "To continue, sign in with ChatGPT",
        "Please visit the following URL to authorize",
        "OAuth token has expired",
        "Incorrect API key provided: sk-***",
        "Please set an Auth method in settings.json",
        "Error: no API key found for provider",
        "Waiting for auth... (press ESC to cancel)",
        "Your session has expired. Run codex login to sign in again.",
        "Error: stream disconnected before completion: 529 Overloaded",
        "The model is overloaded. Please try again later.",
        "request to https://api.example.com failed, reason: getaddrinfo ENOTFOUND api.example.com",
        "Connection refused. Is the server running?",
        "503 Service Unavailable",
    ],
)
def test_a_limit_a_login_or_a_key_is_a_complaint(words: str) -> None:
    assert complaint(f"Hello.\n{words}")


@pytest.mark.parametrize(
    "words",
    [
        "",
        "I found nothing left to improve.",
        "The parser is as fast as memory allows; I left it alone.",
        "I raised the buffer's size limit to 64 and saw no gain, so I reverted it.",
        "The login handler is not on the hot path.",
        "The connection pool is not what is slow.",
        "DESCRIPTION: no change, the limit of this approach was found",
    ],
)
def test_an_answer_is_none(words: str) -> None:
    assert complaint(words) == ""


def test_what_was_quoted_long_before_the_end_is_no_complaint() -> None:
    assert complaint("rate limit exceeded\n" + "I looked at every file. " * 40) == ""
