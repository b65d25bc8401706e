package editops

import (
	"regexp"
	"strings"
)

// A model that is asked for code sometimes writes that the rest of it stays: "// ... existing code ...". Taken
// at its word, that line replaces the code it stands for.
var (
	elisionMark    = regexp.MustCompile(`\.\.\.|…`)
	elisionWords   = regexp.MustCompile(`(?i)\b(existing|unchanged|rest|remaining|remainder|remains?|omitted|same as|previous|snip(ped)?|other (code|methods|functions|fields|cases|imports|tests|lines))\b`)
	elisionComment = regexp.MustCompile(`^\s*(//+|#+|--|/\*+|<!--|;+|%+|\*|\{/\*|\(\*|"""|''')\s*(.*?)\s*(\*/\}?|-->|\*\)|"""|''')?\s*$`)
	elisionPhrase  = regexp.MustCompile(`(?i)^(the )?((rest|remainder) of (the )?(code|file|function|method|class|implementation|module|struct|body|component)\b|(existing|remaining|other|previous) (code|implementation|methods|functions|imports|fields|lines|cases)\b[^.]{0,20}$|(everything else|code|file|function|method|class) (remains?|stays?|is) (the same|unchanged)).*$`)
	elisionStart   = regexp.MustCompile(`^(\.\.\.|…)[\s(\[]`)
	elisionBare    = regexp.MustCompile(`^\s*(\.\.\.|…|\[\.\.\.\]|<\.\.\.>)\s*$`)
)

// IsElision says that a line of new code stands for code that is not written out: an ellipsis in a comment that
// speaks of existing, remaining or unchanged code, such a comment without the ellipsis, or a line that is
// nothing but an ellipsis. The last is valid Python, so the caller asks only about lines that the old text does
// not have, and above says what stands on the line before: behind a colon an ellipsis is a body.
func IsElision(line, above string) bool {
	if t := strings.TrimLeft(line, " \t"); t == "" || strings.IndexByte("/#-<;%*{(\"'.[\xe2", t[0]) < 0 {
		return false // the first byte rules out nearly all lines, at the price of no expression
	}
	if elisionBare.MatchString(line) {
		return !strings.HasSuffix(strings.TrimSpace(above), ":")
	}
	if m := elisionComment.FindStringSubmatch(line); m != nil {
		text := strings.TrimSpace(m[2])
		return elisionPhrase.MatchString(text) || elisionMark.MatchString(text) && elisionWords.MatchString(text) && len(text) < 80
	}
	t := strings.TrimSpace(line)
	return elisionStart.MatchString(t) && elisionWords.MatchString(t) && len(t) < 80
}
