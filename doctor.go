package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spark-lsp/spark-lsp/offline"
	"github.com/spark-lsp/spark-lsp/privacy"
	"github.com/spark-lsp/spark-lsp/server"
	"github.com/spark-lsp/spark-lsp/session"
	"github.com/spark-lsp/spark-lsp/settings"
)

type doctorCmd struct {
	Provider string `placeholder:"NAME" help:"Examine this provider, in place of the settings'."`
	BaseURL  string `placeholder:"URL" help:"Examine this endpoint, for instance one that an editor's settings name."`
	Model    string `placeholder:"NAME" help:"Ask this model."`

	Free bool `help:"Ask the endpoint for nothing that costs tokens: no warm-up and no answer."`
	JSON bool `name:"json" help:"Print the findings as a JSON list."`
}

// finding is one line of what the doctor says.
type finding struct {
	Section string `json:"section"`
	State   string `json:"state"` // "ok", "note" (worth knowing) or "wrong"
	What    string `json:"what"`
	Text    string `json:"text"`
	Todo    string `json:"todo,omitempty"` // what to do about it
}

// examination is one run. What is found is printed at once, since some of it takes seconds.
type examination struct {
	process
	cmd     *doctorCmd
	section string
	all     []finding
}

// endpointPatience bounds the examination of one endpoint.
const endpointPatience = 45 * time.Second

