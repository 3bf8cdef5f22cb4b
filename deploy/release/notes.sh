#!/usr/bin/env bash
# Prints what CHANGELOG.md says of a version (or of Unreleased); fails where it says nothing.
#
#   deploy/release/notes.sh VERSION
set -euo pipefail
cd "$(dirname "$0")/../.."

notes=$(awk -v heading="## [$1]" 'index($0, "## [") == 1 { inside = index($0, heading) == 1; next } inside' CHANGELOG.md)
if [ -z "${notes//[[:space:]]/}" ]; then
    echo "CHANGELOG.md has nothing under \"## [$1]\"" >&2
    exit 1
fi
printf '%s\n' "$notes"
