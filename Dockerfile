# syntax=docker/dockerfile:1
# All images of Fanfare: one target for each program, and `nginx` with the web app. What runs together is in docker-compose.yml,
# how, in docs/docker.md. No image has a key or a password in it, and none runs as root.
#
#   docker build --target websocket-server -t fanfare/websocket-server .
#   docker buildx build --platform linux/amd64,linux/arm64 --target fanfare .
#
# Layers from what changes seldom to what changes often: npm's packages, the web app; Rust's dependencies, our crates. Each platform is
# compiled on itself; only the web app, which is the same everywhere, is built once, on the machine that builds.

ARG DEBIAN=bookworm
ARG RUST=1.95.0
ARG NODE=22

# ---- the web app, and the scripts of /js/ -----------------------------------------------------------------------------------------
FROM --platform=$BUILDPLATFORM node:${NODE}-${DEBIAN}-slim AS web
WORKDIR /src/web
COPY web/.npmrc web/package.json web/package-lock.json ./
COPY web/packages/compat/package.json packages/compat/
COPY web/packages/events/package.json packages/events/
COPY web/packages/inbox/package.json packages/inbox/
COPY web/packages/react/package.json packages/react/
COPY web/packages/sdk/package.json packages/sdk/
COPY web/packages/server/package.json packages/server/
COPY web/packages/tokens/package.json packages/tokens/
COPY web/apps/paychain/package.json apps/paychain/
RUN --mount=type=cache,target=/root/.npm npm ci --ignore-scripts
COPY web/tsconfig.base.json ./
COPY web/packages packages
COPY web/apps apps
# The address of the events' hub: its own origin, unless another is given.
ARG VITE_WS_URL=
RUN npm run build -w @fanfare/compat && npm run build -w paychain

# ---- what cargo needs to know of our crates to compile the others: their manifests, and empty sources -------------------------------
FROM rust:${RUST}-${DEBIAN} AS manifests
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY crates crates
COPY docker/hollow.sh /usr/local/bin/hollow
RUN ["sh", "/usr/local/bin/hollow", "crates"]

# ---- the programs -----------------------------------------------------------------------------------------------------------------
FROM rust:${RUST}-${DEBIAN} AS build
# The compiler is the image's: rust-toolchain.toml names the same one, and tools that no build needs.
ENV RUSTUP_TOOLCHAIN=${RUST} CARGO_TERM_COLOR=never CARGO_INCREMENTAL=0
WORKDIR /src
# The layer of the dependencies: it is made anew only when a manifest or the lock file has changed.
COPY --from=manifests /src ./
ARG TARGETARCH
RUN --mount=type=cache,id=cargo-registry-${TARGETARCH},target=/usr/local/cargo/registry \
    cargo build --release --locked --workspace --bins
COPY crates crates
COPY web/packages/tokens/tokens.css web/packages/tokens/tokens.css
COPY --from=web /src/web/apps/paychain/dist web/apps/paychain/dist
COPY --from=web /src/web/packages/compat/dist web/packages/compat/dist
# Sources are as old as their commit, and cargo compiles what is younger than the hollow ones.
RUN --mount=type=cache,id=cargo-registry-${TARGETARCH},target=/usr/local/cargo/registry \
    find crates -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --workspace --bins \
    && mkdir /out \
    && find target/release -maxdepth 1 -type f -perm -0100 -exec cp {} /out/ \;

# ---- a machine for the programs: a C library, the authorities' certificates, a user without rights ----------------------------------
FROM debian:${DEBIAN}-slim AS runtime
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
# A directory that a volume takes its owner from.
RUN install -d -o 10001 -g 10001 -m 0700 /var/lib/fanfare
USER 10001:10001
WORKDIR /var/lib/fanfare
ENV HOST=0.0.0.0 LOG_FORMAT=json
STOPSIGNAL SIGTERM

