"""Files that a checkout has in another form than the commit, or that a clone lacks."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest

from autoresearch_ci.cli.main import run_cli
from tests.conftest import Repo

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Run, Script

CONTENT = b"\0" * 51200
POINTER = (
    "version https://git-lfs.github.com/spec/v1\n"
    f"oid sha256:{hashlib.sha256(CONTENT).hexdigest()}\nsize {len(CONTENT)}\n"
)
SIZE = "expr $(stat -c %s data/m.bin) + $(cat value)"


@pytest.fixture
def large(repo: Repo, script: Script) -> Repo:
    """A file in Git LFS, as `git lfs install --local` and `git lfs pull` leave it."""
    repo.write(".gitattributes", "data/*.bin filter=lfs diff=lfs merge=lfs -text\n")
    repo.write("data/m.bin", POINTER)
    repo.commit("a pointer")
    smudge = f"head -c {len(CONTENT)} /dev/zero"
    for key, value in (("clean", f"printf '{POINTER}'"), ("smudge", smudge), ("required", "true")):
        repo.git("config", f"filter.lfs.{key}", value.replace("\n", "\\n"))
    (repo.path / "data/m.bin").unlink()
    repo.git("checkout", "--", "data")
    assert (repo.path / "data/m.bin").read_bytes() == CONTENT
    script({"description": "nine", "files": {"value": "9\n"}})
    return repo


def test_the_content_of_a_pointer_is_measured(large: Repo, run: Run) -> None:
    """Also when a measurement has damaged it; and the checkout is not called dirty."""
    done = run(metric=f"{SIZE}; echo > data/m.bin")
    assert done.column("metric") == ["51210", "51209"], done.told
    assert "uncommitted changes" not in done.told


def test_no_candidate_puts_content_in_the_place_of_a_pointer(
    large: Repo, run: Run, script: Script
) -> None:
    """Nor beside it: a new file of that filter would be committed as it is."""
    script(
        {"description": "less data", "files": {"data/m.bin": "1\n"}},
        {"description": "more data", "files": {"data/n.bin": "1\n"}},
        {"description": "a list", "files": {"data/list": "1\n"}},
    )
    done = run("--scope", "data/", "value", metric="find . -type f -size +9 | wc -l")
    assert done.column("status")[1:] == ["discard"] * 3, done.told
    assert "out-of-scope: data/m.bin (frozen)" in done.column("reason")[1]
    assert "out-of-scope: data/n.bin (git's filter lfs makes it" in done.column("reason")[2]
    assert "out-of-scope" not in done.column("reason")[3]


def test_a_scope_of_nothing_but_pointers_is_refused_before_anything_is_paid(
    large: Repo, run: Run
) -> None:
    done = run(scope="data/", metric="find . -type f -size +9 | wc -l")
    assert done.code == 2, done.told
    assert "matches only what a filter such as Git LFS makes" in done.err


def test_content_comes_from_the_lfs_store_when_the_checkout_has_the_pointer(
    large: Repo, run: Run
) -> None:
    oid = hashlib.sha256(CONTENT).hexdigest()
    large.write("data/m.bin", POINTER)
    large.write(f".git/lfs/objects/{oid[:2]}/{oid[2:4]}/{oid}", CONTENT)
    done = run(metric=SIZE)
    assert done.column("metric") == ["51210", "51209"], done.told


@pytest.mark.parametrize("there", [POINTER, "something else", None])
def test_a_pointer_without_content_is_refused_with_the_cure(
    large: Repo, run: Run, there: str | None
) -> None:
    (large.path / "data/m.bin").unlink()
    if there is not None:
        large.write("data/m.bin", there)
    done = run(metric=SIZE)
    assert done.code == 3, done.told
    assert "data/m.bin" in done.err
    assert "git lfs pull" in done.err
    assert "lfs: true" in done.err


def test_a_pointer_is_none_the_less_where_its_filter_is_switched_off(large: Repo, run: Run) -> None:
    large.git("config", "filter.lfs.smudge", "cat")
    (large.path / "data/m.bin").unlink()
    large.git("checkout", "--", "data")
    done = run(metric=SIZE)
    assert done.code == 3, done.told
    assert "the content of data/m.bin is not here" in done.err


def test_what_another_filter_made_is_measured(repo: Repo, run: Run, script: Script) -> None:
    """An encrypted file, say: the checkout has it in the clear, and no driver of ours runs."""
    repo.write(".gitattributes", "secret filter=crypt\n")
    for key in ("clean", "smudge"):
        repo.git("config", f"filter.crypt.{key}", "tr 0-9 5-90-4")
    repo.write("secret", "12\n")
    repo.commit("encrypted")
    assert repo.show("HEAD", "secret") == b"67\n"
    script({"description": "nine", "files": {"value": "9\n"}})
    done = run(metric="expr $(cat secret) + $(cat value)")
    assert done.column("metric") == ["22", "21"], done.told
    assert "uncommitted changes" not in done.told
    repo.write("secret", "123\n")
    done = run(tag="u", metric="expr $(cat secret) + $(cat value)")
    assert done.column("metric") == ["77", "76"], done.told
    assert "uncommitted changes" in done.told


@pytest.mark.parametrize("rules", [".gitattributes", ".git/info/attributes"])
def test_what_a_filter_only_cleans_is_as_committed_and_may_be_edited(
    repo: Repo, run: Run, script: Script, rules: str
) -> None:
    """As nbstripout does with notebooks: a new checkout has what is committed."""
    (repo.path / ".git/info").mkdir(exist_ok=True)
    repo.write(rules, "book filter=strip\n")
    repo.git("config", "filter.strip.clean", "grep -v output")
    repo.git("config", "filter.strip.smudge", "cat")
    repo.write("book", "3\noutput\n")
    repo.commit("a notebook")
    assert repo.show("HEAD", "book") == b"3\n"
    script({"description": "two", "files": {"book": "2\n"}})
    done = run(scope="book", metric="cat bo*")
    assert done.column("metric") == ["3", "2"], done.told
    assert "uncommitted changes" not in done.told


def test_what_git_annex_keeps_is_measured_or_refused(repo: Repo, run: Run, script: Script) -> None:
    """Its rule stands in the clone's own attributes alone."""
    pointer = "/annex/objects/SHA256E-s51200--0123.bin"
    repo.write("data/m.bin", f"{pointer}\n")
    repo.commit("annexed")
    repo.write(".git/info/attributes", "* filter=annex\n")
    script({"description": "nine", "files": {"value": "9\n"}})
    done = run(metric=SIZE)
    assert done.code == 3, done.told
    assert "git annex get" in done.err
    repo.write("data/m.bin", CONTENT)
    repo.git("-c", f"filter.annex.clean=sed -n '$c {pointer}'", "add", "data")
    done = run(tag="u", metric=SIZE)
    assert done.column("metric") == ["51210", "51209"], done.told
    assert "uncommitted changes" not in done.told


