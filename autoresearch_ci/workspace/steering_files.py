"""Which files steer how code is built, tested, started or judged: one table, by tool.

Whether a path is in scope at all is scope.py's business, which opens these only one by one. The
names are those that each tool's documentation gives for files that it finds by itself; a file that
a command names is the ruler's anyway.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

# In lower case, at any depth. `*` stands for any part of a name, `name/` for all that lies in such
# a folder, `folder/name` for a name in that folder only.
_TABLE = {
    # --- Python -----------------------------------------------------------------------------------
    "Python's start-up": """
        sitecustomize.py usercustomize.py *.pth *.egg-link pyvenv.cfg .pdbrc""",
    "Python's compiled code": "*.pyc *.pyo __pycache__/",
    "Python's installed packages": """
        *.dist-info/ *.egg-info/ site-packages/ dist-packages/ __pypackages__/ .venv/ venv/ .tox/
        .nox/""",
    # Packages that pytest and unittest import before the tests in them.
    "pytest": """
        conftest.py pytest.ini .pytest.ini pytest.toml .pytest.toml tests/__init__.py
        test/__init__.py""",
    "tox and nox": "tox.ini tox.toml noxfile.py",
    "coverage": ".coveragerc .coveragerc.*",
    "Python's builds": """
        pyproject.toml setup.cfg setup.py manifest.in hatch.toml hatch_build.py pdm.toml pixi.toml
        .pydistutils.cfg pip.conf poetry.toml uv.toml environment.yml environment.yaml conda.yml
        conda.yaml .condarc""",
    "Python's dependencies": """
        requirements*.txt requirements*.in constraints*.txt uv.lock poetry.lock pdm.lock
        pylock*.toml pixi.lock conda-lock.yml pipfile pipfile.lock""",
    "Python's linters and type checkers": """
        mypy.ini .mypy.ini ruff.toml .ruff.toml .flake8 .pylintrc pylintrc .pylintrc.toml
        pylintrc.toml .pycodestyle .pydocstyle .pydocstyle.* .isort.cfg .style.yapf .yapfignore
        .bandit pyrightconfig.json pyrefly.toml ty.toml .pyre_configuration .importlinter""",
    "Python's task runners and benchmarks": "dodo.py fabfile.py asv.conf.json asv.conf.jsonc",
    # --- JavaScript -------------------------------------------------------------------------------
    "node's packages": """
        package.json package-lock.json npm-shrinkwrap.json node_modules/ .npmrc bower.json""",
    "yarn, pnpm, bun and deno": """
        .yarnrc .yarnrc.yml yarn.lock .yarn/ .pnp.cjs .pnp.js .pnp.loader.mjs .pnpmfile.cjs
        .pnpmfile.mjs pnpmfile.js pnpm-lock.yaml pnpm-workspace.yaml bunfig.toml bun.lock bun.lockb
        deno.json deno.jsonc deno.lock import_map.json""",
    "JavaScript's tests": """
        jest.config.* jest.setup.* jest.preset.* jest-*.config.* __mocks__/ vitest.config.*
        vitest.workspace.* vitest.projects.* vitest.setup.* .mocharc* mocha.opts ava.config.*
        karma.conf.* jasmine.json playwright.config.* playwright-ct.config.* cypress.config.*
        cypress.json cypress.env.json wdio.conf.* nightwatch.conf.* testcafe.config.*
        .testcaferc.* .taprc .nycrc* nyc.config.* .c8rc* c8.config.* web-test-runner.config.*
        stryker.conf.* stryker.config.* .size-limit.* .lighthouserc* lighthouserc.* detox.config.*
        .detoxrc*""",
    "JavaScript's builds": """
        tsconfig.json tsconfig.*.json tsconfig-*.json jsconfig.json jsconfig.*.json vite.config.*
        webpack.config.* webpack.*.js webpack.*.ts webpackfile.* rspack.config.* rsbuild.config.*
        rolldown.config.* rollup.config.* esbuild.config.* tsup.config.* tsdown.config.*
        unbuild.config.* build.config.* babel.config.* .babelrc* .swcrc swc.config.* .parcelrc
        .terserrc* metro.config.* postcss.config.* .postcssrc* .browserslistrc turbo.json
        turbo.jsonc nx.json project.json lerna.json rush.json wireit.json gulpfile.* gruntfile.*
        jakefile* next.config.* nuxt.config.* svelte.config.* astro.config.* angular.json
        vue.config.* nodemon.json nest-cli.json craco.config.* snowpack.config.*""",
    "JavaScript's linters": """
        eslint.config.* .eslintrc* .eslintignore .oxlintrc.json biome.json biome.jsonc .jshintrc
        .jshintignore tslint.json .stylelintrc* stylelint.config.* .stylelintignore .prettierrc*
        prettier.config.* .prettierignore xo.config.* .xo-config* dprint.json .dprint.json
        knip.*""",
    # --- Builds -----------------------------------------------------------------------------------
    "make": "makefile gnumakefile bsdmakefile makefile.* *.mk *.mak",
    "CMake": "cmakelists.txt *.cmake cmakepresets.json cmakeuserpresets.json cmakecache.txt",
    "autotools, Meson, ninja and others": """
        configure configure.ac configure.in acinclude.m4 aclocal.m4 config.site build.ninja
        meson.build meson.options meson_options.txt sconstruct sconscript wscript xmake.lua
        premake5.lua tup.config tupfile tuprules.tup conanfile.* conan.lock vcpkg.json
        vcpkg-configuration.json""",
    "Bazel and its kin": """
        build build.bazel workspace workspace.bazel workspace.bzlmod module.bazel module.bazel.lock
        repo.bazel vendor.bazel .bazelrc user.bazelrc .bazelversion .bazeliskrc .bazelignore *.bzl
        buck .buckconfig .buckconfig.* .buckroot pants.toml pants.*.toml .pants.rc .plzconfig
        .plzconfig.*""",
    "gcc and clang": """
        *.gch *.pch *.modulemap .clang-tidy .clang-format .clangd compile_flags.txt
        compile_commands.json .gdbinit .lldbinit""",
    "task runners": """
        justfile .justfile *.just taskfile.yml taskfile.yaml taskfile.dist.yml taskfile.dist.yaml
        .taskrc.yml .taskrc.yaml rakefile rakefile.rb *.rake thorfile magefile.go earthfile
        tiltfile procfile procfile.* dartconfiguration.tcl""",
    # --- Rust, Go ---------------------------------------------------------------------------------
    "cargo": """
        cargo.toml cargo.lock .cargo/ build.rs rust-toolchain rust-toolchain.toml clippy.toml
        .clippy.toml rustfmt.toml .rustfmt.toml tarpaulin.toml .tarpaulin.toml cross.toml
        nextest.toml insta.yaml deny.toml""",
    "Go": """
        go.mod go.sum go.work go.work.sum vendor/modules.txt .golangci.yml .golangci.yaml
        .golangci.toml .golangci.json default.pgo .goreleaser.*""",
    # --- The JVM, .NET ----------------------------------------------------------------------------
    "Maven": "pom.xml .mvn/ mvnw mvnw.cmd .mavenrc",
    "Gradle": """
        build.gradle build.gradle.* settings.gradle settings.gradle.* *.gradle *.gradle.kts
        init.gradle.* gradle.properties gradlew gradlew.bat gradle.lockfile buildsrc/
        gradle-wrapper.* gradle-daemon-jvm.properties *.versions.toml verification-metadata.xml
        local.properties""",
    "Scala, Clojure, Ant and others": """
        *.sbt project/build.properties project/plugins.sbt .sbtopts .jvmopts .scalafmt.conf
        .scalafix.conf build.sc build.mill project.scala project.clj deps.edn bb.edn shadow-cljs.edn
        build.boot build.xml ivy.xml""",
    "the JVM's tests": """
        junit-platform.properties testng.xml allure.properties spockconfig.groovy meta-inf/
        lombok.config spring.factories log4j2*.xml logback*.xml""",
    "the JVM's linters": """
        checkstyle*.xml pmd*.xml spotbugs*.xml findbugs*.xml detekt*.yml detekt*.yaml
        lint.xml""",
    ".NET": """
        *.csproj *.fsproj *.vbproj *.vcxproj *.proj *.sln *.slnx *.slnf *.props *.targets *.rsp
        *.ruleset *.runsettings *.testsettings global.json nuget.config packages.config
        packages.lock.json paket.dependencies paket.lock xunit.runner.json testconfig.json
        *.globalconfig coverlet.*""",
    # --- Ruby, PHP and other languages ------------------------------------------------------------
    "Ruby": """
        gemfile gemfile.lock gems.rb gems.locked *.gemspec .bundle/ .rspec .rspec-local
        spec_helper.rb rails_helper.rb test_helper.rb .rubocop.yml .rubocop_todo.yml .irbrc .rbenv-*
        .simplecov steepfile sorbet/config""",
    "PHP": """
        phpunit.xml phpunit.xml.dist phpunit.dist.xml pest.php composer.json composer.lock .user.ini
        php.ini phpbench.json phpbench.json.dist phpstan.neon phpstan.neon.dist phpstan.dist.neon
        psalm.xml psalm.xml.dist infection.json* infection.json5* .php-cs-fixer.php
        .php-cs-fixer.dist.php rector.php phpcs.xml phpcs.xml.dist .htaccess behat.yml
        codeception.yml""",
    "Elixir and Erlang": """
        mix.exs mix.lock .formatter.exs .credo.exs .dialyzer_ignore.exs test_helper.exs rebar.config
        rebar.config.script rebar.lock .iex.exs erlang.mk""",
    "Swift, Dart and Objective-C": """
        package.swift package.resolved package@swift-* .swiftlint.yml .swiftformat podfile
        podfile.lock cartfile *.xcconfig *.xctestplan *.pbxproj *.xcscheme pubspec.yaml
        pubspec.lock pubspec_overrides.yaml dart_test.yaml analysis_options.yaml
        flutter_test_config.dart
        build.yaml""",
    "Haskell, OCaml and others": """
        *.cabal cabal.project cabal.project.* stack.yaml stack.yaml.lock package.yaml .ghci
        .hlint.yaml dune dune-project dune-workspace *.opam build.zig build.zig.zon *.nimble nim.cfg
        config.nims shard.yml shard.lock dub.json dub.sdl dub.selections.json v.mod gleam.toml
        elm.json spago.yaml lakefile.lean lakefile.toml lean-toolchain""",
    "R and Julia": """
        .rprofile rprofile.site .renviron renv.lock renv/activate.r project.toml manifest.toml
        manifest-v*.toml juliaproject.toml juliamanifest*.toml localpreferences.toml
        julialocalpreferences.toml""",
    "Lua and Perl": """
        .luarc.json .luacheckrc .busted *.rockspec .luacov .proverc .perlcriticrc .perltidyrc
        makefile.pl build.pl cpanfile cpanfile.snapshot dist.ini""",
    # --- Tool chains, environments, containers ----------------------------------------------------
    "downloads": ".netrc .curlrc .wgetrc",
    "environment variables": ".env .env.* .envrc .flaskenv .direnv/",
    "the choice of tools": """
        .python-version .python-versions .node-version .nvmrc .ruby-version .ruby-gemset
        .java-version .go-version .php-version .perl-version .crystal-version .exenv-version
        .terraform-version .swift-version .sdkmanrc .jvmrc .tool-versions .prototools mise.toml
        .mise.toml mise.*.toml .mise.*.toml mise/config.toml .mise/ mise-tasks/ .mise-tasks/
        mise.lock .config/ flake.nix flake.lock default.nix shell.nix devbox.json devbox.lock
        devenv.nix devenv.yaml aqua.yaml .aqua.yaml guix.scm manifest.scm brewfile""",
    "containers": """
        dockerfile dockerfile.* *.dockerfile containerfile containerfile.* .dockerignore
        docker-compose*.yml docker-compose*.yaml compose*.yml compose*.yaml docker-bake.*
        vagrantfile .devcontainer/ devcontainer.json .devcontainer.json apptainer.def""",
    # --- Pipelines, hooks, editors, agents --------------------------------------------------------
    "pipelines": """
        .gitlab-ci.yml .gitlab/ .travis.yml azure-pipelines*.yml jenkinsfile jenkinsfile.*
        bitbucket-pipelines.yml .circleci/ .buildkite/ .drone.yml .drone.star .woodpecker.yml
        .woodpecker/ .cirrus.yml .cirrus.star appveyor.yml .appveyor.yml .semaphore/ .teamcity/
        .forgejo/ .gitea/ cloudbuild.yaml buildspec.yml action.yml action.yaml codeowners
        renovate.json renovate.json5 .renovaterc* sonar-project.properties""",
    "hooks": """
        .pre-commit-config.yaml .pre-commit-config.yml .pre-commit-hooks.yaml prek.toml .husky/
        .huskyrc* lefthook*.yml .lefthook*.yml lefthook*.toml .lefthook/ .overcommit.yml
        .lintstagedrc* lint-staged.config.* .commitlintrc* commitlint.config.* .githooks/
        .git-hooks/ .gitconfig .gitleaks.toml .secrets.baseline""",
    "editors": ".editorconfig .vscode/ .idea/ .zed/ .fleet/ *.code-workspace .vimrc .exrc",
    "agents": """
        claude.md claude.local.md .claude/ .claude.json agents.md agents.override.md agent.md
        gemini.md .gemini/ .codex/ .cursor/ .cursorrules .cursorignore .windsurf/ .windsurfrules
        .clinerules .clinerules/ .roo/ .roorules .kiro/ .junie/ .continue/ .amazonq/ .augment/
        .aider* .goosehints .opencode/ opencode.json opencode.jsonc .crush.json crush.json
        copilot-instructions.md .mcp.json mcp.json .rules qwen.md .qwen/ .trae/ warp.md""",
    "scanners": """
        .semgrep.yml .semgrep.yaml .semgrep/ .semgrepignore .trivyignore trivy.yaml .snyk
        .yamllint .yamllint.yml .yamllint.yaml .markdownlint* .markdownlint-cli2.* .shellcheckrc
        .hadolint.yaml .hadolint.yml .ls-lint.yml .typos.toml typos.toml _typos.toml cspell.json
        .cspell.json .codespellrc .sqlfluff .tflint.hcl .vale.ini""",
}
STEERING_FILES = {tool: tuple(names.split()) for tool, names in _TABLE.items()}
"""The table: by tool, what it finds by itself."""


def steered_tool(parts: Sequence[str]) -> str:
    """Which tool a file steers, by the parts of its path in lower case; empty: none that we know.

    `parts` are compared as `_key` of scope.py makes them, so no spelling gets past the table.
    """
    name = parts[-1]
    if name in _NAMES:
        return _NAMES[name]
    for folder in parts[:-1]:
        if folder in _FOLDERS:
            return _FOLDERS[folder]
        if "-info" in folder and (match := _FOLDER_PATTERN.fullmatch(folder)):
            return _tool_of(match)
    if len(parts) > 1 and (tool := _IN_FOLDER.get(f"{parts[-2]}/{name}")):
        return tool
    match = _PATTERN.fullmatch(name)
    return _tool_of(match) if match else ""


def _entries() -> Iterator[tuple[str, str]]:
    for tool, names in STEERING_FILES.items():
        yield from ((name, tool) for name in names)


def _pattern(patterns: dict[str, str]) -> re.Pattern[str]:
    """One expression with a group for each tool."""
    by_tool: dict[str, list[str]] = {}
    for pattern, tool in patterns.items():
        by_tool.setdefault(tool, []).append(re.escape(pattern).replace(r"\*", ".*"))
    groups = (f"(?P<t{_TOOLS.index(tool)}>{'|'.join(found)})" for tool, found in by_tool.items())
    return re.compile("|".join(groups), re.DOTALL)


def _tool_of(match: re.Match[str]) -> str:
    return _TOOLS[int((match.lastgroup or "t0").removeprefix("t"))]


_TOOLS = tuple(STEERING_FILES)
_FOLDERS = {n[:-1]: tool for n, tool in _entries() if n.endswith("/") and "*" not in n}
_FOLDER_PATTERN = _pattern({n[:-1]: tool for n, tool in _entries() if n.endswith("/") and "*" in n})
_IN_FOLDER = {n: tool for n, tool in _entries() if "/" in n[:-1] and "*" not in n}
_NAMES = {n: tool for n, tool in _entries() if "/" not in n and "*" not in n}
_PATTERN = _pattern({n: tool for n, tool in _entries() if "/" not in n and "*" in n})
