"""Any text may stand where a glob is expected, also one that a model made up."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from autoresearch_ci.safety.gitignore_globs import gitignore_spec
from autoresearch_ci.workspace.scope import Scope


@given(st.text(alphabet="[]!^-*?\\/.az{}()|+#\n ", max_size=12) | st.text(max_size=12))
@example("[z-a]")
@example("[[a]")
def test_a_text_is_a_glob_or_a_value_error(text: str) -> None:
    try:
        spec = gitignore_spec([text])
    except ValueError:
        return
    assert spec.match_file("a/b.py") in (True, False)


def test_a_scope_with_such_a_glob_is_refused_in_words() -> None:
    for include in (["[z-a]"], ["**", "![z-a]"]):
        with pytest.raises(ValueError, match=r"\[z-a\].*not a glob"):
            Scope(include=include)
