#!/usr/bin/env bash
# What make runs for the VS Code extension:   test.sh unit | e2e
#
# Fetches node_modules when they are not those of package-lock.json. What cannot be had is skipped with the reason; with
# CI=true that is a failure, unless SPARK_VSCODE=skip says otherwise.
set -euo pipefail
cd "$(dirname "$0")/.."
skip() { echo "vscode: skipped: $*"; [[ ${CI:-} != true ]]; exit; }

if [[ ${SPARK_VSCODE:-} == skip ]]; then
	echo "vscode: skipped, as SPARK_VSCODE says"
	exit
fi
command -v npm >/dev/null || skip "npm is not on this machine"
[[ $(node --version) =~ ^v([0-9]+) ]] && ((BASH_REMATCH[1] >= 20)) || skip "Node 20 or newer is needed"
if [[ ! -e node_modules/.package-lock.json || package-lock.json -nt node_modules/.package-lock.json ]]; then
	npm ci || skip "the packages could not be fetched"
fi
case ${1:-} in
unit) npm test ;;
e2e) npm run e2e ;;
*) echo "test.sh unit | e2e" >&2 && exit 2 ;;
esac
