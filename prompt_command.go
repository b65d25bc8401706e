package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/spark-lsp/spark-lsp/prompt"
	"github.com/spark-lsp/spark-lsp/server"
	"github.com/spark-lsp/spark-lsp/session"
)

type promptCmd struct {
	Place       string `arg:"" name:"file:line[:col]" help:"The place, as compilers write it. Without a column it is the end of the line."`
	Action      string `placeholder:"NAME" help:"A code action instead of a completion: edit, fix, explain, tests, ..."`
	Instruction string `placeholder:"TEXT" help:"What an edit is to do; without --action it means --action edit."`
	Root        string `placeholder:"DIR" help:"The workspace folder; otherwise the nearest one with a .git, or the file's own."`
}

// Run prints the prompt and the account of it. Nothing is sent: no session is ever opened.
func (pc *promptCmd) Run(ctx context.Context, p process, c *cli) error {
	q := server.PromptQuestion{Action: pc.Action, Instruction: pc.Instruction}
	var err error
	if q.File, q.Line, q.Column, err = parsePlace(pc.Place); err != nil {
		return usageError{err}
	}
	if q.File, err = filepath.Abs(q.File); err != nil {
		return err
	}
	if q.Root = repositoryOf(q.File); pc.Root != "" {
		if q.Root, err = filepath.Abs(pc.Root); err != nil {
			return err
		}
	}
	s, done, err := p.newServer(c, nil)
	if err != nil {
		return err
	}
	defer done()
	a, err := s.ExplainPrompt(ctx, q)
	for _, w := range a.Warnings {
		fmt.Fprintln(p.stderr, "spark-lsp: "+printable(w))
	}
	if err != nil {
		return err
	}
	printPrompt(p.stdout, a)
	return nil
}

// parsePlace reads FILE:LINE[:COL]. A file's name may hold colons, and on Windows begins with a drive.
func parsePlace(place string) (file string, line, column int, err error) {
	number := func() (n int, ok bool) {
		i := strings.LastIndexByte(file, ':')
		if i < 0 {
			return 0, false
		}
		if n, err := strconv.Atoi(file[i+1:]); err == nil && n > 0 {
			file = file[:i]
			return n, true
		}
		return 0, false
	}
	file = place
	last, ok := number()
	if !ok {
		return "", 0, 0, errors.New("the place is FILE:LINE or FILE:LINE:COLUMN, both counted from 1")
	}
	if before, ok := number(); ok {
		return file, before, last, nil
	}
	return file, last, 0, nil
}

// repositoryOf is the nearest folder above a file with a .git, or the file's own.
func repositoryOf(file string) string {
	for dir := filepath.Dir(file); ; dir = filepath.Dir(dir) {
		if _, err := os.Lstat(filepath.Join(dir, ".git")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return filepath.Dir(file)
		}
	}
}

func printPrompt(w io.Writer, a server.PromptAnswer) {
	fmt.Fprintf(w, "What %s at %s would send", a.What, a.Place)
	if a.Provider == "offline" {
		fmt.Fprint(w, " to a model. None is configured: the embedded engine answers, and nothing leaves this machine.\n")
	} else {
		fmt.Fprintf(w, " to %s, %s at %s. Nothing was sent.\n", a.Provider, a.Model, a.URL)
	}
	if a.Ignored != "" {
		fmt.Fprintf(w, "\nUnasked, nothing of this file is sent (%s), and nothing of it ever stands in another file's prompt.\n", a.Ignored)
	}
	printParts(w, "", a.Parts)
	if len(a.Cut) > 0 {
		printParts(w, "Left out, for lack of room:", a.Cut)
	}
	if len(a.Secrets) > 0 {
		var list []string
		for _, rule := range slices.Sorted(maps.Keys(a.Secrets)) {
			list = append(list, fmt.Sprintf("%s (%d)", rule, a.Secrets[rule]))
		}
		fmt.Fprintf(w, "\nMasked, by the rule that found it: %s. To let something pass, name it in privacy.allow.\n", strings.Join(list, ", "))
	}
	when := "with each request"
	if len(a.Base) > 0 {
		printMessages(w, "sent once, then kept ready", a.Base)
	}
	if a.FIM {
		when = "for a model that fills in the middle"
	}
	printMessages(w, when, a.Input)
}

func printParts(w io.Writer, heading string, list []prompt.Part) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(w)
	if heading != "" {
		fmt.Fprintln(w, heading)
	}
	tab := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	base, input := 0, 0
	for _, p := range list {
		where := p.Path
		if where != "" && p.Line > 0 {
			where = fmt.Sprintf("%s:%d", p.Path, p.Line)
		}
		kept := ""
		if p.Base {
			kept, base = "base", base+p.Tokens
		} else {
			input += p.Tokens
		}
		fmt.Fprintf(tab, "%6d tokens\t%s\t%s\t%s\t%s\n", p.Tokens, p.Source, kept, printable(where), printable(p.Why))
	}
	tab.Flush()
	if heading == "" {
		fmt.Fprintf(w, "%6d tokens in the base, which is sent once and kept ready where the endpoint can; %d with each request.\n", base, input)
	}
}

func printMessages(w io.Writer, when string, list []session.Part) {
	for _, m := range list {
		fmt.Fprintf(w, "\n======== %s: %s ========\n", when, printable(string(m.Role)))
		for line := range strings.Lines(m.Text) {
			fmt.Fprint(w, printable(line))
		}
		if !strings.HasSuffix(m.Text, "\n") {
			fmt.Fprintln(w)
		}
	}
}

// printable shows what a terminal would obey: files and their names may hold anything.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r < 0x20:
			return 0x2400 + r // the picture of the control character
		case r == 0x7f:
			return 0x2421
		case r >= 0x80 && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069:
			return 0xfffd
		}
		return r
	}, s)
}
