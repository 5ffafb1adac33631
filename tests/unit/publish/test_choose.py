"""Which repository a remote's address names."""

from __future__ import annotations

import pytest

from autoresearch_ci.publish.forge.choose import _slug


@pytest.mark.parametrize(
    ("url", "slug"),
    [
        ("https://github.com/owner/name.git", "owner/name"),
        ("https://github.com/owner/name", "owner/name"),
        ("https://user:secret@ghes.example.org/owner/name/", "owner/name"),
        ("git@github.com:owner/name.git", "owner/name"),
        ("ssh://git@host:2222/group/sub/name.git", "group/sub/name"),
        ("/srv/git/name.git", ""),
        ("", ""),
    ],
)
def test_the_repository_is_read_from_the_remotes_address(url: str, slug: str) -> None:
    assert _slug(url) == slug
