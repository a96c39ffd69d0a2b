#!/bin/sh
# Makes stand-ins for the public base images of docker-compose.yml on this machine, under the same names, where no image
# registry is in reach: a minimal Debian from this machine's package sources, Debian's Postgres and Redis, this machine's Node.
# As root, on Debian: needs debootstrap, docker and node. Names can be changed: NODE_IMAGE, POSTGRES_IMAGE, REDIS_IMAGE.
set -eu

node_image=${NODE_IMAGE:-node:20-bookworm-slim}
postgres_image=${POSTGRES_IMAGE:-postgres:16}
redis_image=${REDIS_IMAGE:-redis:7}

for program in debootstrap docker node npm; do
  command -v "$program" >/dev/null || { echo "$0: $program is missing" >&2; exit 1; }
done
. /etc/os-release
sources=$(apt-get indextargets --format '$(ORIGIN) $(CREATED_BY) deb $(SITE) $(RELEASE) $(COMPONENT)' |
  sed -n 's/^\(Debian\|Ubuntu\) Packages deb/deb/p' | sort -u)
mirror=$(printf '%s\n' "$sources" | awk -v release="$VERSION_CODENAME" '$3 == release { print $2; exit }')
[ -n "$mirror" ] || { echo "$0: apt knows no package source of $VERSION_CODENAME (apt-get update?)" >&2; exit 1; }

work=$(mktemp -d /var/tmp/kilnyard-base-XXXXXX)
trap 'rm -rf "$work"' EXIT INT TERM

# Builds one image; what docker says is shown only when it fails.
build() {
  docker build -q -t "$1" "$2" >"$work/log" 2>&1 || { cat "$work/log" >&2; exit 1; }
  echo "$1"
}

# 1. The system, with what the worker needs.
debootstrap --variant=minbase --include=ca-certificates,git,iptables,openssh-client,libstdc++6 "$VERSION_CODENAME" "$work/root" "$mirror" >"$work/log" 2>&1 ||
  { tail -5 "$work/log" >&2; exit 1; }
printf '%s\n' "$sources" >"$work/root/etc/apt/sources.list"
if [ -d /usr/local/share/ca-certificates ]; then cp -r /usr/local/share/ca-certificates "$work/root/usr/local/share/"; fi
chroot "$work/root" update-ca-certificates >/dev/null 2>&1
cp /etc/ssl/certs/ca-certificates.crt "$work/root/etc/ssl/certs/"
rm -rf "$work"/root/var/cache/apt/archives/*.deb "$work"/root/var/lib/apt/lists/*
tar -C "$work/root" --numeric-owner -c . | docker import - kilnyard/base:local >/dev/null
echo "kilnyard/base:local"

# 2. Node: this machine's own.
mkdir "$work/node"
cp "$(readlink -f "$(command -v node)")" "$work/node/node"
cp -r "$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")" "$work/node/npm"
cat >"$work/node/Dockerfile" <<'END'
FROM kilnyard/base:local
COPY node /usr/local/bin/node
COPY npm /usr/local/lib/node_modules/npm
ENV NODE_EXTRA_CA_CERTS=/etc/ssl/certs/ca-certificates.crt
RUN ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm && ln -s ../lib/node_modules/npm/bin/npx-cli.js /usr/local/bin/npx \
 && useradd --uid 1000 --create-home node && npm --version
CMD ["node"]
END
build "$node_image" "$work/node"

# 3. Redis.
mkdir "$work/redis"
cat >"$work/redis/Dockerfile" <<'END'
FROM kilnyard/base:local
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends redis-server && rm -rf /var/lib/apt/lists/*
USER redis
EXPOSE 6379
CMD ["redis-server", "--bind", "0.0.0.0"]
END
build "$redis_image" "$work/redis"

# 4. Postgres: the official image's variables, as far as docker-compose.yml uses them.
mkdir "$work/postgres"
cat >"$work/postgres/start" <<'END'
#!/bin/sh
# Makes the cluster at the first start (POSTGRES_USER, POSTGRES_PASSWORD, POSTGRES_DB), then runs the server as postgres.
set -eu
PATH=$PATH:$(echo /usr/lib/postgresql/*/bin)
data=/var/lib/postgresql/data
if [ "$(id -u)" = 0 ]; then
  mkdir -p "$data" && chown postgres:postgres "$data" && chmod 700 "$data"
  exec setpriv --reuid postgres --regid postgres --init-groups "$0" "$@"
fi
if [ ! -s "$data/PG_VERSION" ]; then
  umask 077
  printf '%s\n' "$POSTGRES_PASSWORD" >/tmp/password
  initdb -D "$data" --username="$POSTGRES_USER" --pwfile=/tmp/password --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8
  rm /tmp/password
  echo 'host all all all scram-sha-256' >>"$data/pg_hba.conf"
  if [ "$POSTGRES_DB" != postgres ]; then
    pg_ctl -D "$data" -w -o '-c listen_addresses=' start
    PGPASSWORD=$POSTGRES_PASSWORD psql -h /var/run/postgresql -U "$POSTGRES_USER" -d postgres -c "CREATE DATABASE \"$POSTGRES_DB\""
    pg_ctl -D "$data" -w -m fast stop
  fi
fi
exec postgres -D "$data" -c 'listen_addresses=*'
END
chmod 755 "$work/postgres/start"
cat >"$work/postgres/Dockerfile" <<'END'
FROM kilnyard/base:local
RUN apt-get update -qq && mkdir -p /etc/postgresql-common && echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf \
 && apt-get install -y -qq --no-install-recommends postgresql && rm -rf /var/lib/apt/lists/*
COPY start /usr/local/bin/start-postgres
VOLUME /var/lib/postgresql/data
STOPSIGNAL SIGINT
EXPOSE 5432
CMD ["start-postgres"]
END
build "$postgres_image" "$work/postgres"
