#!/bin/bash
# Installs the JavaScript SDK for the tests, by its lock file. It needs Node 20: where the system has none, or an older
# one (Debian 12 has 18), the registry's own package of Node is put beside it.
set -euo pipefail
cd "$(dirname "$0")/../tests/clients/js"

say() { printf '%s\n' "$*" >&2; }

major() { { node --version 2>/dev/null || echo v0; } | sed 's/^v\([0-9]*\).*/\1/'; }

if ! command -v npm >/dev/null; then
  say "system packages to install: nodejs npm"
  as_root=(); [ "$(id -u)" = 0 ] || as_root=(sudo)
  "${as_root[@]}" apt-get update -q >&2
  "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends nodejs npm >&2
fi
npm ci --silent --no-audit --no-fund
if [ "$(major)" -lt 20 ]; then
  say "node here is $(node --version); version 20 is put into node_modules"
  npm install --silent --no-audit --no-fund --no-save --no-package-lock node@20
fi
