package privacy

import "strings"

// blocks appends the secrets that take several lines: private keys, and the values of a Kubernetes Secret.
func blocks(found []Finding, text string) []Finding {
	if strings.Contains(text, "-----") {
		found = privateKeys(found, text)
	}
	for _, kind := range []string{"kind: Secret", "kind: \"Secret\"", "\"kind\": \"Secret\""} {
		if strings.Contains(text, kind) {
			return manifest(found, text)
		}
	}
	return found
}

// privateKeys finds the bodies of PEM blocks, of which a window may show the beginning, the end or neither: what stands
// in one line of 64 letters is then found by its entropy.
func privateKeys(found []Finding, text string) []Finding {
	const begin, end, longest = "-----BEGIN ", "-----END ", 32 << 10
	for at := 0; ; {
		i := strings.Index(text[at:], begin)
		if i < 0 {
			break
		}
		from := at + i + len(begin)
		title := strings.Index(text[from:min(len(text), from+100)], "-----")
		if title < 0 || !private(text[from:from+title]) {
			at = from
			continue
		}
		from += title + len("-----")
		to := strings.Index(text[from:min(len(text), from+longest)], end)
		if to < 0 {
			to = keyLines(text[from:])
		}
		found = keyBody(found, text, from, from+to)
		at = from + to
	}
	// An end without a beginning.
	for at := 0; ; {
		i := strings.Index(text[at:], end)
		if i < 0 {
			return found
		}
		to := at + i
		at = to + len(end)
		title := strings.Index(text[at:min(len(text), at+100)], "-----")
		if title < 0 || !private(text[at:at+title]) || strings.LastIndex(text[:to], begin) > strings.LastIndex(text[:to], end) {
			continue
		}
		from := to
		for from > 0 {
			line := strings.LastIndexByte(text[:from-1], '\n') + 1
			if !keyLine(strings.TrimRight(text[line:from], "\r\n")) {
				break
			}
			if from = line; from == 0 {
				break
			}
		}
		found = keyBody(found, text, from, to)
	}
}

func private(title string) bool {
	return strings.Contains(title, "PRIVATE") || strings.Contains(title, "SECRET") || strings.Contains(title, "PGP MESSAGE")
}

// keyLines is how long the lines are that text begins with and that can belong to a key, in bytes.
func keyLines(text string) int {
	n := 0
	for n < len(text) {
		line, _, more := strings.Cut(text[n:], "\n")
		if n > 0 && !keyLine(strings.TrimRight(line, "\r")) {
			return n
		}
		if n += len(line); !more {
			return n
		}
		n++
	}
	return n
}

// keyLine reports whether a line can belong to a PEM block: base64, a header, or nothing, also in a comment or a string.
func keyLine(line string) bool {
	line = strings.Trim(line, " \t#/*+-\"'`,;\\n")
	if strings.Contains(line, ": ") {
		return strings.HasPrefix(line, "Proc-Type") || strings.HasPrefix(line, "DEK-Info") || strings.HasPrefix(line, "Version") || strings.HasPrefix(line, "Comment")
	}
	for i := range len(line) {
		if !inRun[line[i]] || line[i] == '.' || line[i] == '~' {
			return false
		}
	}
	return true
}

// keyBody appends the lines of a key between two places, each as a finding of its own: a prompt may put a mark of its own
// between two of them, and a window may show some of them only.
func keyBody(found []Finding, text string, from, to int) []Finding {
	for from < to {
		end := to
		if n := strings.IndexByte(text[from:to], '\n'); n >= 0 {
			end = from + n
		}
		if f := trimmed(text, from, end); f.Start < f.End && !(text[f.Start] == '<' && text[f.End-1] == '>') {
			found = append(found, f)
		}
		from = end + 1
	}
	return found
}

// trimmed is the finding of a part of a key between two places in a line, without what is layout or a string's quotes.
func trimmed(text string, from, to int) Finding {
	for from < to {
		if strings.HasPrefix(text[from:to], `\n`) || strings.HasPrefix(text[from:to], `\r`) {
			from += 2
		} else if strings.IndexByte(" \t\r\n\"'`#*;,", text[from]) >= 0 || text[from] == '/' && from+1 < to && text[from+1] == '/' {
			from++
		} else {
			break
		}
	}
	for from < to {
		if strings.HasSuffix(text[from:to], `\n`) || strings.HasSuffix(text[from:to], `\r`) {
			to -= 2
		} else if strings.IndexByte(" \t\r\n\"'`;,", text[to-1]) >= 0 || strings.HasSuffix(text[from:to], `" +`) {
			to--
		} else {
			break
		}
	}
	return Finding{"private-key", from, to}
}

// manifest finds every value below data or stringData, whatever its name is.
func manifest(found []Finding, text string) []Finding {
	inside, depth := false, 0
	for at := 0; at < len(text); {
		end := len(text)
		if n := strings.IndexByte(text[at:], '\n'); n >= 0 {
			end = at + n
		}
		line := text[at:end]
		indent := len(line) - len(strings.TrimLeft(line, " \t"))
		word := strings.Trim(line, " \t\r\"{")
		switch {
		case strings.TrimSpace(line) == "":
		case strings.HasPrefix(word, "data:") || strings.HasPrefix(word, "stringData:") || strings.HasPrefix(word, `data":`) || strings.HasPrefix(word, `stringData":`):
			inside, depth = true, indent
		case inside && indent <= depth:
			inside = false
		case inside:
			// A value, or a line of one.
			start := 0
			if i := strings.Index(line, ":"); i >= 0 {
				start = i + 1
			}
			value := strings.Trim(line[start:], " \t\r\"',")
			if len(value) >= 3 && value != "|-" && !strings.Contains(value, "{{") {
				i := at + start + strings.Index(line[start:], value)
				found = append(found, Finding{"kubernetes-secret", i, i + len(value)})
			}
		}
		at = end + 1
	}
	return found
}
