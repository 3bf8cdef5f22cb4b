# One binary on a base without shell or package manager, as nobody in particular.
# Not built by .ci/run (that would need a container engine): try it when you change it.
#
#   docker build -t raingauge .
#   docker run --rm -p 5000:5000 raingauge demo
#   docker run --rm -p 5000:5000 -v $PWD/raingauge.yml:/etc/raingauge/raingauge.yml:ro raingauge
#
# The binary is linked with glibc on purpose: musl's own allocator needs more than twice the memory here.
FROM rust:1.95-bookworm AS build
WORKDIR /build
COPY . .
RUN cargo build --locked --release \
 && mkdir /out && cp target/release/raingauge /out/ && ln -s raingauge /out/yace

FROM gcr.io/distroless/cc-debian12:nonroot
# `yace` is the same binary under the name by which it takes YACE's flags.
COPY --from=build /out/ /usr/local/bin/
USER nonroot
EXPOSE 5000
HEALTHCHECK --interval=30s --timeout=5s --start-period=10s CMD ["/usr/local/bin/raingauge", "healthcheck"]
ENTRYPOINT ["/usr/local/bin/raingauge"]
CMD ["run", "--config", "/etc/raingauge/raingauge.yml"]
