"""Tokens of well-known services: everybody who looks for secrets recognises every form."""

from __future__ import annotations

import base64
import itertools
import json
import random
import time
from pathlib import Path

import pytest

from autoresearch_ci.candidate import holds_secret
from autoresearch_ci.cli.action.runner_io import masks
from autoresearch_ci.decide.command_screen import objections
from autoresearch_ci.execution.environment import clean_environment
from autoresearch_ci.experiment import FileEdit, Proposal
from autoresearch_ci.safety.redaction import Redactor
from autoresearch_ci.safety.secret_values import looks_secret, must_leave, pieces, secret_values
from autoresearch_ci.safety.token_forms import TOKEN_FORMS, secret_part, tokens_in
from tests.memory_tree import Files
from tests.tokens import EXAMPLES, drawn, secrets_of

TOKENS = sorted(EXAMPLES.values())
ROOT = Path("/")


AROUND = ("{}", "x = '{}'", "({})", "TOKEN={}\n", '{{"a": "{}"}}', "a\\n{}\\n", "https://x/?k={}&b")


def test_it_is_found_in_a_text() -> None:
    for token in TOKENS:
        for around in AROUND:
            assert token in tokens_in(around.format(token)), around


def proposal(description: str, *edits: FileEdit) -> Proposal:
    return Proposal(description=description, edits=edits, proposer="x")


def test_a_proposal_that_adds_it_is_refused() -> None:
    for token in TOKENS:
        tree, nobody = Files({"a": b"x = 1\n"}), Redactor()
        edit = FileEdit(path="a", content=f"x = 1\nkey = '''{token}'''\n".encode())
        assert holds_secret(proposal("a", edit), tree, nobody)
        assert holds_secret(proposal(f"use {token}"), tree, nobody)
        unchanged = Files({"a": edit.content or b""})
        more = FileEdit(path="a", content=(edit.content or b"") + b"y = 2\n")
        assert not holds_secret(proposal("a", more), unchanged, nobody)


def test_a_variable_of_any_name_that_holds_it_is_withheld() -> None:
    for token in TOKENS:
        for value in ("{}", " {} ", "Bearer {}", "endpoint=x;{}", '{{"a": "{}"}}'):
            text = value.format(token)
            assert looks_secret("CC", text), value
            assert must_leave("CC", text), value
            assert "CC" not in clean_environment({}, home=ROOT, tmp=ROOT, inherit={"CC": text}), (
                value
            )


def test_what_a_variable_of_any_name_holds_is_redacted() -> None:
    for token, value in zip(TOKENS, itertools.cycle(("{}", "Bearer {}", "endpoint=x;{}"))):
        redactor = Redactor(secret_values({"PLAIN": value.format(token)}))
        for text in (token, token[::-1], base64.b64encode(token.encode()).decode()):
            shown = redactor.redact(f"before {text} after endpoint=x; Bearer")
            assert shown.startswith("before "), value
            assert shown.endswith(" after endpoint=x; Bearer"), value
            assert not [part for part in secrets_of(token) if part in shown], shown
            assert not redactor.found_in(shown), shown


def test_a_command_that_holds_it_is_refused() -> None:
    for token in TOKENS:
        told = [objection.what for objection in objections(f"./measure --with '{token}'")]
        assert "holds a secret" in told, token


def test_the_action_masks_it() -> None:
    for token in TOKENS:
        masked = token
        for mask in masks({"PLAIN": f"Bearer {token}"}, []):
            masked = masked.replace(mask, "***")
        assert not [part for part in secrets_of(token) if part in masked], masked


def test_every_form_has_an_example_and_every_head_is_known() -> None:
    assert {name.partition(": ")[0] for name in EXAMPLES} >= {form.service for form in TOKEN_FORMS}
    assert len({form.service for form in TOKEN_FORMS}) == len(TOKEN_FORMS)


def test_a_key_whose_line_ends_are_written_out_is_redacted() -> None:
    token = EXAMPLES["a private key of a kind"]
    for text in (
        token.replace("\n", "\\n"),
        token.replace("\n", "\\r\\n"),
        token.replace("\n", " "),
    ):
        redactor = Redactor(secret_values({"SIGNING_KEY": text}))
        shown = redactor.redact(f"is {token}")
        assert not [part for part in secrets_of(token) if part in shown], shown
        assert shown.startswith("is -----BEGIN RSA PRIVATE KEY-----")


