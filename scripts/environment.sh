# Sourced by every script: the project's root, its own Node before the machine's, and npm kept inside .tools/.

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
tools="$root/.tools"
cd "$root"

export PATH="$tools/node_modules/.bin:$PATH"
export npm_config_cache="$tools/npm-cache"
export npm_config_update_notifier=false npm_config_fund=false npm_config_audit=false

# The oldest Node that the console's build and the tests accept (from here on it runs TypeScript as it is).
node_min=22.18

say() { printf '%s\n' "$*" >&2; }
die() { say "error: $*"; exit 1; }

# node_is_new_enough: true when the `node` and `npm` first in PATH can build the console.
node_is_new_enough() {
  local version
  version="$(node --version 2>/dev/null)" || return 1
  printf '%s\n' "$node_min" "${version#v}" | sort -C -V && command -v npm >/dev/null
}

# hash_of PATH...: one hash over names and contents of all files below the paths, without what tools put there.
hash_of() {
  find "$@" -type f -not -path '*/node_modules/*' -not -path '*/dist/*' -not -path '*/.svelte-kit/*' -not -path '*/api/schema.d.ts' -print0 2>/dev/null |
    LC_ALL=C sort -z | xargs -0 -r sha256sum | sha256sum | cut -d' ' -f1
}
