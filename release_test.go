//go:build unix

package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/BurntSushi/toml"
)

// makeRelease runs extension/release in a directory of the sources and returns what it says.
func makeRelease(t *testing.T, sources string, args ...string) string {
	t.Helper()
	cmd := exec.Command("go", append([]string{"run", filepath.Join("extension", "release", "main.go")}, args...)...)
	cmd.Dir = sources
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("release %q: %v\n%s", args, err, &stderr)
	}
	return string(out)
}

// TestRelease makes a release for this machine twice, the second time from a copy of the sources elsewhere, and looks at
// what it holds. The other platforms are built by "make release"; that they build is checked by "make cross".
func TestRelease(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program twice")
	}
	if runtime.GOOS == "windows" {
		t.Skip("reads a .tar.gz")
	}
	platform := runtime.GOOS + "/" + runtime.GOARCH
	first, second, elsewhere := t.TempDir(), t.TempDir(), copySources(t)
	makeRelease(t, ".", "-version", "9.8.7", "-out", first, platform)
	makeRelease(t, elsewhere, "-version", "9.8.7", "-out", second, platform)

	sums, err := os.ReadFile(filepath.Join(first, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	again, err := os.ReadFile(filepath.Join(second, "SHA256SUMS"))
	if err != nil {
		t.Fatal(err)
	}
	wantText(t, "checksums of the same release, made elsewhere", string(again), string(sums))
	var names []string
	for line := range strings.Lines(string(sums)) {
		sum, name, _ := strings.Cut(strings.TrimSpace(line), "  ")
		data, err := os.ReadFile(filepath.Join(first, name))
		if err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprintf("%x", sha256.Sum256(data)); got != sum {
			t.Errorf("%s has the checksum %s, not %s", name, got, sum)
		}
		names = append(names, name)
	}
	archive := "spark-lsp-9.8.7-" + runtime.GOOS + "-" + runtime.GOARCH + ".tar.gz"
	if want := []string{archive, "spark-lsp-9.8.7.cdx.json"}; !slices.Equal(names, want) {
		t.Fatalf("the release holds %q, want %q", names, want)
	}

	unpacked := unpack(t, filepath.Join(first, archive))
	program := filepath.Join(unpacked, "spark-lsp")
	out, err := exec.Command(program, "--version").CombinedOutput()
	if got := strings.TrimSpace(string(out)); err != nil || got != "spark-lsp 9.8.7" {
		t.Errorf("--version says %q, %v", got, err)
	}
	if data, err := os.ReadFile(program); err != nil || bytes.Contains(data, []byte(elsewhere)) || bytes.Contains(data, []byte(mustGetwd(t))) {
		t.Errorf("the program knows where it was built (%v)", err)
	}
	for _, b := range readPage(t, filepath.Join(unpacked, "README.md")) { // what it tells its reader to run, as is
		words := strings.Fields(b.text)
		cmd := exec.Command(filepath.Join(unpacked, words[0]), words[1:]...)
		cmd.Env = []string{"HOME=" + t.TempDir()}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Errorf("%s: %v\n%s", b.text, err, out)
		}
	}
	licences, err := os.ReadFile(filepath.Join(unpacked, "THIRD_PARTY_LICENSES"))
	if err != nil {
		t.Fatal(err)
	}

	wantText(t, "licences of the program alone, as the extension packs them", makeRelease(t, ".", "-licences", program), string(licences))

	// What is linked in, by another witness than the one that the bill was written from.
	linked, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}}@{{.Version}}{{end}}{{end}}", ".").Output()
	if err != nil {
		t.Fatal(err)
	}
	want := strings.Fields(string(linked))
	slices.Sort(want)
	want = slices.Compact(want)
	var bill struct {
		BOMFormat, SpecVersion string
		Components             []struct{ Name, Version, PURL string }
	}
	data, err := os.ReadFile(filepath.Join(first, "spark-lsp-9.8.7.cdx.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &bill); err != nil || bill.BOMFormat != "CycloneDX" || bill.SpecVersion != "1.6" {
		t.Fatalf("no bill of materials: %v, %q %q", err, bill.BOMFormat, bill.SpecVersion)
	}
	var listed []string
	for _, c := range bill.Components {
		if c.PURL != "pkg:golang/"+c.Name+"@"+c.Version {
			t.Errorf("%s %s has the address %q", c.Name, c.Version, c.PURL)
		}
		if c.Name == "std" {
			continue
		}
		listed = append(listed, c.Name+"@"+c.Version)
		if !strings.Contains(string(licences), "==== "+c.Name+" "+c.Version+": ") {
			t.Errorf("no licence of %s", c.Name)
		}
	}
	slices.Sort(listed)
	wantText(t, "bill of materials", strings.Join(listed, "\n"), strings.Join(want, "\n"))
}