RANDOM = random.Random(5)
ORDINARY = [
    *("sk-learn", "scikit-learn", "sk-container-id-1", "sk-admin-panel-component-library-version"),
    *("hf_hub_download(repo_id, filename)", "hf_transfer_enabled_by_default_everywhere", "gsk_x"),
    *("SG.", "the SG. in prose", "SG.some_attribute_of_it.another_attribute_with_a_long_name_x"),
    *("glpat-", "glpat-xxxx", "glpat-your-personal-access-token", "npm_config_cache", "npm_"),
    *("dckr_pat_", "dckr_pat_your-docker-access-token-goes-here", "sk-ant-api03-...", "xoxb-..."),
    *("xoxb-your-token-goes-here", "sk_live_...", "whsec_", "ghp_short", "AKIA", "eyJ", "AIza"),
    *("-----BEGIN PUBLIC KEY-----", "-----BEGIN CERTIFICATE-----", "PRIVATE KEY", "Q~", ":AA"),
    *("550e8400-e29b-41d4-a716-446655440000", "d41d8cd98f00b204e9800998ecf8427e"),
    *("da39a3ee5e6b4b0d3255bfef95601890afd80709", f"sha256:{drawn(64, '0123456789abcdef')}"),
    "sha512-" + base64.b64encode(RANDOM.randbytes(64)).decode(),
    "hvs.convert_colour_of_an_image(value, saturation) + hvs.another_function_with_a_long_name",
    "dp.st.some.attribute.of.an.object.that.has.many.of.them.and.a.long.way.to.go",
    "def test_sk_test_identifiers_are_no_keys(): sk_test_something_else_entirely = 1",
    "self.sb_secret_store_of_the_application_in_memory = pul-request",
    "import xai-grok, r8_shrinker, figd_tools_of_some_people_for_design_files, v1.0-rc1",
    "/usr/lib/python3.11/site-packages/anthropic/types/shared/api_error_object.py",
    "12345678:AABB 10:AAAA",
    "SKIP=1 DISK SK0123",
    "loss=0.98 lr=3e-4 step 100000/200000",
]


def test_what_is_ordinary_or_only_speaks_of_tokens_is_none() -> None:
    for text in ORDINARY:
        assert tokens_in(text) == frozenset()
        assert not looks_secret("PLAIN", text), text
        assert Redactor(secret_values({"PLAIN": text})).redact(f"a {text} b") == f"a {text} b"


def test_pictures_and_hashes_are_no_tokens() -> None:
    noise = RANDOM.randbytes(300_000)
    lines = "\n".join(
        base64.b64encode(noise[at : at + 57]).decode() for at in range(0, 300_000, 57)
    )
    for text in (base64.b64encode(noise).decode(), lines, noise.hex(), json.dumps(list(noise))):
        assert tokens_in(text) == frozenset()


HEADS = sorted({head for form in TOKEN_FORMS for head in form.heads})


JOINTS = ["", "-", "_", ".", "\n", "a" * 50, "a1Q" * 9, "eyJ", "\\n"]


@pytest.mark.parametrize("joint", JOINTS)
def test_no_text_takes_long(joint: str) -> None:
    """Heads, over and over, others for each joint: what begins a token and goes on for ever."""
    for text in (
        joint.join(HEADS * 60),
        *(
            (head + joint) * (40_000 // len(head + joint))
            for head in HEADS[JOINTS.index(joint) :: 21]
        ),
        *(f"{begin}{joint}" * 5_000 for begin in ("eyJ", "ghs_", "ghs_1_eyJ", ".eyJaaaaaaaaaaa")),
        f"-----BEGIN PRIVATE KEY-----{joint}" * 1_500,
    ):
        begun = time.process_time()
        tokens_in(text)
        assert time.process_time() - begun < 1, text[:100]


def test_a_secret_is_what_comes_after_the_part_that_everybody_knows() -> None:
    body = drawn(40)
    for head in ("sk-ant-api03-", "ghp_", "github_pat_", "glpat-", "sk-proj-", "hf_", "Bearer "):
        assert secret_part(f"{head}{body}") == body
    app = f"ghs_12345_eyJ{drawn(30)}.eyJ{drawn(60)}.{drawn(43)}"
    assert secret_part(app) == app.partition(".")[2]
    assert list(pieces(f"AccountKey={body}")) == [body]
    assert secret_part("correct-horse") == "correct-horse"
