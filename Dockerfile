# Two images of one build: `service` runs anywhere, `functions` on Azure Functions. In both, dependencies are those
# of the lock, by hash; nothing runs as root; and nothing is written but under /tmp.
#
# The bases are named by version, not by digest: whoever first builds this with a network pins them, by
# `docker buildx imagetools inspect IMAGE` and `--build-arg PYTHON_IMAGE=IMAGE@sha256:…`.
ARG PYTHON_IMAGE=python:3.11.15-slim-bookworm
ARG FUNCTIONS_IMAGE=mcr.microsoft.com/azure-functions/python:4-python3.11

# What the auditors' pages look like: npm's, by its lock; npm itself comes from a wheel.
FROM ${PYTHON_IMAGE} AS styles
WORKDIR /styles
COPY requirements-npm.txt package.json package-lock.json .npmrc ./
RUN python -m venv /opt/npm \
    && /opt/npm/bin/pip install --no-cache-dir --require-hashes --only-binary :all: --requirement requirements-npm.txt \
    && PATH=/opt/npm/bin:$PATH npm ci --omit=dev

FROM ${PYTHON_IMAGE} AS build
SHELL ["/bin/bash", "-o", "pipefail", "-c"]
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PIP_NO_CACHE_DIR=1 \
    PYTHONDONTWRITEBYTECODE=1
WORKDIR /build
RUN python -m venv /opt/ledger
COPY requirements.txt ./
RUN /opt/ledger/bin/pip install --require-hashes --only-binary :all: --requirement requirements.txt
COPY pyproject.toml README.md LICENCE.md ./
COPY eventstore eventstore
COPY ingest ingest
COPY ledger ledger
COPY migrations migrations
COPY projections projections
COPY query query
# The wheel is built and installed with what the lock has; then whatever only built it goes, pip included.
RUN /opt/ledger/bin/pip wheel --no-deps --no-build-isolation --wheel-dir dist . \
    && /opt/ledger/bin/pip install --no-deps dist/*.whl \
    && /opt/ledger/bin/pip uninstall --yes editables hatchling pathspec pluggy trove-classifiers setuptools pip \
    && python -m compileall -q -j 0 /opt/ledger/lib
COPY --from=styles /styles/node_modules/nhsuk-frontend/dist /opt/ledger/lib/python3.11/site-packages/node_modules/nhsuk-frontend/dist

FROM ${PYTHON_IMAGE} AS service
ENV PATH=/opt/ledger/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
# What checks the database's certificate; DATABASE_URL names it.
RUN test -s /etc/ssl/certs/ca-certificates.crt \
    && useradd --system --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin ledger
COPY --from=build /opt/ledger /opt/ledger
WORKDIR /app
USER 10001:10001
EXPOSE 8000
HEALTHCHECK --interval=15s --timeout=12s --start-period=20s --retries=3 \
    CMD ["status-ledger", "health"]
CMD ["status-ledger", "serve", "--host", "0.0.0.0", "--port", "8000"]

FROM ${FUNCTIONS_IMAGE} AS functions
# Without root no port below 1024; Terraform tells App Service the same port.
ENV ASPNETCORE_URLS=http://+:8080 \
    AzureFunctionsJobHost__Logging__Console__IsEnabled=true \
    AzureWebJobsScriptRoot=/home/site/wwwroot \
    HOME=/tmp \
    PYTHONUNBUFFERED=1
RUN test -s /etc/ssl/certs/ca-certificates.crt \
    && useradd --system --uid 10001 --no-create-home --home-dir /tmp --shell /usr/sbin/nologin ledger
COPY --from=build /opt/ledger/lib/python3.11/site-packages /home/site/wwwroot/.python_packages/lib/site-packages
COPY infra/functions /home/site/wwwroot
USER 10001:10001
EXPOSE 8080
HEALTHCHECK --interval=15s --timeout=12s --start-period=60s --retries=3 \
    CMD ["python3", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8080/api/healthcheck', timeout=10)"]
