#!/bin/bash
# Installs the system packages that vmss needs, on Debian 12, Debian 13 and Ubuntu 24.04.
# Only what is missing is installed; when nothing is, apt is not even asked.
#
#   system-packages.sh [--list] [test | clients]
#
# 'test' adds what only the tests need, 'clients' what the tests with Azure's clients need besides.
# '--list' prints the names, and installs nothing.
set -euo pipefail

# What it is for is said once, here.
needed=(
  qemu-system-x86 qemu-utils                          # the guests, and their disks
  libvirt-daemon-system libvirt-clients               # libvirtd and virtlogd, set up; virsh
  libvirt-daemon libvirt-daemon-driver-qemu           # where these are but recommended by the former
  dnsmasq-base nftables iptables                      # libvirt's networks and filters
  haproxy                                             # load balancers
  iproute2 util-linux mount hostname e2fsprogs curl   # the lab: namespaces, pools, a look at a guest's page
  mmdebstrap gpg cpio lz4 zstd debian-archive-keyring # images
  openssh-client                                      # vmss ssh
  python3-venv python3-dev libvirt-dev gcc pkg-config # libvirt-python compiles against the system's libvirt
  make
)
tests_need=(openssh-server dropbear-bin busybox-static) # servers that the SSH tests start for themselves
clients_need=(nodejs npm)                               # the SDK of JavaScript

say() { printf '%s\n' "$*" >&2; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

is_installed() {
  [ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# Node often comes from elsewhere, with an npm that no package knows; the system's own would get in its way.
has_node() {
  command -v node >/dev/null && command -v npm >/dev/null
}

missing_of() {
  local name
  for name in "$@"; do
    case "$name" in nodejs | npm) has_node && continue ;; esac
    is_installed "$name" || printf '%s\n' "$name"
  done
}

# A server that a test starts for itself on 127.0.0.1 must not become a server of the whole machine.
keep_sshd_off() {
  if [ -d /run/systemd/system ] && ! is_installed openssh-server; then
    say "openssh-server is for tests only: its service is masked (systemctl unmask ssh.service ssh.socket)"
    as_root systemctl mask ssh.service ssh.socket
  fi
}

main() {
  local wanted=("${needed[@]}") missing
  case "${*:-}" in
    '' | --list) ;;
    test | '--list test') wanted+=("${tests_need[@]}") ;;
    clients | '--list clients') wanted+=("${tests_need[@]}" "${clients_need[@]}") ;;
    *) say "usage: $0 [--list] [test | clients]"; exit 2 ;;
  esac
  if [ "${1:-}" = --list ]; then
    printf '%s\n' "${wanted[@]}"
    return
  fi
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    say "error: this set-up knows Debian and Ubuntu; elsewhere install by hand what '$0 --list' names"
    exit 1
  fi
  mapfile -t missing < <(missing_of "${wanted[@]}")
  if [ ${#missing[@]} = 0 ]; then
    return
  fi
  say "system packages to install: ${missing[*]}"
  case " ${missing[*]} " in *' openssh-server '*) keep_sshd_off ;; esac
  as_root apt-get update -q >&2
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends "${missing[@]}" >&2
}

main "$@"