// Run examines everything between an editor and an answer, and says what to do. It sends nothing of the user's code.
func (d *doctorCmd) Run(ctx context.Context, p process) error {
	x := &examination{process: p, cmd: d}
	x.begin("This program")
	x.ok("version", "%s, %s/%s, %s", versionString(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	r := x.inForce(ctx)
	x.endpoints(ctx, r)
	x.embedded(ctx)
	x.folder(ctx)
	x.editors()
	return x.conclude()
}

func (x *examination) begin(section string) {
	x.section = section
	if !x.cmd.JSON {
		if len(x.all) > 0 {
			fmt.Fprintln(x.stdout)
		}
		fmt.Fprintln(x.stdout, section)
	}
}

func (x *examination) say(f finding) {
	f.Section, f.What, f.Text = x.section, line(f.What), line(f.Text)
	x.all = append(x.all, f)
	if !x.cmd.JSON {
		mark := map[string]string{"ok": "  ", "note": "! ", "wrong": "✗ "}[f.State]
		fmt.Fprintf(x.stdout, "%s%-26s %s\n", mark, f.What, f.Text)
	}
}

func (x *examination) ok(what, format string, args ...any) {
	x.say(finding{State: "ok", What: what, Text: fmt.Sprintf(format, args...)})
}

func (x *examination) note(what, todo, format string, args ...any) {
	x.say(finding{State: "note", What: what, Text: fmt.Sprintf(format, args...), Todo: todo})
}

func (x *examination) wrong(what, todo, format string, args ...any) {
	x.say(finding{State: "wrong", What: what, Text: fmt.Sprintf(format, args...), Todo: todo})
}

// inForce shows the settings that are in force without an editor, and where it comes from.
func (x *examination) inForce(ctx context.Context) *settings.Resolved {
	x.begin("Settings in force (an editor's own come on top)")
	user := x.readUser(ctx)
	file := userFile(x.getenv)
	switch _, err := os.Stat(file); {
	case file == "":
		x.note("your file", "set HOME, or SPARK_CONFIG to the path of a file", "no configuration directory is known")
	case err == nil:
		x.ok("your file", "%s", x.tilde(file))
	default:
		x.ok("your file", "%s: there is none, and none is needed", x.tilde(file))
	}
	environment := settings.FromEnvironment(x.getenv)
	flags := map[string]string{"provider": x.cmd.Provider, "baseURL": x.cmd.BaseURL, "model": x.cmd.Model}
	for key, flag := range flags {
		if flag != "" {
			environment[key] = flag // the user's own word, like the environment
		}
	}
	r, problems := settings.Resolve(settings.Layers{UserFile: user.Settings, Keys: user.Keys, Environment: environment})
	for _, text := range user.Warnings {
		x.wrong("your file", "see "+x.tilde(filepath.Dir(file)), "%s", text)
	}
	for _, p := range problems {
		x.wrong(p.Key, "docs/settings.md lists what there is", "%s", p)
	}
	always := []string{"provider", "baseURL", "model", "serviceTier"}
	for _, s := range r.InForce() {
		if s.From != settings.Default || slices.Contains(always, s.Key) {
			from := s.From.String()
			if flags[s.Key] != "" {
				from = "command line"
			}
			x.ok(s.Key, "%s  (%s)", orNothing(s.Value), from)
		}
	}
	for _, origin := range slices.Sorted(maps.Keys(user.Keys)) {
		x.ok("stored key", "%s: %s", origin, masked(user.Keys[origin]))
	}
	return r
}

// endpoints goes the whole way to each endpoint that serves anything.
func (x *examination) endpoints(ctx context.Context, r *settings.Resolved) {
	type endpoint struct{ provider, baseURL, key string }
	jobs := map[endpoint][]settings.Job{}
	var order []endpoint
	var idle []string
	for _, job := range []settings.Job{settings.Completion, settings.Edit, settings.Deep} {
		e := r.For(job)
		if e.Provider == "offline" {
			idle = append(idle, jobNames[job])
			continue
		}
		id := endpoint{e.Provider, e.BaseURL, e.Key}
		if jobs[id] == nil {
			order = append(order, id)
		}
		jobs[id] = append(jobs[id], job)
	}
	for _, id := range order {
		var names []string
		for _, job := range jobs[id] {
			names = append(names, jobNames[job])
		}
		x.begin(fmt.Sprintf("Endpoint for %s: %s at %s", strings.Join(names, ", "), id.provider, id.baseURL))
		ctx, cancel := context.WithTimeout(ctx, endpointPatience)
		x.endpoint(ctx, r, jobs[id])
		cancel()
	}
	if len(idle) > 0 {
		x.begin("No endpoint for " + strings.Join(idle, ", "))
		if i := slices.IndexFunc(r.InForce(), func(s settings.Setting) bool { return s.Key == "baseURL" && s.From != settings.Default }); i >= 0 && r.Provider == "auto" {
			x.note("baseURL", "set provider as well (openai, chat, ...), or store a key for it: spark-lsp login --base-url "+r.BaseURL, "is set, and nothing says that %s is to be asked", r.BaseURL)
		}
		x.note("embedded engine", "for edits: 'spark-lsp login', or set provider to a server on this machine ('spark-lsp models' finds some)",
			"serves them: nothing leaves this machine for them, and instructions are not followed")
	}
}

var jobNames = map[settings.Job]string{settings.Completion: "completions", settings.Edit: "edits", settings.Deep: "larger tasks"}

// endpoint examines the endpoint that some jobs share.
func (x *examination) endpoint(ctx context.Context, r *settings.Resolved, jobs []settings.Job) {
	e := r.For(jobs[0])
	cfg := server.EndpointConfig(r, e, versionString())
	cfg.Proxy = x.proxy
	switch cfg.Key = e.Key; {
	case e.Key != "":
		x.ok("key", "%s  (%s)", masked(e.Key), e.KeyFrom)
	case e.Loopback():
		cfg.Key = server.PlaceholderKey
		x.ok("key", "none, and servers on this machine need none")
	default:
		x.note("key", "spark-lsp login --base-url "+e.BaseURL, "none: a key goes only to the endpoint that it was stored for, or that its own source names")
	}
	way := session.Walk(ctx, cfg)
	if !x.way(way, e) {
		return
	}
	for _, job := range jobs {
		if cfg.Dialect.FillsIn() && job != settings.Completion {
			x.note(jobNames[job], fmt.Sprintf("set %s.provider to chat (Ollama and llama.cpp serve it at …/v1), and %[1]s.baseURL and %[1]s.model to a model that follows instructions", job),
				"none: %s only completes code", e.Provider)
		}
	}
	if x.cmd.Free {
		return
	}
	sess := session.Open(cfg)
	defer sess.Close()
	asked := map[session.Choice]bool{}
	for _, job := range jobs {
		e := r.For(job)
		if choice := (session.Choice{Model: e.Model, Tier: e.Tier}); !asked[choice] {
			asked[choice] = true
			x.answer(ctx, sess, session.Job(job), e)
		}
	}
	if way.Upgraded && sess.Status().Transport == session.HTTP {
		x.note("WebSocket", "something between here and the endpoint may hold frames back", "it opened, and carried nothing: HTTP took over")
	}
}

// way tells how far a connection came, and reports whether it is worth going on.
func (x *examination) way(w session.Way, e settings.Endpoint) bool {
	u, err := url.Parse(e.BaseURL)
	if err != nil {
		x.wrong("address", "correct baseURL", "%s is no address", e.BaseURL)
		return false
	}
	host := u.Hostname()
	if w.Via != "" {
		x.ok("proxy", "through %s (HTTP_PROXY, HTTPS_PROXY; NO_PROXY names exceptions)", w.Via)
	}
	did := func(p session.Phase, what, format string, args ...any) {
		if d, ok := w.Took[p]; ok && w.Failed != p {
			x.ok(what, "%s, %s", fmt.Sprintf(format, args...), ms(d))
		}
	}
	did(session.Lookup, "name", "found")
	did(session.Connect, "connection", "%s", w.Address)
	did(session.Proxy, "tunnel", "opened by the proxy")
	did(session.Handshake, "TLS", "%s, certificate by %s until %s", w.TLS, orNothing(w.Issuer), w.Expires.Format(time.DateOnly))
	switch w.Failed {
	case session.Lookup:
		x.wrong("name", "is the network up, and baseURL spelled right? Behind a company's proxy set HTTPS_PROXY", "%s cannot be found: %v", host, w.Err)
	case session.Connect:
		todo := "is the network up? A firewall may be in the way; behind a company's proxy set HTTPS_PROXY"
		if e.Loopback() {
			todo = "start the model's server, or correct baseURL"
		} else if w.Via != "" {
			todo = "is the proxy " + w.Via + " right? HTTPS_PROXY names it"
		}
		x.wrong("connection", todo, "%v", w.Err)
	case session.Proxy:
		todo := "ask for an exception for " + host + " at the proxy, or name the host in NO_PROXY where it can be reached directly"
		if strings.Contains(w.Err.Error(), "407") {
			todo = "put the proxy's user and password into HTTPS_PROXY: http://user:password@" + w.Via
		}
		x.wrong("tunnel", todo, "%v", w.Err)
	case session.Handshake:
		todo := "a proxy that reads along has a certificate of its own: save the authority's as a PEM file and set SSL_CERT_FILE to it"
		if strings.Contains(w.Err.Error(), "does not look like") {
			todo = "the server speaks no TLS: write http:// in baseURL if that is meant"
		}
		x.wrong("TLS", todo, "%v", w.Err)
	case session.Answer:
		if errors.Is(w.Err, context.DeadlineExceeded) {
			x.wrong("answer", silent, "none came in time")
			break
		}
		x.wrong("answer", "try again; a proxy or firewall may cut connections", "%v", w.Err)
	}
	if w.Failed != "" {
		return false
	}
	took := ms(w.Took[session.Answer])
	switch {
	case w.Upgraded:
		x.ok("WebSocket", "opened, %s", took)
	case w.Status == http.StatusUnauthorized, w.Status == http.StatusForbidden && !w.Asked:
		x.wrong("key", "spark-lsp login --base-url "+e.BaseURL, "the endpoint does not accept it: %s", statusText(w.Status))
		return false
	case w.Asked:
		x.note("WebSocket", "nothing, if the answer below is well; a proxy in the way may be told to let WebSockets through", "not here (%s): answers come by HTTP, and begin later", statusText(w.Status))
	default:
		x.ok("HTTP", "answers %s, %s", statusText(w.Status), took)
	}
	return true
}

// answer warms one model of an endpoint and asks it for one short answer, phase by phase.
func (x *examination) answer(ctx context.Context, sess *session.Session, job session.Job, e settings.Endpoint) {
	base := []session.Part{{Role: session.Developer, Text: "Answer with one word."}}
	req := session.Request{
		Job: job, Base: base, Input: []session.Part{{Role: session.User, Text: "Say: ready"}}, Explicit: true, MaxOutputTokens: 200,
		FIM: session.FIM{Path: "add.go", Language: "go", Prefix: "func add(a, b int) int {\n\treturn ", Suffix: "\n}\n"},
	}
	var mu sync.Mutex
	var steps []string
	var began time.Time
	step := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		steps = append(steps, fmt.Sprintf(format, args...)+" "+ms(time.Since(began)))
	}
	req.Trace = &session.Trace{
		Sent:       func(bytes int) { step("%d bytes sent", bytes) },
		Created:    func() { step("accepted") },
		FirstDelta: func() { step("first text") },
		Again:      func(err error) { step("once more, since %v,", err) },
	}
	began = time.Now()
	if err := sess.Warm(ctx, job, base); err != nil {
		x.failed("warm-up", err, e)
		return
	}
	x.ok("warm-up", "connected and primed, %s", ms(time.Since(began)))
	mu.Lock()
	began = time.Now()
	mu.Unlock()
	var done session.Event
	text := 0
	for ev, err := range sess.Stream(ctx, req) {
		if err != nil {
			x.failed("answer", err, e)
			return
		}
		text += len(ev.Text)
		if ev.Kind == session.Done {
			done = ev
		}
	}
	step("end")
	mu.Lock()
	x.ok("answer", "%s", strings.Join(steps, ", "))
	mu.Unlock()
	st := sess.Status()
	x.ok("served", "by %s%s over %s; %d tokens in, %d out", orElse(done.Model, st.Model), tierOf(done.Tier), transportWords[st.Transport], done.Usage.Input, done.Usage.Output)
	if done.Tier != "" && e.Tier != "" && e.Tier != "auto" && done.Tier != e.Tier {
		x.note("tier", "is the tier part of your plan? serviceTier asks for it", "%s was asked for, %s served", e.Tier, done.Tier)
	}
	if text == 0 {
		x.note("answer", "a larger model may have thought only; try again", "it has no text")
	}
}

var transportWords = map[session.Transport]string{session.WebSocket: "a WebSocket", session.HTTP: "HTTP", "": "HTTP"}

// failed tells an error of the session, and what people can do about its kind.
func (x *examination) failed(what string, err error, e settings.Endpoint) {
	var se *session.Error
	todo := "try again; 'spark-lsp --log FILE' writes down more"
	if errors.As(err, &se) {
		switch se.Kind {
		case session.Reauthenticate:
			todo = "spark-lsp login --base-url " + e.BaseURL
			if se.Code == "insufficient_quota" || se.Code == "billing_hard_limit_reached" {
				todo = "the key's account has nothing left: see its billing page, or store another key"
			}
		case session.FallBack:
			todo = "'spark-lsp models' lists what is served; set model, or serviceTier. Is baseURL whole (…/v1)?"
		case session.RetryAfter:
			todo = "wait, and see what your plan allows; completions go on with the embedded engine"
		case session.Bug, session.Unsupported:
			todo = "is provider right for this endpoint, and baseURL whole (…/v1)?"
		}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		todo = silent
	}
	x.wrong(what, todo, "%v", err)
}

const silent = "the endpoint is silent: is it loading a model? Try again, or ask whoever runs it"

// embedded asks the embedded engine for a completion: what works with no network at all.
func (x *examination) embedded(ctx context.Context) {
	x.begin("Without network")
	e := offline.New(offline.Options{})
	defer e.Close()
	began, text := time.Now(), ""
	for ev, err := range e.Stream(ctx, session.Request{Job: session.Completion, Explicit: true, FIM: session.FIM{Path: "b.go", Language: "go", Prefix: "package a\n\nvar elephant = 1\n\nvar x = ele", Suffix: "\n"}}) {
		if err != nil {
			x.wrong("embedded engine", "tell us: this needs nothing from you", "%v", err)
			return
		}
		text += ev.Text
	}
	if text == "" {
		x.wrong("embedded engine", "tell us: this needs nothing from you", "it has no answer")
		return
	}
	x.ok("embedded engine", "completes identifiers and lines, %s", ms(time.Since(began)))
}

// folder says what the privacy rules make of the current folder.
func (x *examination) folder(ctx context.Context) {
	dir, err := os.Getwd()
	if err != nil {
		return
	}
	x.begin("This folder: " + x.tilde(dir))
	var found []string
	for at := dir; ; at = filepath.Dir(at) {
		for _, name := range privacy.IgnoreFiles() {
			if _, err := os.Stat(filepath.Join(at, name)); err == nil {
				rel, _ := filepath.Rel(dir, filepath.Join(at, name))
				found = append(found, rel)
			}
		}
		if _, err := os.Stat(filepath.Join(at, ".git")); err == nil || at == filepath.Dir(at) || at == homeDir(x.getenv) {
			break
		}
	}
	x.ok("ignore files", "%s", orElse(strings.Join(found, ", "), "none here; what usually holds secrets is closed all the same"))
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	sum, err := privacy.NewRules(dir).Walk(ctx, privacy.DefaultLimits, func(string, []byte) bool { return true })
	more := ""
	if err != nil || sum.Cut {
		more = " (not all were looked at)"
	}
	x.ok("files", "%d may be read, %d files and folders are closed, %d are of no use (binary, generated, too large)%s", sum.Files, sum.Ignored, sum.Skipped, more)
}

// editors shows who was here last.
func (x *examination) editors() {
	x.begin("Editors seen")
	list := server.SeenEditors(stateDir(x.getenv))
	if len(list) == 0 {
		x.note("editor", "set one up: https://github.com/spark-lsp/spark-lsp/tree/main/docs/editors says how", "none has started this program yet")
		return
	}
	for i, e := range list {
		name := strings.TrimSpace(orElse(e.Name, "without a name") + " " + e.Version)
		x.ok("editor", "%s, %s ago; positions in %s, delivery %s", name, time.Since(e.When).Round(time.Minute), e.Encoding, e.Delivery)
		if i > 0 {
			continue // the latest in full
		}
		x.ok("  it can", "%s", orNothing(strings.Join(e.Capabilities, " ")))
		x.ok("  it cannot", "%s", orNothing(strings.Join(e.Missing, " ")))
		if len(e.Settings) > 0 {
			x.ok("  it sets", "%s", strings.Join(e.Settings, " "))
		}
		if slices.ContainsFunc(e.Settings, func(key string) bool {
			return strings.HasSuffix(key, "rovider") || strings.HasSuffix(key, "aseURL")
		}) {
			x.note("  its endpoint", "'spark-lsp doctor --provider NAME --base-url URL' examines the endpoint that the editor names", "is its own, and not examined above")
		}
	}
}

// conclude ends with what to do.
func (x *examination) conclude() error {
	wrong := 0
	var todo []string
	for _, f := range x.all {
		if f.State == "wrong" {
			wrong++
		}
		if f.Todo != "" && !slices.Contains(todo, f.What+": "+f.Todo) {
			todo = append(todo, f.What+": "+f.Todo)
		}
	}
	if x.cmd.JSON {
		enc := json.NewEncoder(x.stdout)
		enc.SetIndent("", "  ")
		enc.SetEscapeHTML(false)
		if err := enc.Encode(x.all); err != nil {
			return err
		}
	} else {
		fmt.Fprintln(x.stdout, "\nWhat to do")
		if len(todo) == 0 {
			fmt.Fprintln(x.stdout, "  nothing: all is well")
		}
		for _, t := range todo {
			fmt.Fprintln(x.stdout, "  - "+t)
		}
	}
	switch wrong {
	case 0:
		return nil
	case 1:
		return errors.New("one thing is wrong")
	}
	return fmt.Errorf("%d things are wrong", wrong)
}

// tilde shortens the home directory: people show this page to others.
func (x *examination) tilde(path string) string {
	if home := homeDir(x.getenv); home != "" {
		if rest, ok := strings.CutPrefix(path, home+string(filepath.Separator)); ok {
			return filepath.Join("~", rest)
		}
	}
	return path
}

// masked shows enough of a key to tell it from another, and nothing of a short one.
func masked(key string) string {
	if len(key) < 20 {
		return fmt.Sprintf("…, %d characters", len(key))
	}
	return fmt.Sprintf("…%s, %d characters", key[len(key)-4:], len(key))
}

// line makes a text fit for one line of a terminal: an endpoint's words, a setting's value and an editor's name come
// from others.
func line(s string) string {
	s = strings.NewReplacer("\n", " ", "\t", " ").Replace(printable(s))
	const most = 400
	if runes := []rune(s); len(runes) > most {
		s = string(runes[:most]) + "…"
	}
	return s
}

func statusText(status int) string { return fmt.Sprintf("%d %s", status, http.StatusText(status)) }

func tierOf(tier string) string {
	if tier == "" {
		return ""
	}
	return ", tier " + tier
}

func orNothing(s string) string { return orElse(s, `""`) }

func orElse(s, otherwise string) string {
	if s == "" {
		return otherwise
	}
	return s
}
