package lsp

import (
	"net/url"
	"path/filepath"
	"runtime"
	"strings"

	"go.lsp.dev/uri"
)

// Documents are named by URIs in the client's own spelling, since that is what the client compares ours
// with. Clients spell one file in several ways (file:///c%3A/x, file:///C:/x), and typed parameters of
// go.lsp.dev/protocol arrive in that library's canonical spelling; so everything is looked up by key.

// uriKey returns what is equal for all spellings of one URI. Opaque URIs (untitled:, vscode-notebook-cell:)
// are compared by their canonical escaping.
func uriKey(s string) string {
	u, err := uri.Parse(s)
	if err != nil {
		return s
	}
	return string(u)
}

// URIToPath returns the file that a file: URI names, in the manner of this system; false for any other URI
// and for a file on another host (on Windows that is a UNC path and fine). The spelling of the path is the
// client's, but for a drive letter, which is upper case.
func URIToPath(u string) (string, bool) {
	return uriToPath(u, runtime.GOOS == "windows")
}

func uriToPath(u string, windows bool) (string, bool) {
	rest, ok := cutPrefixFold(u, "file:")
	if !ok {
		return "", false
	}
	var host string
	if strings.HasPrefix(rest, "//") {
		rest = rest[2:]
		slash := strings.IndexByte(rest, '/')
		if slash < 0 {
			return "", false
		}
		host, rest = rest[:slash], rest[slash:]
	}
	// "#" and "?" begin a fragment and a query in a URI, yet clients that escape nothing mean a file of
	// that name; no client sends file: URIs with a query.
	path, err := url.PathUnescape(rest)
	if err != nil {
		path = rest
	}
	if strings.IndexByte(path, 0) >= 0 || !strings.HasPrefix(path, "/") {
		return "", false
	}
	local := host == "" || strings.EqualFold(host, "localhost")
	if !windows {
		return path, local
	}
	if hostName, err := url.PathUnescape(host); err == nil {
		host = hostName
	}
	if isDrive(path[1:]) {
		path = strings.ToUpper(path[1:2]) + path[2:]
	}
	path = strings.ReplaceAll(path, "/", `\`)
	if !local {
		path = `\\` + host + path
	}
	return path, true
}

// PathToURI returns the file: URI of an absolute path of this system; a relative path is made absolute.
func PathToURI(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	return pathToURI(path, runtime.GOOS == "windows")
}

func pathToURI(path string, windows bool) string {
	var host string
	if windows {
		path = strings.ReplaceAll(path, `\`, "/")
		if rest, ok := strings.CutPrefix(path, "//"); ok {
			host, path, _ = strings.Cut(rest, "/")
			path = "/" + path
		}
		if isDrive(path) {
			path = "/" + path
		}
	}
	var b strings.Builder
	b.WriteString("file://")
	b.WriteString(url.PathEscape(host))
	for i := range len(path) {
		switch c := path[i]; {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("-._~/", c) >= 0,
			c == ':' && windows && i == 2:
			b.WriteByte(c)
		default:
			const hex = "0123456789ABCDEF"
			b.Write([]byte{'%', hex[c>>4], hex[c&15]})
		}
	}
	return b.String()
}

// isDrive reports whether s starts with a drive, as in "c:".
func isDrive(s string) bool {
	return len(s) >= 2 && s[1] == ':' && ('a' <= s[0]|0x20 && s[0]|0x20 <= 'z')
}

func cutPrefixFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || !strings.EqualFold(s[:len(prefix)], prefix) {
		return s, false
	}
	return s[len(prefix):], true
}
