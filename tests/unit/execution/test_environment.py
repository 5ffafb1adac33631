"""What a measured command may see of our environment: the toolchain, and nothing secret."""

from __future__ import annotations

from pathlib import Path

from autoresearch_ci.execution.environment import clean_environment, downloads, of_downloads


def test_the_environment_finds_the_toolchain_and_holds_no_secret(tmp_path: Path) -> None:
    harmless = {
        "PATH": "/opt/bin:/bin",
        "LC_ALL": "C.UTF-8",
        "CUDA_VISIBLE_DEVICES": "1",
        "NVIDIA_VISIBLE_DEVICES": "all",
        "VIRTUAL_ENV": "/venv",
        "PIP_INDEX_URL": "https://mirror.example/simple",
        "JAVA_HOME_17_X64": "/opt/java",
    }
    secret = {
        "ANTHROPIC_API_KEY": "x",
        "GITHUB_TOKEN": "x",
        "GITHUB_OUTPUT": "x",
        "ACTIONS_RUNTIME_URL": "x",
        "RUNNER_TEMP": "x",
        "INPUT_MODEL": "x",
        "UV_PUBLISH_TOKEN": "x",
        "UV_INDEX_CORP_PASSWORD": "x",
        "PIP_EXTRA_INDEX_URL": "https://me:hunter2@corp.example/simple",
        "HTTPS_PROXY": "http://me:hunter2@proxy.example",
        "SSH_AUTH_SOCK": "x",
        "BASH_ENV": "x",
        "LD_PRELOAD": "x",
        "DOCKER_HOST": "x",
    }
    env = clean_environment(
        {"SEED": "7"},
        home=tmp_path / "home",
        tmp=tmp_path / "tmp",
        inherit={**harmless, **secret, "HOME": str(tmp_path), "TMPDIR": "/tmp", "CI": "no"},
    )
    tmp = str(tmp_path / "tmp")
    folders = {"HOME": str(tmp_path / "home"), "TMPDIR": tmp, "TMP": tmp, "TEMP": tmp}
    assert env == {"GIT_CONFIG_NOSYSTEM": "1", **harmless, **folders, "SEED": "7"}


def test_a_toolchain_below_the_users_home_is_found_from_another(tmp_path: Path) -> None:
    for name in (".rustup", ".pyenv", ".nvm", ".local/share/mise", ".conda/envs"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / ".sdkman").touch()
    inherit = {"HOME": str(tmp_path), "NVM_DIR": "/opt/nvm"}
    env = clean_environment({}, home=tmp_path / "h", tmp=tmp_path / "t", inherit=inherit)
    assert env["RUSTUP_HOME"] == str(tmp_path / ".rustup")
    assert env["PYENV_ROOT"] == str(tmp_path / ".pyenv")
    assert env["NVM_DIR"] == "/opt/nvm"
    assert env["MISE_DATA_DIR"] == str(tmp_path / ".local/share/mise")
    assert env["CONDA_ENVS_PATH"] == str(tmp_path / ".conda/envs")
    assert not {"SDKMAN_DIR", "RBENV_ROOT"} & env.keys()


def test_what_package_managers_have_downloaded_is_found_unless_setup_has_its_own(
    tmp_path: Path,
) -> None:
    user, own = tmp_path / "user", tmp_path / "own"
    cargo, go, gradle = ".cargo/registry", "go/pkg/mod/cache", ".gradle/caches/modules-2"
    for name in (cargo, go, gradle, ".m2/repository/org"):
        (user / name).mkdir(parents=True)
    (own / "go/pkg/mod/cache").mkdir(parents=True)
    assert downloads(str(user), own) == {
        "CARGO_HOME": str(user / ".cargo"),
        "GRADLE_RO_DEP_CACHE": str(user / ".gradle/caches"),
        "MAVEN_OPTS": str(user / ".m2/repository"),
    }
    reached = of_downloads(str(user), own, lambda place: place.name == "repository")
    assert reached == {"MAVEN_OPTS": f"-Dmaven.repo.local={user}/.m2/repository"}
    assert downloads(str(own / "nothing"), own) == {}
    assert downloads("", own) == {}
