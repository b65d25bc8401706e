#!/usr/bin/env bash
# Re-makes the pictures of the README: the real program in a real terminal, at its real speed.
#
#   record.sh [demo] [neovim] [edit]      (default: all three)
#
# demo    demo.gif          spark-lsp demo
# neovim  neovim.png        Neovim with ghost text of the embedded engine; ComplHint, its colour, is made lighter
# edit    neovim-edit.gif   Neovim with an edit that streams, said by spark-lsp loopback --script
#
# Needs Go and, on Debian, these packages; neither the build nor a test does:
#   apt-get install xvfb xterm xdotool ffmpeg gifsicle fonts-dejavu-core
# Neovim is unpacked by testdata/editors/install.sh. The pictures show a copy of the toolchain's net/http.
set -euo pipefail
export LC_ALL=C
media=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$media/../.." && pwd)
pictures=("$@")
((${#pictures[@]})) || pictures=(demo neovim edit)
for tool in go Xvfb xterm xdotool ffmpeg gifsicle; do
	command -v "$tool" >/dev/null || { echo "record: $tool is missing (the head of this script names the packages)" >&2; exit 3; }
done

work=$(mktemp -d)
started=()
finish() {
	kill "${started[@]}" 2>/dev/null || true
	wait "${started[@]}" 2>/dev/null || true
	rm -rf "$work"
}
trap finish EXIT
mkdir -p "$work"/{bin,home,runtime}
(cd "$root" && go build -o "$work/bin/spark-lsp" .)

# Built up from nothing: no setting, key or prompt of whoever runs this is in the pictures.
clean=(env -i "PATH=$work/bin:/usr/bin:/bin" "HOME=$work/home" LANG=C.UTF-8 COLORTERM=truecolor "XDG_RUNTIME_DIR=$work/runtime")

# wait_for COMMAND... polls until the command succeeds, for 20 s.
wait_for() {
	for ((i = 0; i < 400; i++)); do
		"$@" >/dev/null 2>&1 && return
		sleep 0.05
	done
	echo "record: waited in vain for: $*" >&2
	return 1
}

Xvfb -displayfd 3 -screen 0 1400x1100x24 -nolisten tcp 3>"$work/display" 2>/dev/null &
started+=($!)
wait_for test -s "$work/display"
DISPLAY=:$(<"$work/display")
export DISPLAY
clean+=("DISPLAY=$DISPLAY")

# terminal COLUMNSxROWS COMMAND... opens the only window and sets size to its pixels. Without a window manager it has
# no title bar, and the keyboard is its own because the pointer is above it.
terminal() {
	local geometry=$1
	shift
	"${clean[@]}" xterm -class Recorded -xrm 'Recorded*allowTitleOps: false' -geometry "$geometry+0+0" -b 10 +sb -bw 0 \
		-fa 'DejaVu Sans Mono' -fs 11 -bg '#16181d' -fg '#d7dae0' -cr '#d7dae0' \
		-xrm 'Recorded*boldColors: false' -xrm 'Recorded*color2: #7ec16e' -xrm 'Recorded*color8: #7d8590' \
		-e "$@" &
	terminal=$!
	started+=("$terminal")
	wait_for window
	xdotool mousemove 100 100
	local WIDTH HEIGHT
	eval "$(xdotool getwindowgeometry --shell "$(window)")"
	size=$((WIDTH / 2 * 2))x$((HEIGHT / 2 * 2))
}
window() { xdotool search --onlyvisible --class Recorded; }
close_terminal() {
	kill "$terminal" 2>/dev/null || true
	wait "$terminal" 2>/dev/null || true
}

film() { # NAME: until cut
	ffmpeg -loglevel error -f x11grab -draw_mouse 0 -framerate 50 -video_size "$size" -i "$DISPLAY" \
		-flush_packets 1 -c:v libx264rgb -qp 0 -preset ultrafast -y "$work/$1.mkv" </dev/null &
	camera=$!
	started+=("$camera")
	wait_for test -s "$work/$1.mkv"
}
cut() {
	kill -INT "$camera"
	wait "$camera" || true
}

# gif NAME STILL writes the film, without the frames that repeat their predecessor, and holds the last for STILL
# hundredths of a second. Time is neither stretched nor cut.
gif() {
	ffmpeg -loglevel error -y -i "$work/$1.mkv" -filter_complex \
		'mpdecimate=hi=1:lo=1:frac=0,split[a][b];[a]palettegen=max_colors=48:stats_mode=full[p];[b][p]paletteuse=dither=none' \
		-fps_mode vfr "$work/$1.gif"
	gifsicle -O3 --loopcount=forever "$work/$1.gif" '#0--2' -d "$2" '#-1' -o "$media/$1.gif"
}

demo() {
	cat >"$work/rc" <<-RC
		PS1='\$ ' PROMPT_COMMAND='echo >>"$work/prompts"'
		unset HISTFILE
	RC
	: >"$work/prompts"
	terminal 112x46 bash --noprofile --rcfile "$work/rc" -i
	wait_for prompts 1
	film demo
	sleep 0.5
	xdotool type --delay 60 'spark-lsp demo'
	sleep 0.3
	xdotool key Return
	wait_for prompts 2
	sleep 0.3
	cut
	close_terminal
	gif demo 300
}
prompts() { (($(wc -l <"$work/prompts") >= $1)); }

# neovim_on FILE PAGE VARIABLE... starts Neovim with the configuration of a page in a copy of net/http and waits for the server.
neovim_on() {
	local file=$1 page=$2 goroot line
	shift 2
	if [[ ! -d $work/http ]]; then
		goroot=$(go env GOROOT)
		mkdir -p "$work/http/.git"/{objects,refs}
		echo 'ref: refs/heads/main' >"$work/http/.git/HEAD"
		cp "$goroot"/src/net/http/*.go "$work/http"
	fi
	mapfile -t paths < <("$root/testdata/editors/install.sh" neovim)
	nvim=${paths[0]#NVIM=}
	socket=$work/runtime/nvim.$file
	cat >"$work/watch.lua" <<-'LUA'
		vim.o.swapfile = false
		spark_watch = { attached = false, ended = false }
		vim.api.nvim_create_autocmd('LspAttach', { callback = function()
		  vim.cmd.highlight('ComplHint guifg=#8b93a0')
		  vim.schedule(function() vim.schedule(function() spark_watch.attached = true end) end)
		end })
		vim.api.nvim_create_autocmd('LspProgress', { callback = function(event)
		  if event.data.params.value.kind == 'end' then spark_watch.ended = true end
		end })
	LUA
	cat >"$work/run" <<-RUN
		#!/bin/bash
		cd "$work/http"
		exec env ${paths[*]:1} SPARK_LOG=$work/spark.log $* "$nvim" --listen "$socket" -i NONE \\
			--cmd 'luafile $work/watch.lua' --cmd 'set number mouse=' "$file"
	RUN
	mkdir -p "$work/home/.config/nvim"
	awk '/^```lua ~\/.config\/nvim\/init.lua$/ { on = 1; next } /^```$/ { on = 0 } on' "$root/$page" >"$work/home/.config/nvim/init.lua"
	chmod +x "$work/run"
	terminal 104x30 "$work/run"
	wait_for lua 'spark_watch.attached'
}
remote() { "${clean[@]}" "${paths[@]:1}" timeout 5 "$nvim" --server "$socket" "$@"; }
lua() { # EXPRESSION without double quotes: is it true?
	[[ $(remote --remote-expr "luaeval(\"($1) and 1 or 0\")") == 1 ]]
}
keys() { remote --remote-send "$1"; }

neovim() {
	neovim_on client.go README.md SPARK_PROVIDER=offline
	keys '/^func (c \*Client) Post(<CR>/^}<CR>:noh<CR>zt12<C-Y>o<CR>// Put issues a PUT to the specified URL.<CR>'
	keys 'func (c *Client) Put(url, contentType string, body io.Reader) '
	wait_for lua "#vim.api.nvim_buf_get_extmarks(0, vim.api.nvim_get_namespaces()['nvim.lsp.inline_completion'], 0, -1, {}) > 0"
	sleep 0.5 # for the terminal to draw it
	still neovim
	close_terminal
}

# The model's pace is slow, so that a reader sees how an edit arrives.
edit() {
	cat >"$work/answers" <<'ANSWERS'
-- reply job=edit match="make it a switch" rate=60 ttft=60ms --
func toHTTPError(err error) (msg string, httpStatus int) {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "404 page not found", StatusNotFound
	case errors.Is(err, fs.ErrPermission):
		return "403 Forbidden", StatusForbidden
	case errors.Is(err, errInvalidUnsafePath):
		return "404 page not found", StatusNotFound
	default:
		return "500 Internal Server Error", StatusInternalServerError
	}
}
ANSWERS
	"${clean[@]}" spark-lsp loopback --addr 127.0.0.1:0 --script "$work/answers" >"$work/address" &
	started+=($!)
	wait_for test -s "$work/address"
	local url
	read -r _ _ url <"$work/address"
	neovim_on fs.go docs/editors/neovim.md SPARK_PROVIDER=openai "SPARK_BASE_URL=$url" SPARK_API_KEY=loopback
	keys '/^func toHTTPError<CR>:noh<CR>zt10<C-Y>'
	sleep 1
	film neovim-edit
	sleep 0.5
	keys 'O'
	local comment='// spark: make it a switch'
	for ((i = 0; i < ${#comment}; i++)); do keys "${comment:i:1}" && sleep 0.03; done
	keys '<Esc>'
	sleep 1
	keys ':lua vim.lsp.buf.code_action({apply=true})<CR>'
	wait_for lua 'spark_watch.ended'
	sleep 0.5
	cut
	close_terminal
	gif neovim-edit 300
}

# still NAME writes what is on the screen.
still() {
	ffmpeg -loglevel error -y -f x11grab -draw_mouse 0 -video_size "$size" -i "$DISPLAY" -frames:v 1 -filter_complex \
		'trim=end_frame=1,split[a][b];[a]palettegen=max_colors=64[p];[b][p]paletteuse=dither=none' "$media/$1.png"
}

for picture in "${pictures[@]}"; do "$picture"; done
