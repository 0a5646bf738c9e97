#!/bin/sh
# Makes the secrets of docker-compose.yml and of deploy/compose/observe.yml, each readable by one container's user:
#   sudo deploy/compose/secrets.sh            for the whole stack
#   sudo deploy/compose/secrets.sh observe    for the collector and the exporter alone; asks for the database
# Compose mounts these files as they are: owner and mode of the host's files are those in the container.
# An existing secret is never overwritten.
set -eu
umask 077

here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
folder=${DUCKWATCH_SECRETS:-$here/secrets}
environment=${DUCKWATCH_ENV:-$top/.env}

# The users of the containers: UID:GID, as docker-compose.yml and the Dockerfiles have them.
duckwatch=9626:9626
zonemta=9587:9587
wildduck=9143:9143
timescaledb=70:70
mongo=999:999
redis=999:999
grafana=472:0

stop() {
    echo "secrets.sh: $*" >&2
    exit 1
}

random() {
    od -An -tx1 -N24 /dev/urandom | tr -d ' \n'
}

put() { # SERVICE OWNER NAME, the content on standard input
    # Compose looks whether the file exists, as whoever calls it.
    [ -d "$folder/$1" ] || mkdir -m 0711 "$folder/$1"
    cat >"$folder/$1/$3"
    chown "$2" "$folder/$1/$3"
    chmod 0400 "$folder/$1/$3"
}

make_all() {
    postgres=$(random) owner=$(random) reader=$(random) token=$(random) admin=$(random) cache=$(random)
    root=$(random) of_duckwatch=$(random) of_zonemta=$(random) of_wildduck=$(random)
    members="mongo:27017" options="replicaSet=rs0&authSource=admin"

    echo "$postgres" | put timescaledb $timescaledb postgres_password
    echo "$owner" | put timescaledb $timescaledb duckwatch_password
    echo "$reader" | put timescaledb $timescaledb duckwatch_reader_password

    echo "postgresql://duckwatch:$owner@timescaledb/duckwatch" | put duckwatch $duckwatch dsn
    echo "$token" | put duckwatch $duckwatch token
    echo "mongodb://duckwatch:$of_duckwatch@$members/?$options" | put duckwatch $duckwatch mongo_uri
    echo "$admin" | put duckwatch $duckwatch grafana_admin_password

    echo "$token" | put zonemta $zonemta token
    echo "mongodb://zonemta:$of_zonemta@$members/zone-mta?$options" | put zonemta $zonemta mongo_uri
    echo "$cache" | put zonemta $zonemta redis_password

    echo "mongodb://wildduck:$of_wildduck@$members/wildduck?$options" | put wildduck $wildduck mongo_uri
    echo "$cache" | put wildduck $wildduck redis_password
    random | put wildduck $wildduck api_token

    echo "$root" | put mongo $mongo root_password
    echo "$of_duckwatch" | put mongo $mongo duckwatch_password
    echo "$of_zonemta" | put mongo $mongo zonemta_password
    echo "$of_wildduck" | put mongo $mongo wildduck_password
    random | put mongo $mongo keyfile

    echo "requirepass $cache" | put redis $redis auth.conf

    echo "$admin" | put grafana $grafana admin_password
    echo "$reader" | put grafana $grafana duckwatch_reader_password
}

make_observe() {
    [ ! -t 0 ] || printf 'The connection string of the database (postgresql://duckwatch:PASSWORD@HOST/duckwatch): ' >&2
    read -r dsn || true
    [ -n "${dsn:-}" ] || stop "no connection string was given"
    echo "$dsn" | put duckwatch $duckwatch dsn
    random | put duckwatch $duckwatch token
}

note_folder() {
    # It holds no secret, and the people who run docker read it.
    [ -e "$environment" ] || install -m 0644 "$top/.env.example" "$environment"
    if grep -q '^DUCKWATCH_SECRETS=' "$environment"; then
        sed -i "s|^DUCKWATCH_SECRETS=.*|DUCKWATCH_SECRETS=$folder|" "$environment"
    else
        echo "DUCKWATCH_SECRETS=$folder" >>"$environment"
    fi
}

case ${1:-all} in
    all | observe) ;;
    *) stop "the only argument is \`observe\`" ;;
esac
[ "$(id -u)" = 0 ] || stop "needs root, to give each file to its container's user: sudo deploy/compose/secrets.sh"
[ ! -e "$folder" ] || stop "$folder exists; nothing was changed. The databases know these passwords: remove the folder \
only together with the volumes (docker compose down --volumes)"
mkdir -p -m 0711 "$folder"
trap 'rm -rf "$folder"' EXIT # half of the secrets are none
"make_${1:-all}"
note_folder
trap - EXIT
echo "The secrets are in $folder, and $environment names that folder."
[ "${1:-all}" = observe ] || echo "Grafana's user is admin; its password: sudo cat $folder/grafana/admin_password"
echo "The token of the mail hosts: sudo cat $folder/duckwatch/token"
