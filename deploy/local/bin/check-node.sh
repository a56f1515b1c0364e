#!/bin/sh
# One sentence and a remedy where Node is missing or too old: in plain sh, since nothing else is there yet.
needed='Node.js 20.19 or newer is needed (https://nodejs.org, or `nvm install 20`); '
if ! command -v node >/dev/null 2>&1; then
  echo "${needed}this machine has none." >&2
  exit 1
fi
version=$(node -p 'process.versions.node')
major=${version%%.*}
rest=${version#*.}
minor=${rest%%.*}
if [ "$major" -lt 20 ] || { [ "$major" -eq 20 ] && [ "$minor" -lt 19 ]; }; then
  echo "${needed}this machine has ${version}." >&2
  exit 1
fi
