package session

import (
	"strings"
	"unicode/utf8"
)

// What a fill-in-the-middle model is shown, bytes. Such models are small and often run on the user's own
// machine, where every thousand tokens of prompt cost more than the answer.
const (
	fimPrefix = 12 << 10
	fimSuffix = 4 << 10
	fimExtra  = 16 << 10
	fimStep   = 2 << 10
)

// Window is the part of a FIM that is sent.
func (f *FIM) Window() (prefix, suffix string, extra []File) {
	return cutStart(f.Prefix, fimPrefix), cutEnd(f.Suffix, fimSuffix), cutFiles(f.Extra, fimExtra)
}

// cutStart keeps the last most bytes of a text, from the beginning of a line. The cut moves in steps as the
// text grows, so that the prompt keeps its beginning from one keystroke to the next and the server's cache
// of it stays good.
func cutStart(text string, most int) string {
	if len(text) <= most {
		return text
	}
	at := (len(text) - most + fimStep - 1) / fimStep * fimStep
	if line := strings.IndexByte(text[at:], '\n'); line >= 0 && line < fimStep/2 {
		return text[at+line+1:]
	}
	for at < len(text) && !utf8.RuneStart(text[at]) {
		at++
	}
	return text[at:]
}

// cutEnd keeps the first most bytes, whole lines if there are any.
func cutEnd(text string, most int) string {
	if len(text) <= most {
		return text
	}
	if line := strings.LastIndexByte(text[:most], '\n'); line > most/2 {
		return text[:line+1]
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// cutFiles keeps the last files, which are the most telling ones, as far as they fit.
func cutFiles(files []File, most int) []File {
	n := len(files)
	for n > 0 && len(files[n-1].Text) <= most {
		n--
		most -= len(files[n].Text)
	}
	return files[n:]
}

// fimless refuses what a fill-in-the-middle model cannot do.
func fimless(q *question) *failure {
	if q.req.Job != Completion && q.req.FIM.Prefix == "" && q.req.FIM.Suffix == "" {
		return fail(Unsupported, give, nil, "this model completes code and follows no instructions")
	}
	return nil
}
