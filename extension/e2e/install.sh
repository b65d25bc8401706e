#!/usr/bin/env bash
# Puts a real VS Code workbench and a browser for it where the tests find them, without root and without touching the
# machine's packages: code-server from npm (VS Code's own workbench and extension host), the Node it was built for,
# also from npm, and Chromium from Debian's packages.
#
# Prints lines NAME=VALUE: CODE_SERVER (its entry.js) NODE24 CHROMIUM CHROMIUM_LIBS FONTCONFIG_FILE
# Messages go to stderr. Exit 0: all is there. 3: it cannot be done on this machine (the last line says why). 1: a step
# failed that should not.
#
# SPARK_VSCODE_DIR  where they live (default ${XDG_CACHE_HOME:-$HOME/.cache}/spark-lsp/vscode)
# CHROMIUM          a browser of one's own, taken as it is
#
# About 1.3 GB; two minutes on two cores when nothing is there, nothing afterwards.
set -euo pipefail
export LC_ALL=C
umask 022

code_server=4.139.1 # VS Code 1.139.1
node=24.21.0        # code-server wants exactly this major
cannot() { printf 'vscode: %s\n' "$*" >&2; exit 3; }
say() { printf 'vscode: %s\n' "$*" >&2; }

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
base=${SPARK_VSCODE_DIR:-${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/spark-lsp/vscode}
[[ $(uname -s) == Linux ]] || cannot "only on Linux"
case $(uname -m) in x86_64) arch=x64 ;; aarch64) arch=arm64 ;; *) cannot "no code-server for $(uname -m)" ;; esac
command -v npm >/dev/null || cannot "npm is needed"

# A root is named after what made it: whoever has changed that gets a new one.
version=$(cat "$here/install.sh" "$here/strict.mjs" | sha256sum | cut -c1-12)
root=$base/$version

quietly() { # shows a step's words only when it failed
	local log; log=$(mktemp)
	if ! "$@" >"$log" 2>&1; then cat "$log" >&2; rm -f "$log"; return 1; fi
	rm -f "$log"
}

install_workbench() {
	command -v g++ >/dev/null && command -v make >/dev/null && command -v python3 >/dev/null || cannot "g++, make and python3 are needed, for one native module"
	rm -rf "$root/node" "$root/code-server" # half of one may stand there
	mkdir -p "$root/node" "$root/code-server"
	echo '{"private":true}' | tee "$root/node/package.json" >"$root/code-server/package.json"
	(cd "$root/node" && quietly npm install --no-save --no-audit --no-fund "node-linux-$arch@$node")
	local home=$root/node/node_modules/node-linux-$arch
	export PATH=$home/bin:$PATH
	say "code-server $code_server"
	cd "$root/code-server"
	quietly npm install --no-save --no-audit --no-fund --ignore-scripts "code-server@$code_server"
	cd node_modules/code-server/lib/vscode
	# Not npm ci: the shrinkwrap that is published does not agree with its package.json.
	quietly npm install --omit=dev --no-audit --no-fund --ignore-scripts
	(cd extensions && quietly npm install --omit=dev --no-audit --no-fund --ignore-scripts)
	# Without this one native module log channels stay empty; the others are not needed.
	npm_config_nodedir=$home quietly npm rebuild --no-audit @vscode/spdlog
	node "$here/strict.mjs" "$PWD" >&2
	cd "$here"
	touch "$root/.workbench"
}

install_browser() {
	command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || cannot "apt-get is needed (a Debian machine), or CHROMIUM set to a browser of your own"
	work=$(mktemp -d "$base/work.XXXXXX") # not local: the trap outlives this function
	trap 'rm -rf "$work"' EXIT
	mkdir -p "$work"/{lists/partial,cache/archives/partial}
	# The machine's own sources and what it has installed, but lists and archives of our own. A source that is not
	# Debian's is not read: one that is out of order would stop us.
	local sources=/dev/null
	for f in /etc/apt/sources.list.d/debian.sources /etc/apt/sources.list.d/*debian*.sources /etc/apt/sources.list; do
		[[ -s $f ]] && sources=$f && break
	done
	local suffix=list; [[ $sources == *.sources ]] && suffix=sources
	mkdir "$work/parts" && cp "$sources" "$work/parts/debian.$suffix"
	local apt=(apt-get -q -y -o "Dir::State::Lists=$work/lists" -o "Dir::Cache=$work/cache" -o Dir::Etc::SourceList=/dev/null
		-o "Dir::Etc::SourceParts=$work/parts" -o Debug::NoLocking=true -o APT::Sandbox::User= -o APT::Install-Recommends=false
		-o Acquire::Languages=none -o Acquire::Retries=2 -o APT::Update::Error-Mode=any)
	quietly "${apt[@]}" update || cannot "apt's lists could not be fetched (its messages are above)"
	quietly "${apt[@]}" -d install chromium-headless-shell fonts-dejavu-core || cannot "chromium-headless-shell could not be fetched"
	mkdir -p "$root/chromium"
	for deb in "$work"/cache/archives/*.deb; do
		dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$root/chromium" --no-same-owner --exclude='./usr/share/doc' --exclude='./usr/share/man' --exclude='./usr/share/locale'
	done
	rm -rf "$work"
	cat >"$root/chromium/fonts.conf" <<-XML
		<?xml version="1.0"?><!DOCTYPE fontconfig SYSTEM "fonts.dtd">
		<fontconfig><dir>$root/chromium/usr/share/fonts</dir><dir>/usr/share/fonts</dir><cachedir>$root/chromium/fontcache</cachedir></fontconfig>
	XML
	touch "$root/.browser"
}

complete() { [[ -e $root/.workbench && (-n ${CHROMIUM:-} || -e $root/.browser) ]]; }
if ! complete; then
	mkdir -p "$root" 2>/dev/null || cannot "$root cannot be made (set SPARK_VSCODE_DIR)"
	exec 9>"$base/lock"
	flock 9 # another run may be at it: wait, then look again
	[[ -e $root/.workbench ]] || install_workbench
	[[ -n ${CHROMIUM:-} || -e $root/.browser ]] || install_browser
	# Roots of scripts long gone; 30 days are far beyond any test that might still run in one.
	find "$base" -mindepth 1 -maxdepth 1 -type d ! -name "$version" -mtime +30 -exec rm -rf {} +
	exec 9>&-
	say "$(du -sh "$root" | cut -f1) in $root"
fi
echo "CODE_SERVER=$root/code-server/node_modules/code-server/out/node/entry.js"
echo "NODE24=$root/node/node_modules/node-linux-$arch/bin/node"
if [[ -n ${CHROMIUM:-} ]]; then
	echo "CHROMIUM=$CHROMIUM"
else
	echo "CHROMIUM=$(echo "$root"/chromium/usr/lib/chromium/*headless*shell*)"
	echo "CHROMIUM_LIBS=$(echo "$root"/chromium/usr/lib/*-linux-gnu)"
	echo "FONTCONFIG_FILE=$root/chromium/fonts.conf"
fi
