#!/usr/bin/env bash
# Unpacks real editors for the tests, without root and without touching the machine's packages.
#
#   install.sh [neovim] [helix] [emacs] [kakoune]      (default: neovim helix)
#
# Prints lines NAME=VALUE, which a shell can eval and a program can split at the first "=":
#   NVIM VIM VIMRUNTIME      HX HELIX_RUNTIME      EMACS EMACS_DUMP EMACSDATA EMACSDOC EMACSLOADPATH EMACSPATH EMACS_ELPA
#   KAK KAKOUNE_RUNTIME
# Messages go to stderr. Exit 0: all that was asked for is there. 3: it cannot be done on this machine (the last
# line says why). 2: wrong arguments. 1: a step failed that should not.
#
# SPARK_EDITORS_DIR     where the editors live (default ${XDG_CACHE_HOME:-$HOME/.cache}/spark-lsp/editors)
# SPARK_EDITORS_MIRROR  a Debian mirror, for a machine whose apt is not set up with one
#
# The editors come from Debian's forky suite, by the mirror this machine's apt is already set up with. Its
# signature is checked against the host's own debian-archive keyring. A private apt state with an EMPTY status
# file makes apt resolve the whole closure, libc6 included, so that the programs run on an older host; patchelf
# then points them at their own loader and libraries. The loader as a wrapper (ld.so --library-path) would be
# simpler, but /proc/self/exe is the loader then, and Neovim's terminal UI starts its core by that name.
# LD_LIBRARY_PATH stays unset, so what the editors start (the server under test) is not affected.
set -euo pipefail
export LC_ALL=C
umask 022

suite=forky
cannot() { printf 'editors: %s\n' "$*" >&2; exit 3; }
say() { printf 'editors: %s\n' "$*" >&2; }

