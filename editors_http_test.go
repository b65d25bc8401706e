//go:build unix

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"
)

var zedTests = []editorTest{
	{"ghost text", zedGhostText},
}

// zedGhostText does what Zed's page says, and then asks as Zed does: with the settings' address, model and format, and
// the key from where the program says that it is. Zed itself has no build without a screen.
func zedGhostText(t *testing.T, run *editorRun) {
	var settings struct {
		EditPredictions struct {
			Provider string
			API      struct {
				URL       string `json:"api_url"`
				Model     string
				Format    string `json:"prompt_format"`
				MaxTokens int    `json:"max_output_tokens"`
			} `json:"open_ai_compatible_api"`
		} `json:"edit_predictions"`
	}
	var command []string
	for _, b := range readPage(t, "docs/editors/zed.md") {
		switch {
		case b.file == "~/.config/zed/settings.json":
			if err := json.Unmarshal([]byte(b.text), &settings); err != nil {
				t.Fatal(err)
			}
		case strings.HasPrefix(b.text, "spark-lsp "):
			command = strings.Fields(b.text)
		}
	}
	api := settings.EditPredictions.API
	if settings.EditPredictions.Provider != "open_ai_compatible_api" || api.Format != "qwen" || len(command) != 3 {
		t.Fatalf("the page has no such settings: %+v, %q", settings, command)
	}
	// The page's port may be somebody's on this machine.
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	free.Close()
	url := strings.Replace(api.URL, command[2], address, 1)
	if url == api.URL {
		t.Fatalf("%s is not where %q listens", api.URL, command)
	}

	run.offline()
	cmd := exec.Command(run.binary, command[1], address)
	cmd.Env = run.env
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(os.Interrupt)
		killed := time.AfterFunc(patience, func() { cmd.Process.Kill() })
		if err := cmd.Wait(); err != nil {
			t.Errorf("spark-lsp --http, interrupted: %v", err)
		}
		killed.Stop()
	})
	first, err := bufio.NewReader(stderr).ReadString('\n')
	_, path, found := strings.Cut(strings.TrimSpace(first), "the API key is in ")
	if err != nil || !found {
		t.Fatalf("spark-lsp --http says %q (%v), not where the key is", first, err)
	}
	key, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}

	body, err := json.Marshal(map[string]any{"model": api.Model, "max_tokens": api.MaxTokens, "stop": []string{"<|endoftext|>"},
		"prompt": "<|fim_prefix|>package a\n\nvar identifierOfMine = 1\nvar x = identifier<|fim_suffix|>\n<|fim_middle|>"})
	if err != nil {
		t.Fatal(err)
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(key)))
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	var answer struct{ Choices []struct{ Text string } }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil {
		t.Fatalf("%s: %v", response.Status, err)
	}
	if len(answer.Choices) != 1 || answer.Choices[0].Text != "OfMine" {
		t.Errorf("%s: %+v", response.Status, answer)
	}
}
