# One entry point for every check, the same here and in CI.
#
#   make demo    the loop on examples/demo/, on CPU, without a key: about four minutes
#   make test    lint, types and tests: of what is slow (tests/slow.txt) one variant, unless that is, too
#   make test-all  the same with all tests
#   make docs    docs/ as a site, in site/
#   make torture every kill point, cheat and injection instead of a sample
#
# PyPI's torch wheels for Linux bring CUDA along. For the small CPU build add
#   TORCH_INDEX=https://download.pytorch.org/whl/cpu

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check
TORCH_INDEX ?=
# Tests start the program a thousand times: it is compiled once, even where images say otherwise.
export PYTHONDONTWRITEBYTECODE :=

# Tests wait for disks, pipes and clocks a third of their time.
WORKERS ?= $(shell echo $$(($$(getconf _NPROCESSORS_ONLN) + 2)))
PYTEST = PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -q -n $(WORKERS) --dist worksteal

.PHONY: demo test test-all torture lint types collected unit unit-all shared alone trained slow docs format golden lock clean

demo: $(VENV)/trainer
	PATH="$(CURDIR)/$(BIN):$$PATH" VIRTUAL_ENV="$(CURDIR)/$(VENV)" \
	autoresearch-ci run --config examples/demo/autoresearch.yml

# mypy has one thread; and so have pip, which brings PyTorch meanwhile, and what every worker of the tests would do else.
test test-all: $(VENV)/dev
	$(MAKE) --jobs 2 collected lint types
	$(MAKE) unit$(@:test%=%)

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-logo

types: $(VENV)/dev
	$(BIN)/mypy

# What pytest makes of its files (assertions that say what differs) lies in __pycache__ then.
collected: $(VENV)/dev $(VENV)/trainer
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pytest -qq --collect-only --slow --ignore tests/trainer > /dev/null || true  # the tests say why

# Two kinds beside the others, each in one process. Of tests that wait for nothing, handing eight thousand to workers
# takes more CPU than it saves time. Who imports PyTorch spends seconds on it, and takes three times as long to fork.
ALONE = tests/unit tests/contract
unit unit-all: $(VENV)/dev $(VENV)/trainer
	$(MAKE) --jobs 3 shared alone trained SLOW=$(if $(@:unit=),--slow)

shared:
	$(PYTEST) $(SLOW) $(addprefix --ignore ,$(ALONE) tests/trainer)

alone:
	$(PYTEST) -n 0 $(SLOW) $(ALONE)

trained:
	$(PYTEST) -n 0 $(SLOW) tests/trainer

torture: $(VENV)/dev $(VENV)/trainer
	$(PYTEST) --torture tests/adversarial tests/faults tests/unit/decide/test_gaming.py

slow: $(VENV)/dev $(VENV)/trainer
	$(PYTEST) --slow --ignore tests/trainer --junitxml $(VENV)/most.xml
	$(PYTEST) --slow tests/trainer --junitxml $(VENV)/trainer.xml
	$(BIN)/python -m tests.slow $(VENV)/most.xml $(VENV)/trainer.xml

# docs/ as a site in site/: links that leave docs/ lead to the forge there.
PAGES := $(VENV)/docs/pages
REPOSITORY_URL := $(or $(GITHUB_SERVER_URL),https://github.com)/$(or $(GITHUB_REPOSITORY),OWNER/autoresearch-ci)

docs:
	rm -rf $(VENV)/docs
	$(PYTHON) -m venv $(VENV)/docs
	$(VENV)/docs/bin/pip install --quiet --disable-pip-version-check zensical==0.0.70
	cp -r docs $(PAGES)
	mv $(PAGES)/README.md $(PAGES)/index.md
	sed -i -E 's#\]\(\.\./([^)]*)\)#]($(REPOSITORY_URL)/blob/main/\1)#g' $(PAGES)/*.md
	$(VENV)/docs/bin/zensical build --strict --clean

format: $(VENV)/dev
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

golden: $(VENV)/dev
	$(BIN)/python -m pytest -q tests/contract --update-golden

# One resolution for every Python that we support. uv would keep to the pins of a file that is there already,
# hence the new folder. hatchling builds our own wheel, editables what `pip install -e` needs. The third is what
# Dockerfile.gpu gives measured code: of the trainer, without us. The system's certificates: as pip, and as proxies want it.
LOCK := $(VENV)/lock
COMPILE = $(LOCK)/bin/uv pip compile --quiet --no-config --system-certs --universal --python $(LOCK)/bin/python \
  --python-version 3.11 --generate-hashes --no-annotate --custom-compile-command "make lock"
BUILD = printf 'hatchling\neditables\n'
TRAINER = $(LOCK)/bin/python -c 'import tomllib; project = tomllib.load(open("pyproject.toml", "rb"))["project"]; \
  print(*project["optional-dependencies"]["trainer"], sep="\n")'

lock:
	rm -rf $(LOCK)
	$(PYTHON) -m venv $(LOCK)
	$(LOCK)/bin/pip install --quiet --disable-pip-version-check uv==0.13.9
	$(BUILD) | $(COMPILE) --extra dev pyproject.toml - --output-file $(LOCK)/requirements-dev.lock
	$(BUILD) | $(COMPILE) --extra security --constraint $(LOCK)/requirements-dev.lock pyproject.toml - --output-file $(LOCK)/requirements.lock
	$(TRAINER) | $(COMPILE) - --output-file $(LOCK)/requirements-gpu.lock
	mv $(LOCK)/requirements*.lock .

clean:
	rm -rf $(VENV) trainer/.data

$(BIN)/pip:
	$(PYTHON) -m venv $(VENV) || { \
	  echo "Could not make a virtual environment. On Debian and Ubuntu: apt-get install python3-venv"; \
	  rm -rf $(VENV); exit 1; }

# As in the image: what is locked, then ourselves and nothing else.
$(VENV)/package: $(BIN)/pip pyproject.toml requirements.lock
	$(PIP) --require-hashes -r requirements.lock
	$(PIP) --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/trainer: $(VENV)/package
	$(PIP) --no-build-isolation $(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX)) -e '.[trainer]'
	@touch $@

$(VENV)/dev: $(VENV)/package requirements-dev.lock
	$(PIP) --require-hashes -r requirements-dev.lock
	@touch $@
