# The action's image: our command line in an environment of its own, so that a setup command may
# install whatever it likes into the system's Python. Nothing is fetched when it starts.
#
# Dockerfile.gpu is the same with PyTorch for CUDA; a file of its own, because builders without
# BuildKit build every stage of a file, and the runner names no target.

FROM python:3.13.15-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b

# For the NVIDIA runtime, where the runner has one: which GPUs, and the parts of the driver.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore

# Without a version: Debian keeps only the newest, so a pin would stop building with its next fix.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*

COPY requirements.lock /src/
RUN python -m venv /opt/autoresearch-ci \
    && /opt/autoresearch-ci/bin/python -m pip install --require-hashes --requirement /src/requirements.lock

COPY pyproject.toml README.md LICENSE /src/
COPY autoresearch_ci /src/autoresearch_ci
COPY examples/workflows /src/examples/workflows
RUN /opt/autoresearch-ci/bin/python -m pip install --no-deps --no-build-isolation /src \
    && ln -s /opt/autoresearch-ci/bin/autoresearch-ci* /usr/local/bin/ \
    && rm -r /src

# Exec form: a shell in between would swallow the signals of a cancelled job. Root, as GitHub asks
# of container actions; measured code runs as Debian's user nobody.
ENTRYPOINT ["autoresearch-ci-job"]
