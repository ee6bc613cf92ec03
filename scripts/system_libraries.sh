#!/usr/bin/env bash
# Checks the shared libraries that the opencv-python and Open3D wheels expect from the system, and installs the ones
# that are missing where it may (root, or sudo without a password). Else it prints one line to copy.
# Without OpenCV's libraries nothing runs, so their absence ends the set-up; Open3D's only matter to calibration/body.
set -euo pipefail

opencv_needs=(libGL.so.1 libglib-2.0.so.0 libgthread-2.0.so.0)
open3d_needs=(libEGL.so.1 libusb-1.0.so.0)
packages=(libgl1 libglib2.0-0 libegl1 libusb-1.0-0)

ldconfig_path=$(command -v ldconfig || echo /sbin/ldconfig) # Debian keeps /sbin out of a user's PATH
[ -x "$ldconfig_path" ] || exit 0                           # not a glibc Linux: the wheels bring what they need

missing() { # prints those of its arguments that the linker does not know
    local known library
    known=$("$ldconfig_path" -p)
    for library in "$@"; do
        grep -qF "$library " <<<"$known" || printf '%s ' "$library"
    done
}

[ -n "$(missing "${opencv_needs[@]}" "${open3d_needs[@]}")" ] || exit 0

as_root=()
can_install=no
if command -v apt-get >/dev/null; then
    if [ "$(id -u)" = 0 ]; then
        can_install=yes
    elif sudo -n true 2>/dev/null; then
        can_install=yes
        as_root=(sudo -n)
    fi
fi

if [ "$can_install" = yes ]; then
    echo "system libraries: installing ${packages[*]}"
    log=$(mktemp)
    install() {
        "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get "$@" >>"$log" 2>&1 </dev/null
    }
    if ! { install update && install install -y --no-install-recommends "${packages[@]}"; }; then
        tail -n 5 "$log" >&2
    fi
    rm -f "$log"
fi

by_hand="apt-get update && apt-get install -y --no-install-recommends ${packages[*]}"
fatal=$(missing "${opencv_needs[@]}")
if [ -n "$fatal" ]; then
    echo "system libraries missing (${fatal% }); run as root: $by_hand" >&2
    exit 1
fi
minor=$(missing "${open3d_needs[@]}")
if [ -n "$minor" ]; then
    echo "system libraries missing (${minor% }), only calibration/body needs them; run as root: $by_hand" >&2
fi
