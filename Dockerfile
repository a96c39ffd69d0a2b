# Kilnyard's images: `api` and `worker`, from one build. Base images are arguments, so that a mirror or images made on the
# spot (scripts/make-base-images.sh) can stand in for the public ones.
ARG NODE_IMAGE=node:20-bookworm-slim

FROM ${NODE_IMAGE} AS build
WORKDIR /app
ENV PRISMA_SCHEMA_ENGINE_BINARY=/bin/true CHECKPOINT_DISABLE=1
COPY package.json package-lock.json .npmrc ./
RUN npm ci --include=dev --no-progress
COPY tsconfig.json prisma.config.ts ./
COPY prisma prisma
COPY libs libs
COPY apps apps
COPY scripts/copy-assets.mjs scripts/
RUN npx prisma generate && npx tsc -p . && node scripts/copy-assets.mjs && find dist -name '*.spec.*' -delete && npm prune --omit=dev --no-progress

FROM ${NODE_IMAGE} AS program
WORKDIR /app
ENV NODE_ENV=production KILNYARD_HOST=0.0.0.0 MALLOC_ARENA_MAX=2
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/prisma prisma
COPY --from=build /app/dist dist

# Migrations, once, before the others: node --experimental-wasm-modules dist/libs/store/src/migrate.js
FROM program AS api
USER 1000:1000
EXPOSE 3000
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:'+(process.env.KILNYARD_PORT||3000)+'/health').then(r=>process.exit(r.ok?0:1),()=>process.exit(1))"]
CMD ["node", "--enable-source-maps", "--max-semi-space-size=2", "dist/apps/api/src/main.js"]

# The worker speaks to the host's engine and removes what builds (root in their containers) wrote: it runs as root.
FROM program AS worker
RUN command -v git >/dev/null && command -v ssh >/dev/null && command -v iptables >/dev/null && command -v zstd >/dev/null \
  || (apt-get update && apt-get install -y --no-install-recommends ca-certificates git iptables openssh-client zstd && rm -rf /var/lib/apt/lists/*)
STOPSIGNAL SIGTERM
CMD ["node", "--enable-source-maps", "--max-semi-space-size=2", "dist/apps/worker/src/main.js"]
