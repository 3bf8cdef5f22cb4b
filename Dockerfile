# One binary, as nobody in particular; static on an empty base, but for armv7 (a Raspberry Pi with a 32-bit system), where it needs
# glibc. The trees of the final stage are laid out by the same script that .ci/run uses; .ci/run starts the binaries from them in
# an empty root, but has no container engine to build this file.
#
#   docker build -t raingauge .
#   docker build -t raingauge-yace --target yace .                  # in YACE's place: its port, its config path, its flags
#   docker build -t raingauge-stackdriver --target stackdriver_exporter .
#   docker buildx build --platform linux/amd64,linux/arm64,linux/arm/v7 -t raingauge .
#
#   docker run --rm -p 5000:5000 raingauge demo
#   docker run --rm -p 5000:5000 -v $PWD/raingauge.yml:/etc/raingauge/raingauge.yml:ro raingauge
#
# It takes BuildKit (Docker 23 or newer). A release gives what it has built already in the place of the stage `build`
# (--build-context build=FOLDER, docs/releasing.md), so that its images and its archives have the same programs.
# (For buildah; BuildKit knows it here. No defaults, neither here nor below: they would win over what --platform says.)
ARG TARGETARCH
FROM --platform=$BUILDPLATFORM rust:1.95.0-bookworm AS build
# hadolint ignore=DL3008
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
ARG TARGETPLATFORM
RUN case "$TARGETPLATFORM" in \
      linux/amd64*) target=x86_64-unknown-linux-musl ;; \
      linux/arm64*) target=aarch64-unknown-linux-musl ;; \
      linux/arm/v7) target=armv7-unknown-linux-gnueabihf ;; \
      *) echo "raingauge is not built for '$TARGETPLATFORM'" >&2 && exit 1 ;; \
    esac \
 && deploy/image/build.sh "$target" "/image/$TARGETPLATFORM"

# What lies below the tree, for each processor.
FROM scratch AS below-amd64
FROM scratch AS below-arm64
FROM debian:bookworm-slim AS below-arm

# hadolint ignore=DL3006
FROM below-$TARGETARCH AS base
ARG TARGETPLATFORM
LABEL org.opencontainers.image.title="raingauge" \
      org.opencontainers.image.description="Cloud metrics into Prometheus, with bounded cost" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/raingauge/raingauge" \
      org.opencontainers.image.documentation="https://github.com/raingauge/raingauge/tree/main/docs"
COPY --from=build /image/$TARGETPLATFORM/ /
ENV PATH=/bin
USER 65534:65534

# In YACE's place: a manifest with arguments only goes on working.
FROM base AS yace
EXPOSE 5000
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/bin/raingauge", "healthcheck"]
ENTRYPOINT ["/bin/yace"]
CMD ["--config.file=/tmp/config.yml"]

# In stackdriver_exporter's place.
FROM base AS stackdriver_exporter
EXPOSE 9255
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/bin/raingauge", "healthcheck"]
ENTRYPOINT ["/bin/stackdriver_exporter"]

FROM base AS raingauge
EXPOSE 5000
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/bin/raingauge", "healthcheck"]
ENTRYPOINT ["/bin/raingauge"]
CMD ["run", "--config", "/etc/raingauge/raingauge.yml"]
