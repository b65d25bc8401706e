//go:build ignore

// Command main makes a release: for each platform an archive of the program, and beside them the checksums, a bill of
// materials and the licences of what is linked in.
//
//	go run extension/release/main.go -version 1.2.3 [-out dist] [-list] [OS/ARCH...]
//	go run extension/release/main.go -licences PROGRAM
//
// The second way prints the licences of what is linked into a program, for those who pack it otherwise.
//
// The same commit, version and Go toolchain make the same bytes on any machine: nothing of the machine, the directory or
// the time goes in. It is a program and no shell script, since tar, zip and gzip differ from system to system in just
// that; and it is out of the module's packages (the directory is ignored in go.mod), since nobody imports it.
//
// The bill of materials is read out of the program itself, as the linker has written it in: what go.mod names for tests
// and tools is not in it. The usual tools for that bring more modules than they would list.
package main

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"cmp"
	"compress/gzip"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// platforms are those that a release has.
var platforms = []string{
	"linux/amd64", "linux/arm64", "darwin/amd64", "darwin/arm64", "windows/amd64", "windows/arm64",
}

func main() {
	version := flag.String("version", "", "the release's number, without v")
	out := flag.String("out", "dist", "the directory to write to")
	list := flag.Bool("list", false, "say which archives there would be, and make none")
	of := flag.String("licences", "", "print the licences of what is linked into this program, and make nothing")
	flag.Parse()
	if flag.NArg() > 0 {
		platforms = flag.Args()
	}
	if *list {
		for _, p := range platforms {
			fmt.Println(archiveName(*version, p))
		}
		return
	}
	err := error(nil)
	if *of != "" {
		err = printLicences(*of)
	} else {
		err = release(*version, *out)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

func printLicences(program string) error {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return err
	}
	text, err := licences(info.Deps)
	if err != nil {
		return err
	}
	_, err = os.Stdout.Write(text)
	return err
}

func archiveName(version, platform string) string {
	end := ".tar.gz"
	if strings.HasPrefix(platform, "windows/") {
		end = ".zip"
	}
	return "spark-lsp-" + version + "-" + strings.ReplaceAll(platform, "/", "-") + end
}

func release(version, out string) error {
	if version == "" || strings.HasPrefix(version, "v") {
		return errors.New("-version is the number, such as 1.2.3")
	}
	if err := os.MkdirAll(out, 0o755); err != nil {
		return err
	}
	work, err := os.MkdirTemp("", "spark-lsp-release")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)

	// What is linked in differs a little from system to system (a keyring, a terminal), so all are looked at.
	linked := map[string]*debug.Module{}
	var programs []string
	for _, platform := range platforms {
		program := filepath.Join(work, strings.ReplaceAll(platform, "/", "-"), programName(platform))
		if err := build(version, platform, program); err != nil {
			return err
		}
		info, err := buildinfo.ReadFile(program)
		if err != nil {
			return err
		}
		for _, m := range info.Deps {
			linked[m.Path] = m
		}
		programs = append(programs, program)
	}
	modules := slices.SortedFunc(maps.Values(linked), func(a, b *debug.Module) int { return cmp.Compare(a.Path, b.Path) })
	licences, err := licences(modules)
	if err != nil {
		return err
	}
	sums := map[string][]byte{}
	for i, platform := range platforms {
		archive, err := pack(programs[i], platform, licences)
		if err != nil {
			return err
		}
		sums[archiveName(version, platform)] = archive
	}
	bill, err := billOfMaterials(version, modules)
	if err != nil {
		return err
	}
	sums["spark-lsp-"+version+".cdx.json"] = bill

	var checksums strings.Builder
	for _, name := range slices.Sorted(maps.Keys(sums)) {
		fmt.Fprintf(&checksums, "%x  %s\n", sha256.Sum256(sums[name]), name)
		if err := os.WriteFile(filepath.Join(out, name), sums[name], 0o644); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(out, "SHA256SUMS"), []byte(checksums.String()), 0o644)
}

func programName(platform string) string {
	if strings.HasPrefix(platform, "windows/") {
		return "spark-lsp.exe"
	}
	return "spark-lsp"
}

// build links a program without a trace of where and when it was built. The commit is left out as well: it is not known
// when somebody builds from an archive of the sources, and the version names it.
func build(version, platform, program string) error {
	goos, goarch, ok := strings.Cut(platform, "/")
	if !ok {
		return fmt.Errorf("%q is no platform, such as linux/amd64", platform)
	}
	cmd := exec.Command("go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -buildid= -X main.version="+version, "-o", program, ".")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch, "GOFLAGS=", "GOAMD64=v1", "GOARM64=v8.0")
	cmd.Stderr = os.Stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("building for %s: %w", platform, err)
	}
	return nil
}

