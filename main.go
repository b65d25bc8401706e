// Command spark-lsp is a language server that lets a very fast code model complete and edit in any editor.
//
// This file is flags and subcommands; the program itself is package server.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/term"
)

// version is the release's number. Releases set it with -ldflags "-X main.version=1.2.3"; a binary from
// go install tells its module version instead.
var version = ""

func versionString() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return strings.TrimPrefix(info.Main.Version, "v")
	}
	return "0.1.0-dev"
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	p := process{args: os.Args[1:], getenv: os.Getenv, stdin: os.Stdin, stdout: os.Stdout, stderr: os.Stderr}
	code := p.run(ctx)
	stop()
	os.Exit(code)
}

// process is what a running program has from its surroundings, so that tests run it without a process.
type process struct {
	args           []string
	getenv         func(string) string
	stdin          io.Reader
	stdout, stderr io.Writer
	panicOnBug     bool // tests: a handler's panic is not swallowed

	keyring          keyring                               // tests: nil means the system's
	proxy            func(*http.Request) (*url.URL, error) // tests: nil means the environment's
	userFileInterval time.Duration                         // tests: 0 means userFileInterval
}

// cli is the command line. Kong reads flags, defaults and help from the tags.
type cli struct {
	Log      string           `placeholder:"FILE" help:"Append the log to FILE; nothing is ever logged to stdout." env:"SPARK_LOG"`
	LogLevel string           `placeholder:"LEVEL" default:"info" enum:"debug,info,warn,error" help:"debug, info, warn or error. None holds code or keys; debug holds names of files." env:"SPARK_LOG_LEVEL"`
	Version  kong.VersionFlag `help:"Print the version and exit."`

	Serve    serveCmd    `cmd:"" default:"withargs" hidden:"" help:"Speak LSP over stdin and stdout."`
	Demo     demoCmd     `cmd:"" help:"Play a session in this terminal: completions at real speed, then a streamed edit."`
	Loopback loopbackCmd `cmd:"" help:"Run the scripted model server, to try an editor without a key."`
	Doctor   doctorCmd   `cmd:"" help:"Examine the whole way to an answer, and say what to do. One short answer is asked for; it costs a few tokens."`
	Prompt   promptCmd   `cmd:"" help:"Print what would be sent to the model for a place in a file, and why; send nothing."`
	Login    loginCmd    `cmd:"" help:"Store an API key for an endpoint, typed at a prompt or read from stdin."`
	Logout   logoutCmd   `cmd:"" help:"Forget a stored key."`
	Models   modelsCmd   `cmd:"" help:"List the models of the configured endpoint, and servers found on this machine."`
}

type serveCmd struct {
	Stdio bool   `help:"Speak LSP over stdin and stdout. This is also what happens when stdin is not a terminal."`
	HTTP  string `name:"http" placeholder:"127.0.0.1:PORT" help:"Serve /v1/completions to Zed and other clients that fill in the middle; beside --stdio or alone. The token is in SPARK_HTTP_TOKEN, or in the file http-token of the state directory."`
}

// usageError ends the program with exit code 2: the command line was wrong, nothing was tried.
type usageError struct{ error }

// run parses the command line, runs the command and returns the exit code: 0 done, 1 failed, 2 wrong usage.
func (p process) run(ctx context.Context) int {
	exited, code := false, 0
	var c cli
	parser, err := kong.New(&c,
		kong.Name("spark-lsp"),
		kong.Description(description),
		kong.Vars{"version": "spark-lsp " + versionString()},
		kong.Writers(p.stdout, p.stderr),
		kong.Exit(func(n int) { exited, code = true, n }),
		kong.Resolvers(envResolver(p.getenv)),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(p, &c),
	)
	if err != nil {
		panic(err) // the tags above are wrong; no input can cause it
	}
	kctx, err := parser.Parse(withHabits(p.args))
	if exited { // --help and --version have spoken
		return code
	}
	if err != nil {
		said := strings.Replace(err.Error(), `expected string value but got "EOL" (<EOL>)`, "needs a value", 1) // Kong's words are its parser's
		fmt.Fprintf(p.stderr, "spark-lsp: %s\nTry 'spark-lsp --help'.\n", said)
		return 2
	}
	err = kctx.Run()
	switch usage := (usageError{}); {
	case err == nil:
		return 0
	case errors.As(err, &usage):
		fmt.Fprintf(p.stderr, "spark-lsp: %v\nTry 'spark-lsp --help'.\n", err)
		return 2
	default:
		fmt.Fprintf(p.stderr, "spark-lsp: %v\n", err)
		return 1
	}
}

// description is what the help begins with. Lines that are indented stay as they are.
const description = `A language server that lets a fast code model complete and edit in your editor.

Your editor starts it and speaks LSP with it. A page for each editor is at
https://github.com/spark-lsp/spark-lsp/tree/main/docs/editors.

    spark-lsp --stdio

Zed takes its completions over HTTP, and other programs that fill in code may:

    spark-lsp --http 127.0.0.1:7878

New here? See it at work in this terminal with "spark-lsp demo".`

// withHabits turns what other programs have taught people to type into what Kong knows.
func withHabits(args []string) []string {
	if len(args) > 0 {
		switch args[0] {
		case "help":
			return append(slices.Clone(args[1:]), "--help")
		case "version":
			return []string{"--version"}
		}
	}
	return args
}

// envResolver reads a flag's environment variable through the process, not through the operating system: Kong
// itself would look at os.Getenv, which tests that run in parallel cannot set.
func envResolver(getenv func(string) string) kong.Resolver {
	return kong.ResolverFunc(func(_ *kong.Context, _ *kong.Path, flag *kong.Flag) (any, error) {
		for _, name := range flag.Envs {
			if v := getenv(name); v != "" {
				return v, nil
			}
		}
		return nil, nil
	})
}

func (s *serveCmd) Run(ctx context.Context, p process, c *cli) error {
	if s.HTTP != "" && !s.Stdio {
		return p.serveHTTP(ctx, c, s.HTTP)
	}
	if f, ok := p.stdin.(*os.File); ok && !s.Stdio && term.IsTerminal(int(f.Fd())) {
		return usageError{errors.New("stdin is a terminal: an editor starts this program as 'spark-lsp --stdio'; to see it at work run 'spark-lsp demo'")}
	}
	return p.serve(ctx, c, s.HTTP)
}
