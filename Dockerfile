# One image for each service: docker build --target order (or email, analytics, redrive).
ARG RUST_IMAGE=rust:1

# Manifests alone, with empty sources: the next stage is built anew only when a dependency changes.
FROM ${RUST_IMAGE} AS manifests
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY services services
RUN find services -type f ! -name Cargo.toml ! -name '*.rs' -delete \
 && find services -name '*.rs' -exec truncate --size 0 {} + \
 && find services \( -name main.rs -o -name build.rs \) -exec sh -c 'for file; do echo "fn main() { }" > "$file"; done' sh {} +

FROM ${RUST_IMAGE} AS build
WORKDIR /src
ENV CARGO_TERM_COLOR=never
# Writes the list of crates into each program, so that scanners see them.
RUN cargo install cargo-auditable --version 0.7.7 --locked --quiet
# Linked statically: the final image holds nothing else. Packed, the relocations of a program take a tenth of their room. Named, the target
# keeps these flags away from build scripts.
ENV RUSTFLAGS="-C target-feature=+crt-static -C link-arg=-Wl,-z,pack-relative-relocs"
RUN rustc -vV | sed -n 's/^host: //p' > /target
COPY --from=manifests /src ./
RUN cargo build --profile dist --locked --target "$(cat /target)" -p order -p email -p analytics -p redrive
COPY services services
ARG REVISION=
# Their sources are older than what was built from the empty ones.
RUN find services -name '*.rs' -exec touch {} + \
 && WARREN_REVISION="$REVISION" cargo auditable build --profile dist --locked --target "$(cat /target)" -p order -p email -p analytics -p redrive \
 && mkdir /out && for service in order email analytics redrive; do cp "target/$(cat /target)/dist/$service" /out/; done

FROM scratch AS runtime
# Buffers of a connection go back to the system when it ends: else glibc keeps them from the second one on, 12 MiB a process.
ENV MALLOC_MMAP_THRESHOLD_=1048576
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
USER 65532:65532
ARG VERSION=0.1.0
ARG REVISION=
ARG SOURCE=
LABEL org.opencontainers.image.version=$VERSION \
      org.opencontainers.image.revision=$REVISION \
      org.opencontainers.image.source=$SOURCE \
      org.opencontainers.image.licenses=MIT

FROM runtime AS order
LABEL org.opencontainers.image.title=warren-order \
      org.opencontainers.image.description="Takes orders over HTTP and publishes them as confirmed events"
COPY --from=build /out/order /order
EXPOSE 8080 9090
ENTRYPOINT ["/order"]

FROM runtime AS email
LABEL org.opencontainers.image.title=warren-email \
      org.opencontainers.image.description="Mails what was ordered"
COPY --from=build /out/email /email
EXPOSE 9090
ENTRYPOINT ["/email"]

FROM runtime AS analytics
LABEL org.opencontainers.image.title=warren-analytics \
      org.opencontainers.image.description="Counts orders and revenue"
COPY --from=build /out/analytics /analytics
EXPOSE 9090
ENTRYPOINT ["/analytics"]

FROM runtime AS redrive
LABEL org.opencontainers.image.title=warren-redrive \
      org.opencontainers.image.description="Moves dead letters back to their queue"
COPY --from=build /out/redrive /redrive
ENTRYPOINT ["/redrive"]
