#!/usr/bin/env bash
# What the image `postgres` does before it starts the server, as far as docker-compose.yml uses it: an empty directory becomes a cluster with
# the password of POSTGRES_PASSWORD_FILE, and the files of /docker-entrypoint-initdb.d run in it, once.
set -euo pipefail
mkdir -p "$PGDATA"
chmod 0700 "$PGDATA"
if [ ! -s "$PGDATA/PG_VERSION" ]; then
  read -ra options <<<"${POSTGRES_INITDB_ARGS:-}"
  new="$PGDATA.new"
  rm -rf "$new"
  initdb --pgdata="$new" --username=postgres --pwfile="$POSTGRES_PASSWORD_FILE" "${options[@]}"
  echo 'host all all all scram-sha-256' >>"$new/pg_hba.conf"
  pg_ctl --pgdata="$new" --wait --options="-c listen_addresses=''" start
  for file in /docker-entrypoint-initdb.d/*; do
    psql --no-psqlrc --quiet --username=postgres --set=ON_ERROR_STOP=1 --file="$file"
  done
  pg_ctl --pgdata="$new" --wait --mode=fast stop
  # Whole or not at all: who is ended in between begins anew.
  rmdir "$PGDATA"
  mv "$new" "$PGDATA"
fi
exec "$@"
