#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Installs what tokprof needs to be built and tested on Debian 12. May be run again at no cost.
#
#	scripts/setup.sh [--build-only] [--no-engines]
#
# --build-only: what `make` needs. --no-engines: no virtual environments with the servers of the tests.
set -euo pipefail
cd "$(dirname "$0")/.."

# Versions of Debian 12 that this was built and tested with: clang 14, libbpf 1.1.2, bpftool 7.1, libelf and libdw 0.188,
# liblzma 5.4.1, libiberty 20230104, zlib 1.2.13, libpfm4 4.13, sqlite 3.40, jansson 2.14, libyaml 0.2.5, http-parser 2.9.4, curl 7.88.1, capstone 4.0.2, OpenSSL 3.0, cmocka 1.1.5.
build_packages=(gcc libc6-dev linux-libc-dev make pkg-config clang llvm bpftool libbpf-dev libelf-dev libdw-dev liblzma-dev libiberty-dev zlib1g-dev
	libpfm4-dev libsqlite3-dev libjansson-dev libyaml-dev libhttp-parser-dev libcurl4-openssl-dev
	libcapstone-dev libssl-dev)
test_packages=(libcmocka-dev libclang-rt-14-dev clang-tidy clang-format shellcheck sqlite3 python3 python3-venv g++ procps
	bpftrace linux-perf man-db lld linux-libc-dev-arm64-cross chromium chromium-driver)
# Readers of flame graphs: `go tool pprof`, and the client that fetches speedscope. Any version does, from wherever it came.
command -v go >/dev/null || test_packages+=(golang-go)
command -v npm >/dev/null || test_packages+=(npm)

build_only=false
engines=true
for option in "$@"; do
	case $option in
	--build-only) build_only=true ;;
	--no-engines) engines=false ;;
	*)
		echo "setup.sh: unknown option '$option'; it takes --build-only and --no-engines" >&2
		exit 2
		;;
	esac
done

is_installed() {
	[ "$(dpkg-query -W -f='${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

wanted=("${build_packages[@]}")
$build_only || wanted+=("${test_packages[@]}")
if ! command -v dpkg-query >/dev/null; then
	echo "setup.sh: this is no Debian: install what these packages hold by your own means: ${wanted[*]}" >&2
	exit 1
fi
missing=()
for package in "${wanted[@]}"; do
	is_installed "$package" || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
	if [ "$(id -u)" -ne 0 ]; then
		echo "setup.sh: packages are missing (${missing[*]}); run this as root, or have them installed" >&2
		exit 1
	fi
	echo "setup: installing ${missing[*]}"
	apt-get update -qq
	DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >build-setup.log 2>&1 || {
		tail -n 20 build-setup.log >&2
		echo "setup.sh: apt-get failed; the lines above and build-setup.log say why" >&2
		exit 1
	}
	rm -f build-setup.log
else
	echo "setup: all ${#wanted[@]} packages are installed"
fi
if ! $build_only && $engines; then
	tests/engines/setup_venvs.sh
fi
if ! $build_only; then
	tests/flame/setup.sh
fi