FROM runtime AS websocket-server
COPY --from=build /out/websocket-server /usr/local/bin/
ENV PORT=8000
EXPOSE 8000 5000 8765
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/usr/local/bin/websocket-server", "--healthcheck"]
ENTRYPOINT ["/usr/local/bin/websocket-server"]

FROM runtime AS user-service
COPY --from=build /out/user-service /usr/local/bin/
EXPOSE 8083
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/usr/local/bin/user-service", "--healthcheck"]
ENTRYPOINT ["/usr/local/bin/user-service"]

FROM runtime AS job-service
COPY --from=build /out/job-service /usr/local/bin/
EXPOSE 8081
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/usr/local/bin/job-service", "--healthcheck"]
ENTRYPOINT ["/usr/local/bin/job-service"]

FROM runtime AS payment-service
COPY --from=build /out/payment-service /usr/local/bin/
EXPOSE 8082
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/usr/local/bin/payment-service", "--healthcheck"]
ENTRYPOINT ["/usr/local/bin/payment-service"]

FROM runtime AS notification-service
COPY --from=build /out/notification-service /usr/local/bin/
EXPOSE 8084
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/usr/local/bin/notification-service", "--healthcheck"]
ENTRYPOINT ["/usr/local/bin/notification-service"]

FROM runtime AS chat-service
COPY --from=build /out/chat-service /usr/local/bin/
EXPOSE 8086
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/usr/local/bin/chat-service", "--healthcheck"]
ENTRYPOINT ["/usr/local/bin/chat-service"]

FROM runtime AS pubsub-bridge
COPY --from=build /out/pubsub-bridge /usr/local/bin/
EXPOSE 8087
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/usr/local/bin/pubsub-bridge", "--healthcheck"]
ENTRYPOINT ["/usr/local/bin/pubsub-bridge"]

# ---- a Pub/Sub for trying things out: Google's own in-memory one --------------------------------------------------------------------
FROM --platform=$BUILDPLATFORM golang:1.26-${DEBIAN} AS pstest
WORKDIR /src
COPY crates/test-kit/pstest/go.mod crates/test-kit/pstest/go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY crates/test-kit/pstest/main.go ./
ARG TARGETARCH
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,id=go-build-${TARGETARCH},target=/root/.cache/go-build \
    CGO_ENABLED=0 GOARCH=${TARGETARCH} go build -buildvcs=false -trimpath -o /out/pstest .

FROM debian:${DEBIAN}-slim AS pubsub-emulator
COPY --from=pstest /out/pstest /usr/local/bin/
USER 10001:10001
EXPOSE 8085
# It ends with its standard input, so it is started with one (`docker run -i`).
ENTRYPOINT ["/usr/local/bin/pstest"]
CMD ["-listen", "0.0.0.0:8085"]

# ---- in front: Debian's nginx with the web app, as it is tested -----------------------------------------------------------------------
FROM debian:${DEBIAN}-slim AS nginx
# No version is pinned: it is that of Debian's release, with its security updates.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends nginx \
    && rm -rf /var/lib/apt/lists/* /etc/nginx /var/log/nginx
COPY nginx/ /etc/nginx/
COPY --from=web /src/web/apps/paychain/dist /usr/share/fanfare/app
USER 33:33
EXPOSE 8080 8443 5000 8765
# Its orderly end: open connections go on until they are done.
STOPSIGNAL SIGQUIT
ENTRYPOINT ["/usr/sbin/nginx", "-e", "stderr"]
CMD ["-g", "daemon off;"]

# ---- everything in one process; the last one, so it is what a build without a target makes -------------------------------------------
FROM runtime AS fanfare
COPY --from=build /out/fanfare /usr/local/bin/
ENV FANFARE_DATA=/var/lib/fanfare
EXPOSE 8080 5000 8765
VOLUME /var/lib/fanfare
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s CMD ["/usr/local/bin/fanfare", "up", "--healthcheck"]
ENTRYPOINT ["/usr/local/bin/fanfare"]
CMD ["up"]
