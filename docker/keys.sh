#!/usr/bin/env bash
# Makes what the containers must know and nobody else: keys, passwords, a certificate. A file that is there stays as it is, so this may
# run as often as one likes; a password is in several files, which are made together.
#
#   docker/keys.sh [DIRECTORY] [NAME …]     ./secrets; names of this machine in the certificate beside localhost
#
# Compose gives each container the files that it names, with the rights that they have here. So the directory is its owner's alone (0700),
# and within it a file may be read by whoever is shown it: the users inside the containers.
set -euo pipefail
directory="${1:-secrets}"
[ $# -eq 0 ] || shift
command -v openssl >/dev/null || { echo "docker/keys.sh: openssl is missing (apt-get install openssl)" >&2; exit 1; }
umask 077
mkdir -p "$directory"
chmod 0700 "$directory"
cd "$directory"

random() { openssl rand -hex 32; }
# write NAME: standard input into a file, whole or not at all, without a newline at its end.
write() {
  local text
  text="$(cat)"
  printf '%s' "$text" >".$1.new"
  chmod "${2:-0444}" ".$1.new"
  mv -f ".$1.new" "$1"
}
# A list of names of which one is missing is made anew as a whole.
there() { local name; for name in "$@"; do [ -s "$name" ] || return 1; done; }

if ! there service_api_key publish_key admin_key api_keys; then
  service="$(random)" publish="$(random)" admin="$(random)"
  printf '%s' "$service" | write service_api_key
  printf '%s' "$publish" | write publish_key
  printf '%s' "$admin" | write admin_key
  # The services', one for who publishes from outside, one for operators.
  printf 'services:%s:+admin,publisher:%s,operator:%s:+admin' "$service" "$publish" "$admin" | write api_keys
fi

if ! there redis_url redis_acl; then
  password="$(random)"
  printf 'redis://fanfare:%s@redis:6379/0' "$password" | write redis_url
  # Redis gets the hash alone. The hub may do all but what harms a server; `health` may say that it is there.
  hash="$(printf '%s' "$password" | openssl dgst -sha256 -r | cut -d ' ' -f 1)"
  {
    # As this user Redis reads its own log at the start: switched off or held to anything, it would leave out all transactions in there.
    # Nobody knows its password, of which this is as good as a hash.
    echo "user default on #$(random) ~* &* +@all"
    echo "user fanfare on #$hash ~* &* +@all -@admin -flushall -flushdb -swapdb -debug +config|get +info +role +client +slowlog +latency"
    echo 'user health on nopass resetkeys resetchannels -@all +ping'
  } | write redis_acl
fi

services='user job payment notification chat'
urls=()
for service in $services; do urls+=("${service}_database_url"); done
if ! there postgres_password postgres_databases "${urls[@]}"; then
  random | write postgres_password
  {
    # A statement that fails is not written into the log with the password in it.
    echo "SET log_min_error_statement = panic; SET log_statement = 'none';"
    for service in $services; do
      name="${service}_service" password="$(random)"
      printf 'postgres://%s:%s@postgres:5432/%s' "$name" "$password" "$name" | write "${service}_database_url"
      echo "CREATE ROLE $name LOGIN CONNECTION LIMIT 40 PASSWORD '$password';"
      echo "CREATE DATABASE $name OWNER $name;"
      echo "REVOKE ALL ON DATABASE $name FROM PUBLIC;"
    done
  } | write postgres_databases
fi

# Google's account for the bridge; the bridge alone needs it.
[ -e google_credentials ] || printf '{}' | write google_credentials

# A certificate of an authority of our own, until you put a real one in its place (tls_certificate is the chain).
if ! there tls_certificate tls_key; then
  names='DNS:localhost,DNS:nginx,DNS:paychain-nginx,IP:127.0.0.1,IP:::1'
  for name in "$@"; do
    case "$name" in *[!0-9.]*) names="$names,DNS:$name" ;; *) names="$names,IP:$name" ;; esac
  done
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj '/CN=Fanfare, a private authority' \
    -addext 'basicConstraints=critical,CA:TRUE' -addext 'keyUsage=critical,keyCertSign,cRLSign' \
    -keyout .ca_key -out .ca_certificate 2>/dev/null
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=localhost -keyout .server_key -out .request 2>/dev/null
  printf 'basicConstraints=CA:FALSE\nkeyUsage=digitalSignature\nextendedKeyUsage=serverAuth\nsubjectAltName=%s\n' "$names" >.extensions
  openssl x509 -req -in .request -CA .ca_certificate -CAkey .ca_key -CAcreateserial -days 825 -extfile .extensions \
    -out .server_certificate 2>/dev/null
  write ca_certificate <.ca_certificate
  cat .server_certificate .ca_certificate | write tls_certificate
  write tls_key <.server_key
  # The authority signs this once; whoever wants another certificate makes another authority.
  rm -f .ca_key .ca_certificate .srl .ca_certificate.srl .server_key .server_certificate .request .extensions
fi
