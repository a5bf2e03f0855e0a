# Bascule's service image.
#
#   docker build --build-arg REGISTRY=registry.example.eu/library/ --tag bascule:0.1.0 .
#
# REGISTRY is where the base image comes from, with its trailing slash; empty is the engine's default.
# The digest names the content whichever registry serves it. It is python:3.11-slim-bookworm; to refresh:
#   docker buildx imagetools inspect python:3.11-slim-bookworm
ARG REGISTRY=
ARG PYTHON=python:3.11-slim-bookworm@sha256:a36c24f9cbdf4fd0f52d67f0823eeac19c2028c637cecc392d97f980d4fec56b

FROM ${REGISTRY}${PYTHON} AS build
RUN python -m venv /opt/bascule
COPY requirements.lock /src/
RUN /opt/bascule/bin/pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps \
      --requirement /src/requirements.lock
COPY . /src/
RUN /opt/bascule/bin/pip install --no-cache-dir --disable-pip-version-check --no-deps --no-build-isolation /src

FROM ${REGISTRY}${PYTHON}
# git reads the estate, OpenSSH's client carries Ansible, bubblewrap contains it, gpgv checks package mirrors; all come from the base image's own Debian sources.
RUN apt-get update \
 && apt-get install -y --no-install-recommends bubblewrap git gpgv openssh-client \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --user-group --home-dir /var/lib/bascule --create-home bascule
COPY --from=build /opt/bascule /opt/bascule
ENV PATH=/opt/bascule/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    LANG=C.UTF-8 \
    BASCULE_DATA=/var/lib/bascule
USER 10001:10001
WORKDIR /var/lib/bascule
VOLUME /var/lib/bascule
ENTRYPOINT ["bascule"]
CMD ["serve"]
