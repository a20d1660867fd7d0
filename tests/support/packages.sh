# Sourced by tests/run and docs/tutorial/run: installs Debian packages that are missing.

build_packages="g++ meson ninja-build pkg-config ccache libasio-dev libmbedtls-dev \
nlohmann-json3-dev liblz4-dev libsnappy-dev libdeflate-dev libsqlite3-dev libpcre2-dev libyaml-dev \
libcli11-dev libspdlog-dev"
test_packages="doctest-dev pybind11-dev python3-dev openssl zsh fish groff-base \
chromium-headless-shell cmake dpkg-dev valgrind abigail-tools"
bed_packages="python3 python3-venv openjdk-17-jre-headless maven"
# For tests/drivers; Go, Node and cargo must be newer than those of Debian 12.
driver_packages="openjdk-17-jdk-headless libssl-dev"

missing_packages() {
    local package
    for package in "$@"; do
        [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
            echo "$package"
    done
}

# Says what it installs. Fails, with the command to run, where it may not.
need_packages() {
    command -v dpkg-query >/dev/null || {
        echo "no Debian here: make sure that these are there: $*"
        return 0
    }
    local missing as_root=""
    missing=$(missing_packages "$@" | tr '\n' ' ')
    [ -n "$missing" ] || return 0
    if [ "$(id -u)" != 0 ]; then
        as_root="sudo"
        command -v sudo >/dev/null || {
            echo "missing packages, and no sudo; as root: apt-get install $missing" >&2
            return 1
        }
    fi
    echo "installing $missing"
    export DEBIAN_FRONTEND=noninteractive
    $as_root apt-get -qq update
    $as_root apt-get -qq install -y --no-install-recommends $missing >/dev/null
}
