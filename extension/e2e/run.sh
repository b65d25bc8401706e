#!/usr/bin/env bash
# The tests in a real workbench: fetches what they need (install.sh), packages the extension for this machine, installs
# it as a user would, and runs the tests.
#
#   [COUNT=N] run.sh [TEST.ts ...]      (default: all, once)
#
# Where the workbench cannot be had the tests are skipped with the reason; with CI=true that is a failure, unless
# SPARK_VSCODE=skip says otherwise. Pictures are kept in extension/e2e/run.
set -euo pipefail
cd "$(dirname "$0")/../.."
[[ ${SPARK_VSCODE:-} != skip ]] || { echo "vscode: skipped, as SPARK_VSCODE says"; exit 0; }
code=0
settings=$(extension/e2e/install.sh) || code=$?
if ((code == 3)) && [[ ${CI:-} != true ]]; then
	echo "vscode: skipped, see the line above"
	exit 0
elif ((code)); then
	exit "$code"
fi
while IFS= read -r line; do export "${line?}"; done <<<"$settings"

export SPARK_E2E_RUN=$PWD/extension/e2e/run
rm -rf "$SPARK_E2E_RUN" && mkdir -p "$SPARK_E2E_RUN"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
node extension/package.mjs --here --out "$work" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
(cd extension/e2e/driver && ../../../node_modules/.bin/vsce package --no-dependencies --skip-license --allow-missing-repository -o "$work/driver.vsix") >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
export SPARK_EXTENSIONS=$work/extensions SPARK_PROGRAM=$work/spark-lsp
go build -o "$SPARK_PROGRAM" .
touch "$work/config.yaml"
for vsix in "$work"/*.vsix; do
	HOME=$work EXTENSIONS_GALLERY='{"serviceUrl":""}' "$NODE24" "$CODE_SERVER" --user-data-dir "$work/user" --extensions-dir "$SPARK_EXTENSIONS" \
		--config "$work/config.yaml" --install-extension "$vsix" --force >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
done
node extension/build.mjs e2e
(($#)) || set -- extension/e2e/*.test.ts
files=()
for f in "$@"; do files+=("extension/dist/e2e/$(basename "$f" .ts).js"); done
for ((i = 0; i < ${COUNT:-1}; i++)); do
	node --test --test-reporter=spec --test-concurrency=1 --test-timeout=600000 "${files[@]}"
done
