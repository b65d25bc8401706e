package loopback

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/tools/txtar"
)

// ParseScript reads a script of answers: a txtar archive whose sections are rules, tried in order for each
// request; the first that fits answers, and Canned answers what none fits. Text before the first section is
// prose. A section's name is the word reply and attributes, its body the exact text of the answer, final line
// end included unless chomp is given:
//
//	An edit that makes everything louder, once; then a broken connection.
//	-- reply job=edit match="(?i)loud" rate=1000 ttft=40ms times=1 --
//	fmt.Println("HELLO")
//	-- reply job=edit fault=drop-mid --
//	fmt.Println("hel
//
// The attributes, all optional, values bare or in Go quotes:
//
//	match=REGEXP     the text that the model reads (FullInput, or prefix and suffix) matches
//	job=JOB          completion, edit or other (Exchange.Job)
//	dialect=DIALECT  responses, chat, completions, infill, ollama, mistral, deepseek
//	model=NAME       the request names this model
//	times=N          the rule serves N requests and is passed over afterwards
//	rate=N           tokens per second
//	ttft=DURATION    time to the first token
//	fault=FAULT      one of Faults
//	retry-after=DURATION  for faults that are errors
//	tool=NAME        the text is the input of a custom tool call
//	chomp            the final line end of the body does not belong to the text
//
// Errors begin with name and line. The result is a Respond for Options; it may serve many servers, which then
// share the counts of times.
func ParseScript(name string, data []byte) (func(*Exchange), error) {
	archive := txtar.Parse(data)
	lines := sectionLines(data)
	if len(archive.Files) == 0 {
		return nil, fmt.Errorf("%s:1: no section; a rule begins with a line such as \"-- reply match=REGEXP --\"", name)
	}
	var rules []*rule
	var faults []error
	for i, f := range archive.Files {
		r, err := parseRule(f.Name)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s:%d: %w", name, lines[i], err))
			continue
		}
		r.answer.Text = string(f.Data)
		if r.chomp {
			r.answer.Text = strings.TrimSuffix(strings.TrimSuffix(r.answer.Text, "\n"), "\r")
		}
		rules = append(rules, r)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	var mu sync.Mutex // guards the rules' counts
	return func(x *Exchange) {
		mu.Lock()
		var found *rule
		for _, r := range rules {
			if r.fits(x) {
				found = r
				r.served++
				break
			}
		}
		mu.Unlock()
		if found == nil {
			Canned(x)
			return
		}
		found.answer.Respond(x)
	}, nil
}

// sectionLines are the line numbers of a txtar archive's section headers.
func sectionLines(data []byte) []int {
	var out []int
	n := 0
	for line := range strings.Lines(string(data)) {
		n++
		line = strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r")
		if strings.HasPrefix(line, "-- ") && strings.HasSuffix(line, " --") && len(line) >= len("-- ")+len(" --") && strings.TrimSpace(line[3:len(line)-3]) != "" {
			out = append(out, n)
		}
	}
	return out
}

// rule is one section of a script.
type rule struct {
	match   *regexp.Regexp
	job     Job
	dialect Dialect
	model   string
	times   int // 0 is without end
	chomp   bool
	answer  Answer
	served  int
}

func (r *rule) fits(x *Exchange) bool {
	switch {
	case r.times > 0 && r.served >= r.times:
		return false
	case r.job != "" && r.job != x.Job(), r.dialect != "" && r.dialect != x.Dialect, r.model != "" && r.model != x.Model:
		return false
	}
	return r.match == nil || r.match.MatchString(x.FullInput()) || x.Suffix != "" && r.match.MatchString(x.Prefix+x.Suffix)
}

func parseRule(header string) (*rule, error) {
	word, rest, _ := strings.Cut(header, " ")
	if word != "reply" {
		return nil, fmt.Errorf("section %q: a rule begins with the word reply", word)
	}
	r := &rule{}
	given := map[string]bool{}
	for rest = strings.TrimLeft(rest, " \t"); rest != ""; rest = strings.TrimLeft(rest, " \t") {
		end := strings.IndexAny(rest, "= \t")
		if end < 0 {
			end = len(rest)
		}
		key := rest[:end]
		rest = rest[end:]
		value, valued := "", strings.HasPrefix(rest, "=")
		if valued {
			rest = rest[1:]
			if quoted, err := strconv.QuotedPrefix(rest); err == nil {
				value, _ = strconv.Unquote(quoted)
				rest = rest[len(quoted):]
				if rest != "" && rest[0] != ' ' && rest[0] != '\t' {
					return nil, fmt.Errorf("attribute %s: text right behind the closing quote", key)
				}
			} else if strings.HasPrefix(rest, `"`) || strings.HasPrefix(rest, "`") {
				return nil, fmt.Errorf("attribute %s: the quote is not closed, or a backslash in it is no escape (use `...`)", key)
			} else if end := strings.IndexAny(rest, " \t"); end >= 0 {
				value, rest = rest[:end], rest[end:]
			} else {
				value, rest = rest, ""
			}
		}
		if given[key] {
			return nil, fmt.Errorf("attribute %s is given twice", key)
		}
		given[key] = true
		if err := r.set(key, value, valued); err != nil {
			return nil, err
		}
	}
	return r, nil
}

// set takes over one attribute.
func (r *rule) set(key, value string, valued bool) (err error) {
	if key == "chomp" {
		if valued {
			return errors.New("attribute chomp takes no value")
		}
		r.chomp = true
		return nil
	}
	if !valued || value == "" {
		return fmt.Errorf("attribute %q has no value", key)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("attribute %s=%s: %w", key, value, err)
		}
	}()
	switch key {
	case "match":
		r.match, err = regexp.Compile(value)
	case "job":
		r.job = Job(value)
		if r.job != CompletionJob && r.job != EditJob && r.job != OtherJob {
			return errors.New("the jobs are completion, edit and other")
		}
	case "dialect":
		r.dialect = Dialect(value)
		switch r.dialect {
		case Responses, Chat, Completions, Infill, Ollama, Mistral, DeepSeek:
		default:
			return errors.New("the dialects are responses, chat, completions, infill, ollama, mistral and deepseek")
		}
	case "model":
		r.model = value
	case "tool":
		r.answer.Tool = value
	case "times":
		if r.times, err = strconv.Atoi(value); err != nil || r.times < 1 {
			return errors.New("wants a number from 1")
		}
	case "rate":
		if r.answer.Rate, err = strconv.ParseFloat(value, 64); err != nil || !(r.answer.Rate > 0) {
			return errors.New("wants tokens per second, more than 0")
		}
	case "ttft":
		r.answer.TTFT, err = positive(value)
	case "retry-after":
		r.answer.RetryAfter, err = positive(value)
	case "fault":
		if r.answer.Fault = Fault(value); !r.answer.Fault.Known() {
			names := make([]string, 0, len(Faults()))
			for _, f := range Faults() {
				names = append(names, string(f))
			}
			return errors.New("the faults are " + strings.Join(names, ", "))
		}
	default:
		return errors.New("there is no such attribute")
	}
	return err
}

func positive(value string) (time.Duration, error) {
	d, err := time.ParseDuration(value)
	if err != nil || d <= 0 {
		return 0, errors.New("wants a duration such as 40ms")
	}
	return d, nil
}