def test_a_changed_file_beside_a_filtered_one_is_told(large: Repo, run: Run) -> None:
    large.write("other", "changed\n")
    assert "uncommitted changes" in run(metric=SIZE).told


def test_submodules_of_submodules_are_there(
    repo: Repo, run: Run, script: Script, tmp_path: Path, first_commit: Path
) -> None:
    inner, outer = Repo(tmp_path / "inner"), Repo(tmp_path / "outer")
    for one in (inner, outer):
        one.path.mkdir()
        one.git("init", "--quiet", "--initial-branch=main")
    inner.write("deep", "5\n")
    inner.commit()
    outer.write("file", "x\n")
    outer.git("submodule", "--quiet", "add", str(inner.path), "below")
    outer.commit()
    repo.git("submodule", "--quiet", "add", str(outer.path), "lib")
    repo.commit("submodules")
    metric = "expr $(cat value) + $(cat lib/below/deep)"
    script({"description": "nine", "files": {"value": "9\n"}})
    done = run(metric="cat value")
    assert "lib/below is not checked out" in done.told
    repo.git("submodule", "--quiet", "update", "--init", "--recursive")
    done = run(tag="u", metric=f"{metric}; echo > lib/below/deep")
    assert done.column("metric") == ["15", "14"], done.told


@pytest.mark.parametrize("where", ["checkout", "store", "nowhere"])
def test_a_pointer_in_a_submodule_of_a_submodule_is_its_content_or_refused(
    repo: Repo, run: Run, script: Script, tmp_path: Path, where: str
) -> None:
    inner, outer = Repo(tmp_path / "inner"), Repo(tmp_path / "outer")
    for one in (inner, outer):
        one.path.mkdir()
        one.git("init", "--quiet", "--initial-branch=main")
    inner.write(".gitattributes", "*.bin filter=lfs diff=lfs merge=lfs -text\n")
    inner.write("m.bin", POINTER, mode=0o755)
    inner.commit()
    outer.git("submodule", "--quiet", "add", str(inner.path), "below")
    outer.commit()
    repo.git("submodule", "--quiet", "add", str(outer.path), "lib")
    repo.commit("submodules")
    repo.git("submodule", "--quiet", "update", "--init", "--recursive")
    if where == "checkout":
        repo.write("lib/below/m.bin", CONTENT)
    if where == "store":
        oid = hashlib.sha256(CONTENT).hexdigest()
        store = ".git/modules/lib/modules/below/lfs/objects"
        repo.write(f"{store}/{oid[:2]}/{oid[2:4]}/{oid}", CONTENT)
    script({"description": "nine", "files": {"value": "9\n"}})
    size = "expr $(stat -c %s lib/below/m.bin) + $(cat value) + $(stat -c %a lib/below/m.bin)"
    done = run(metric=f"{size}; echo > lib/below/m.bin; git status > /dev/null")
    if where == "nowhere":
        assert done.code == 3, done.told
        assert "the content of lib/below/m.bin is not here" in done.err
        assert "git submodule foreach --recursive git lfs pull" in done.err
    else:
        assert done.column("metric") == ["51965", "51964"], done.told


