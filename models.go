package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spark-lsp/spark-lsp/server"
	"github.com/spark-lsp/spark-lsp/session"
	"github.com/spark-lsp/spark-lsp/settings"
)

type modelsCmd struct{}

// Run lists what the configured endpoint serves, and what runs on this machine and could be used.
func (m *modelsCmd) Run(ctx context.Context, p process) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	user := p.readUser(ctx)
	for _, text := range user.Warnings {
		fmt.Fprintf(p.stderr, "spark-lsp: %s\n", text)
	}
	r, problems := settings.Resolve(settings.Layers{UserFile: user.Settings, Keys: user.Keys, Environment: settings.FromEnvironment(p.getenv)})
	for _, problem := range problems {
		fmt.Fprintf(p.stderr, "spark-lsp: %s\n", problem)
	}
	for _, local := range session.Discover(ctx) {
		provider := map[session.Dialect]string{session.Ollama: "ollama", session.Infill: "llamacpp"}[local.Dialect]
		fmt.Fprintf(p.stdout, "Running on this machine: %s at %s (SPARK_PROVIDER=%s SPARK_BASE_URL=%s)\n", provider, local.URL, provider, local.URL)
		for _, name := range local.Models {
			fmt.Fprintf(p.stdout, "  %s\n", name)
		}
	}
	e := r.For(settings.Edit)
	if e.Provider == "offline" {
		fmt.Fprintln(p.stdout, "No endpoint is configured: the embedded engine serves. Run 'spark-lsp login', or set SPARK_PROVIDER and SPARK_BASE_URL.")
		return nil
	}
	cfg := server.EndpointConfig(r, e, versionString())
	if cfg.Key = e.Key; cfg.Key == "" && e.Loopback() {
		cfg.Key = server.PlaceholderKey
	}
	cfg.Transport = session.HTTP // a list needs no WebSocket
	sess := session.Open(cfg)
	defer sess.Close()
	list, err := sess.Models(ctx)
	if err != nil {
		return fmt.Errorf("asking %s: %w", e.BaseURL, err)
	}
	fmt.Fprintf(p.stdout, "Served by %s:\n", e.BaseURL)
	for _, name := range list {
		mark := " "
		if name == e.Model {
			mark = "*"
		}
		fmt.Fprintf(p.stdout, "%s %s\n", mark, name)
	}
	return nil
}
