#!/bin/bash
# Installs the SDK of JavaScript for the tests, by its lock file. It needs Node 20: where the system has an older one
# (Debian 12 has 18), the registry's own package of Node is put beside the SDK, and the tests use that.
set -euo pipefail
cd "$(dirname "$0")/../tests/clients/js"

needed=20
brought=node@20.20.2

node_is_too_old() {
  local version
  version=$(node --version) # v20.1.2
  version=${version#v}
  [ "${version%%.*}" -lt "$needed" ]
}

npm ci --loglevel=error --no-audit --no-fund
if node_is_too_old; then
  printf 'node here is %s: %s is put into node_modules\n' "$(node --version)" "$brought" >&2
  npm install --loglevel=error --no-audit --no-fund --no-save --no-package-lock "$brought"
  node_modules/.bin/node --version >/dev/null
fi