// pack puts the program, the licences and a README into an archive, all as old as time. The repository's README speaks
// to somebody who has the sources.
func pack(program, platform string, licences []byte) ([]byte, error) {
	files := []struct {
		name string
		mode int64
		data []byte
	}{{filepath.Base(program), 0o755, nil}, {"LICENSE", 0o644, nil}, {"README.md", 0o644, nil}, {"THIRD_PARTY_LICENSES", 0o644, licences}}
	for i, source := range []string{program, "LICENSE", "extension/release/README.md"} {
		data, err := os.ReadFile(source)
		if err != nil {
			return nil, err
		}
		files[i].data = data
	}
	began := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	var b bytes.Buffer
	if strings.HasPrefix(platform, "windows/") {
		w := zip.NewWriter(&b)
		for _, f := range files {
			h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: began}
			h.SetMode(os.FileMode(f.mode))
			entry, err := w.CreateHeader(h)
			if err != nil {
				return nil, err
			}
			if _, err := entry.Write(f.data); err != nil {
				return nil, err
			}
		}
		if err := w.Close(); err != nil {
			return nil, err
		}
		return b.Bytes(), nil
	}
	compressed, err := gzip.NewWriterLevel(&b, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	w := tar.NewWriter(compressed)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Mode: f.mode, Size: int64(len(f.data)), ModTime: began, Typeflag: tar.TypeReg, Format: tar.FormatPAX}
		if err := w.WriteHeader(h); err != nil {
			return nil, err
		}
		if _, err := w.Write(f.data); err != nil {
			return nil, err
		}
	}
	if err := errors.Join(w.Close(), compressed.Close()); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// billOfMaterials is the CycloneDX document of a release: the modules, and the standard library of the toolchain. It has
// neither a serial number nor a time, which would be all that differs between two builds.
func billOfMaterials(version string, modules []*debug.Module) ([]byte, error) {
	type component struct {
		Type    string `json:"type"`
		Ref     string `json:"bom-ref"`
		Name    string `json:"name"`
		Version string `json:"version"`
		URL     string `json:"purl"`
	}
	of := func(kind, path, version string) component {
		url := "pkg:golang/" + path + "@" + version
		return component{Type: kind, Ref: url, Name: path, Version: version, URL: url}
	}
	components := []component{of("library", "std", strings.TrimPrefix(runtime.Version(), "go"))}
	for _, m := range modules {
		components = append(components, of("library", m.Path, m.Version))
	}
	root := of("application", "github.com/spark-lsp/spark-lsp", "v"+version)
	var needs []string
	for _, c := range components {
		needs = append(needs, c.Ref)
	}
	out, err := json.MarshalIndent(map[string]any{
		"bomFormat": "CycloneDX", "specVersion": "1.6", "version": 1,
		"metadata":     map[string]any{"component": root},
		"components":   components,
		"dependencies": []map[string]any{{"ref": root.Ref, "dependsOn": needs}},
	}, "", "  ")
	return append(out, '\n'), err
}

// licences collects the licence texts of all that is linked in, as most of them ask of whoever hands binaries on.
func licences(modules []*debug.Module) ([]byte, error) {
	var b bytes.Buffer
	add := func(name, directory string) error {
		found := 0
		entries, err := os.ReadDir(directory)
		if err != nil {
			return err
		}
		for _, e := range entries {
			upper := strings.ToUpper(e.Name())
			if e.IsDir() || !strings.HasPrefix(upper, "LICEN") && !strings.HasPrefix(upper, "COPYING") && !strings.HasPrefix(upper, "NOTICE") {
				continue
			}
			text, err := os.ReadFile(filepath.Join(directory, e.Name()))
			if err != nil {
				return err
			}
			fmt.Fprintf(&b, "==== %s: %s\n\n%s\n\n", name, e.Name(), bytes.TrimSpace(text))
			found++
		}
		if found == 0 {
			return fmt.Errorf("%s has no licence in %s", name, directory)
		}
		return nil
	}
	goroot, err := output("go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	if err := add("Go "+runtime.Version(), goroot); err != nil {
		return nil, err
	}
	if err := add("the rules for secrets, of gitleaks", "privacy"); err != nil { // data, not a module
		return nil, err
	}
	for _, m := range modules {
		directory, err := output("go", "list", "-m", "-f", "{{.Dir}}", m.Path)
		if err != nil {
			return nil, err
		}
		if err := add(m.Path+" "+m.Version, directory); err != nil {
			return nil, err
		}
	}
	return b.Bytes(), nil
}

func output(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s %s: %w\n%s", name, strings.Join(args, " "), err, &stderr)
	}
	return strings.TrimSpace(string(out)), nil
}
