# One image for every role: the API (the default), the worker and the migration.
FROM python:3.12-slim AS build
ENV PIP_NO_CACHE_DIR=1 PIP_DISABLE_PIP_VERSION_CHECK=1
RUN python -m venv /opt/goalline
ENV PATH=/opt/goalline/bin:$PATH
WORKDIR /build
# The pinned packages first: this layer is kept until a pin changes.
COPY requirements.txt ./
RUN pip install --require-hashes -r requirements.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
COPY prompts prompts
COPY fixtures fixtures
RUN pip install --no-deps --no-build-isolation .

FROM python:3.12-slim
RUN apt-get update \
    && apt-get install --yes --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --create-home --home-dir /var/lib/goalline goalline
COPY --from=build /opt/goalline /opt/goalline
ENV PATH=/opt/goalline/bin:$PATH PYTHONUNBUFFERED=1
USER goalline
# Without GOALLINE_DATABASE_URL the SQLite file is made here; mount a volume to keep it.
WORKDIR /var/lib/goalline
EXPOSE 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=60s \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
CMD ["goalline", "serve", "--host", "0.0.0.0", "--port", "8000"]
