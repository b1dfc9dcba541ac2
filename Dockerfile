# The worker. Built in two stages: what installs and checks stays behind, what runs is copied.

# for builds that can be repeated: --build-arg BASE=python:3.11-slim-bookworm@sha256:...
ARG BASE=python:3.11-slim-bookworm

FROM ${BASE} AS build
WORKDIR /build
RUN python -m venv /opt/nearview
# while it is installed, amazon_kclpy downloads its jars from Maven Central; they are checked below
COPY requirements/worker.lock requirements/
RUN /opt/nearview/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes -r requirements/worker.lock
COPY setup.cfg pyproject.toml LICENSE NOTICE README.m[d] ./
COPY contract contract
COPY worker worker
RUN /opt/nearview/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps . \
    && cd / \
    && /opt/nearview/bin/python -m worker.supervisor.jars \
    && /opt/nearview/bin/pip uninstall --yes --quiet pip setuptools
# botocore describes some 400 services: those that are called, and what credentials may come from, are kept
RUN cd /opt/nearview/lib/python3.11/site-packages/botocore/data \
    && find . -mindepth 1 -maxdepth 1 -type d ! -name dynamodb ! -name kinesis ! -name kms ! -name secretsmanager ! -name sts ! -name 'sso*' \
         -exec rm -rf {} + \
    && /opt/nearview/bin/python -m compileall -q /opt/nearview/lib

FROM ${BASE}
RUN apt-get update \
    && apt-get install --yes --no-install-recommends openjdk-17-jre-headless \
    && apt-get clean \
    && rm -rf /var/lib/apt/lists/* /var/cache/* /var/log/* \
    && useradd --uid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin nearview
COPY --from=build /opt/nearview /opt/nearview
COPY LICENSE NOTICE /usr/share/doc/nearview/
ENV PATH=/opt/nearview/bin:$PATH \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    NEARVIEW_MAPPINGS=/mappings \
    NEARVIEW_HTTP_HOST=0.0.0.0 \
    NEARVIEW_HTTP_PORT=9464
# for the very Java and jars of this image: the daemon starts in half the time
RUN nearview worker archive
USER 10001
# with a read-only root it is the one folder that is written to; a volume mounted there keeps the image's rights (1777)
VOLUME ["/tmp"]
EXPOSE 9464
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['NEARVIEW_HTTP_PORT'] + '/healthz', timeout=4)"]
ENTRYPOINT ["nearview"]
CMD ["worker", "run"]