editors=("$@")
((${#editors[@]})) || editors=(neovim helix)
for e in "${editors[@]}"; do
	case $e in neovim | helix | emacs | kakoune) ;; *) say "unknown editor $e (neovim, helix, emacs, kakoune)"; exit 2 ;; esac
done

base=${SPARK_EDITORS_DIR:-${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/spark-lsp/editors}
# The path ends up in search paths, in ELF headers and in the lines printed, where these would need quoting.
[[ $base =~ ^/[A-Za-z0-9/._@+-]+$ ]] || cannot "the directory $base must be absolute and without spaces or colons (set SPARK_EDITORS_DIR)"
[[ $(uname -s) == Linux ]] || cannot "only on Linux (set NVIM and HX to editors of your own)"

# A root is named after this script's text: whoever has changed it gets new roots, and a root that is in use by
# another checkout is never rebuilt under it.
version=$(sha256sum "${BASH_SOURCE[0]}" | cut -c1-12)
root() { echo "$base/$version/$1"; }

show() {
	local r; r=$(root "$1")
	case $1 in
	neovim) printf '%s\n' "NVIM=$r/usr/bin/nvim" "VIM=$r/usr/share/nvim" "VIMRUNTIME=$r/usr/share/nvim/runtime" ;;
	kakoune) printf '%s\n' "KAK=$r/usr/bin/kak" "KAKOUNE_RUNTIME=$r/usr/share/kak" ;;
	helix) printf '%s\n' "HX=$r/usr/bin/hx" "HELIX_RUNTIME=$r/usr/lib/hx/runtime" ;;
	emacs)
		local share libexec; share=$(echo "$r"/usr/share/emacs/[0-9]*) libexec=$(echo "$r"/usr/libexec/emacs/[0-9]*/*)
		printf '%s\n' "EMACS=$r/usr/bin/emacs-nox" "EMACS_DUMP=$(echo "$libexec"/*.pdmp)" "EMACSDATA=$share/etc" \
			"EMACSDOC=$share/etc" "EMACSLOADPATH=$share/lisp" "EMACSPATH=$libexec" \
			"EMACS_ELPA=$r/usr/share/emacs/site-lisp/elpa-src"
		;;
	esac
}

missing() { for e in "${editors[@]}"; do [[ -e $(root "$e")/.complete ]] || echo "$e"; done; }

install_missing() {
	command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || cannot "apt-get and dpkg-deb are needed (a Debian machine); or set NVIM and HX to editors of your own"
	local keyring=
	for k in /usr/share/keyrings/debian-archive-keyring.{pgp,gpg}; do [[ -e $k ]] && keyring=$k && break; done
	[[ $keyring ]] || cannot "no debian-archive keyring on this machine, so the packages' signatures cannot be checked"

	local mirrors=()
	if [[ ${SPARK_EDITORS_MIRROR:-} ]]; then
		mirrors=("$SPARK_EDITORS_MIRROR")
	else
		# ORIGIN and LABEL come from Release files and stay unexpanded when the lists were never fetched.
		mapfile -t mirrors < <(apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
			awk -F'|' '($1 == "Debian" || $1 ~ /^\$/) && ($2 == "Debian" || $2 ~ /^\$/) && $3 !~ /security/ && !seen[$3]++ { print $3 }')
	fi
	((${#mirrors[@]})) || cannot "apt knows of no Debian mirror here (see 'apt-get indextargets'; run 'apt-get update' once, or set SPARK_EDITORS_MIRROR)"

	# Not local: the trap outlives this function.
	work=$(mktemp -d "$base/work.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	mkdir -p "$work"/{state/lists/partial,cache/archives/partial}
	: >"$work/state/status"
	# Given with -c, which is read after the machine's own configuration: its proxy settings hold, its hooks do not.
	# Valid-Until is not checked because a mirror may be a frozen copy; the signature is.
	cat >"$work/apt.conf" <<-CONF
		Dir::State "$work/state";
		Dir::State::Lists "$work/state/lists";
		Dir::State::status "$work/state/status";
		Dir::Cache "$work/cache";
		Dir::Etc::SourceList "$work/sources.list";
		Dir::Etc::SourceParts "/dev/null";
		Dir::Etc::Preferences "/dev/null";
		Dir::Etc::PreferencesParts "/dev/null";
		#clear APT::Update::Pre-Invoke;
		#clear APT::Update::Post-Invoke;
		#clear APT::Update::Post-Invoke-Success;
		#clear DPkg::Post-Invoke;
		#clear DPkg::Pre-Install-Pkgs;
		APT::Sandbox::User "";
		APT::Update::Error-Mode "any";
		APT::Install-Recommends "false";
		APT::Get::AllowUnauthenticated "false";
		Acquire::AllowInsecureRepositories "false";
		Acquire::AllowDowngradeToInsecureRepositories "false";
		Acquire::Languages "none";
		Acquire::Retries "2";
		Acquire::http::Timeout "20";
		Acquire::https::Timeout "20";
	CONF
	local apt=(apt-get -c "$work/apt.conf" -q -y) found=
	for mirror in "${mirrors[@]}"; do
		echo "deb [signed-by=$keyring check-valid-until=no target=Packages] $mirror $suite main" >"$work/sources.list"
		if "${apt[@]}" update >"$work/update.log" 2>&1; then found=1 && break; fi
		cat "$work/update.log" >&2
	done
	[[ $found ]] || cannot "the $suite suite could not be fetched and verified (apt's own messages are above)"

	# Documentation, translations, and character set tables that no test needs.
	local skip=(--exclude='./usr/share/doc' --exclude='./usr/share/man' --exclude='./usr/share/info' --exclude='./usr/share/locale'
		--exclude='./usr/share/lintian' --exclude='./usr/share/icons' --exclude='./usr/lib/*/gconv' --exclude='./usr/share/i18n')
	local e r deb lib loader patchelf
	for e in $(missing); do
		local packages=("$e") programs=()
		case $e in
		neovim) programs=(usr/bin/nvim) ;;
		helix) packages=(hx) programs=(usr/bin/hx) ;;
		kakoune) programs=(usr/bin/kak) ;;
		emacs) packages=(emacs-nox elpa-lsp-mode) programs=(usr/bin/emacs-nox) ;;
		esac
		# One directory of archives for all of them: what two editors share is fetched once.
		local names; names=$("${apt[@]}" -s install "${packages[@]}" patchelf | awk '$1 == "Inst" { gsub(/[()]/, "", $3); print $2 "_" $3 "_" }')
		"${apt[@]}" -d install "${packages[@]}" patchelf >"$work/fetch.log" 2>&1 || { cat "$work/fetch.log" >&2; cannot "the packages of $e could not be fetched"; }
		r=$(root "$e")
		rm -rf "$r" && mkdir -p "$r"
		for name in $names; do
			deb=$(echo "$work/cache/archives/${name//:/%3a}"*.deb)
			dpkg-deb --fsys-tarfile "$deb" | tar -x -C "$r" --no-same-owner "${skip[@]}"
		done
		lib=$(dirname "$(echo "$r"/usr/lib/*/libc.so.6)")
		loader=$(echo "$lib"/ld-linux*.so.*)
		patchelf=("$loader" --library-path "$lib" "$r/usr/bin/patchelf")
		for p in "${programs[@]}"; do
			# DT_RPATH, not RUNPATH: it also serves the libraries' own dependencies.
			"${patchelf[@]}" --set-interpreter "$loader" --force-rpath --set-rpath "$lib" "$(readlink -f "$r/$p")"
		done
		touch "$r/.complete"
		say "$e: $(du -sh "$r" | cut -f1) in $r"
	done
	rm -rf "$work"
}

if [[ $(missing) ]]; then
	mkdir -p "$base" 2>/dev/null || cannot "$base cannot be made (set SPARK_EDITORS_DIR)"
	exec 9>"$base/lock"
	flock 9 # Another run may be at it: wait, then look again.
	[[ ! $(missing) ]] || install_missing
	# Roots of scripts long gone; 30 days are far beyond any test that might still run in one.
	find "$base" -mindepth 1 -maxdepth 1 -type d ! -name "$version" -mtime +30 -exec rm -rf {} +
	exec 9>&-
fi
for e in "${editors[@]}"; do show "$e"; done
