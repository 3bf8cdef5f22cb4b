# One static binary on an empty base, as nobody in particular. The tree of the final stage is laid out by the same script
# that .ci/run uses; .ci/run starts the binary from it in an empty root, but has no container engine to build this file.
#
#   docker build -t raingauge .
#   docker build -t raingauge-yace --target yace .                  # in YACE's place: its port, its config path, its flags
#   docker build -t raingauge-stackdriver --target stackdriver_exporter .
#   docker buildx build --platform linux/amd64,linux/arm64 -t raingauge .
#
#   docker run --rm -p 5000:5000 raingauge demo
#   docker run --rm -p 5000:5000 -v $PWD/raingauge.yml:/etc/raingauge/raingauge.yml:ro raingauge
FROM --platform=$BUILDPLATFORM rust:1.95-bookworm AS build
ARG TARGETARCH=amd64
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3-venv \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
RUN case "$TARGETARCH" in arm64) arch=aarch64 ;; *) arch=x86_64 ;; esac \
 && deploy/image/build.sh "$arch-unknown-linux-musl" /image

FROM scratch AS base
LABEL org.opencontainers.image.title="raingauge" \
      org.opencontainers.image.description="Cloud metrics into Prometheus, with bounded cost" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.source="https://github.com/raingauge/raingauge"
COPY --from=build /image/ /
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
