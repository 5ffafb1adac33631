# The action's image: our command line in an environment of its own, so that a setup command may
# install whatever it likes into the system's Python. Nothing is fetched when it starts.
#
#   docker build .                  the default, small
#   docker build --target gpu .     with PyTorch for CUDA, for measured code

FROM python:3.13.15-slim-trixie@sha256:7c61056e61ac89e852de05f3dc6fa51a6dd2181797bceed46aa725dd7cb2cd3b AS base

# For the NVIDIA runtime, where the runner has one: which GPUs, and the parts of the driver.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PIP_ROOT_USER_ACTION=ignore

RUN apt-get update \
    && apt-get install --yes --no-install-recommends git \
    && rm -rf /var/lib/apt/lists/*

COPY requirements.lock /src/
RUN python -m venv /opt/autoresearch-ci \
    && /opt/autoresearch-ci/bin/python -m pip install --require-hashes --requirement /src/requirements.lock

COPY pyproject.toml README.md LICENSE /src/
COPY autoresearch_ci /src/autoresearch_ci
RUN /opt/autoresearch-ci/bin/python -m pip install --no-deps --no-build-isolation /src \
    && ln -s /opt/autoresearch-ci/bin/autoresearch-ci* /usr/local/bin/ \
    && rm -r /src

# Exec form: a shell in between would swallow the signals of a cancelled job. Root, as GitHub asks
# of container actions; measured code runs as Debian's user nobody.
ENTRYPOINT ["autoresearch-ci-job"]

FROM base AS gpu
RUN python -m pip install torch==2.13.0 numpy==2.4.6 tokenizers==0.23.3

# The last target is what the runner builds.
FROM base AS slim