@pytest.mark.parametrize("sparse", [True, False])
def test_a_partial_clone_is_refused_only_for_what_it_lacks(
    repo: Repo, run: Run, script: Script, tmp_path: Path, sparse: bool
) -> None:
    repo.write("folder/file", "content\n")
    repo.commit("more")
    repo.git("config", "uploadpack.allowFilter", "true")
    clone = tmp_path / "clone"
    flags = ["--sparse"] if sparse else []
    url = f"file://{repo.path}"
    repo.git("clone", "--quiet", "--filter=blob:none", *flags, url, str(clone))
    done = run(metric="cat value", cwd=clone)
    assert done.code == (3 if sparse else 0), done.told
    if sparse:
        assert "folder/file" in done.err
        assert "git fetch --refetch --no-filter" in done.err
        assert "sparse-checkout:" in done.err


def test_a_comparison_leaves_out_what_a_filter_makes(
    large: Repo, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkout has its content of one commit only: the other side would be the pointer."""
    base = large.git("rev-parse", "HEAD")
    larger = b"\1" * 60000
    text = POINTER.replace(hashlib.sha256(CONTENT).hexdigest(), hashlib.sha256(larger).hexdigest())
    large.write("pointer", text.replace("51200", "60000"))
    blob = large.git("hash-object", "-w", "--no-filters", "pointer")
    large.git("update-index", "--cacheinfo", f"100644,{blob},data/m.bin")
    large.git("commit", "--quiet", "-m", "another")
    monkeypatch.chdir(large.path)
    flags = ["--scope", "data/**", "--metric", "cat data/* | wc -c"]
    code = run_cli(["compare", base, "HEAD", *flags])
    told = "".join(capsys.readouterr())
    assert code == 2, told
    assert "data/m.bin" in told