func mustGetwd(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// copySources copies what Git knows, and what it would be told of.
func copySources(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("git", "ls-files", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}
	dir := t.TempDir()
	for line := range strings.Lines(string(out)) {
		name := filepath.FromSlash(strings.TrimSpace(line))
		data, err := os.ReadFile(name)
		if errors.Is(err, os.ErrNotExist) {
			continue // deleted, and not yet told
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func unpack(t *testing.T, archive string) string {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	compressed, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for r := tar.NewReader(compressed); ; {
		h, err := r.Next()
		if err == io.EOF {
			return dir
		}
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, filepath.Base(h.Name)), data, h.FileInfo().Mode()); err != nil {
			t.Fatal(err)
		}
	}
}

// TestUpstream holds what is meant for other projects' lists against what a release holds and the pages say.
func TestUpstream(t *testing.T) {
	read := func(name ...string) string {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(append([]string{"extension", "upstream"}, name...)...))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}

	mason := read("mason-registry", "packages", "spark-lsp", "package.yaml")
	version := regexp.MustCompile(`id: pkg:github/spark-lsp/spark-lsp@v(\S+)`).FindStringSubmatch(mason)
	if version == nil {
		t.Fatal("package.yaml names no release")
	}
	var files []string
	for _, m := range regexp.MustCompile(`file: (\S.*)`).FindAllStringSubmatch(mason, -1) {
		files = append(files, strings.ReplaceAll(m[1], `{{ version | strip_prefix "v" }}`, version[1]))
	}
	wantText(t, "archives that mason looks for", strings.Join(files, "\n")+"\n", makeRelease(t, ".", "-version", version[1], "-list"))

	var helix map[string]struct {
		Command string
		Args    []string
	}
	if err := toml.Unmarshal([]byte(read("helix", "languages.toml")), &helix); err != nil {
		t.Fatal(err)
	}
	server := helix["spark-lsp"]
	checkCommand(t, append([]string{server.Command}, server.Args...))

	// Zed's list wants the version of the manifest, and the folder.
	var list, manifest map[string]any
	for _, b := range readPage(t, "extension/upstream/README.md") {
		if err := toml.Unmarshal([]byte(b.text), &list); err != nil {
			t.Fatal(err)
		}
	}
	entry, _ := list["spark-lsp"].(map[string]any)
	folder, _ := entry["path"].(string)
	data, err := os.ReadFile(filepath.Join(folder, "extension.toml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := toml.Unmarshal(data, &manifest); err != nil || manifest["id"] != "spark-lsp" || manifest["version"] != entry["version"] {
		t.Errorf("Zed's entry %v is not of the manifest %v (%v)", entry, manifest, err)
	}
	licence, err := os.ReadFile(filepath.Join(folder, "LICENSE"))
	if ours, _ := os.ReadFile("LICENSE"); err != nil || !bytes.Equal(licence, ours) {
		t.Errorf("Zed's registry looks for the licence in the extension's folder (%v)", err)
	}

	template := read("lsp4ij", "spark-lsp", "template.json")
	found := false
	for _, b := range readPage(t, "docs/editors/jetbrains.md") {
		found = found || b.text == template
	}
	if !found {
		t.Error("the template for LSP4IJ is not the one of docs/editors/jetbrains.md")
	}
}
