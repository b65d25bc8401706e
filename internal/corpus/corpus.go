// Package corpus fetches public modules for tests and benchmarks that need code which nobody wrote for them. It uses the
// ordinary clients with whatever they are configured with, keeps what it fetched in their caches, and stores nothing in
// the repository.
package corpus

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// Go returns the folder that holds a version of a Go module: golang.org/x/tools, v0.52.0.
func Go(ctx context.Context, module, version string) (dir string, err error) {
	tmp, err := os.MkdirTemp("", "corpus")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	// A module of its own: go.sum of whoever asks must not change.
	if err := os.WriteFile(filepath.Join(tmp, "go.mod"), []byte("module corpus\n"), 0o644); err != nil {
		return "", err
	}
	out, err := run(ctx, tmp, "go", "mod", "download", "-json", module+"@"+version)
	if err != nil {
		return "", err
	}
	var mod struct{ Dir, Error string }
	if err := json.Unmarshal(out, &mod); err != nil {
		return "", err
	}
	if mod.Dir == "" {
		return "", errors.New(mod.Error)
	}
	return mod.Dir, nil
}

// NPM returns the folder that holds a version of an npm package. Nothing of the package is run.
func NPM(ctx context.Context, name, version string) (dir string, err error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", err
	}
	dir = filepath.Join(cache, "spark-lsp-test", "npm", strings.ReplaceAll(name, "/", "+")+"@"+version)
	if _, err := os.Stat(dir); err == nil {
		return dir, nil
	}
	tmp, err := os.MkdirTemp("", "corpus")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	if _, err := run(ctx, tmp, "npm", "pack", name+"@"+version, "--ignore-scripts"); err != nil {
		return "", err
	}
	tgz, err := filepath.Glob(filepath.Join(tmp, "*.tgz"))
	if err != nil || len(tgz) != 1 {
		return "", fmt.Errorf("npm pack left %v (%v)", tgz, err)
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return "", err
	}
	part, err := os.MkdirTemp(filepath.Dir(dir), "part")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(part)
	if err := unpack(tgz[0], part); err != nil {
		return "", err
	}
	if err := os.Rename(part, dir); err != nil && !errors.Is(err, fs.ErrExist) {
		if _, e := os.Stat(dir); e != nil { // another test was faster otherwise
			return "", err
		}
	}
	return dir, nil
}

func run(ctx context.Context, dir, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", name, args[0], err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}

const maxFile = 1 << 20 // bytes; what is larger is no source

// unpack writes the files of an npm tarball below dir.
func unpack(tgz, dir string) error {
	f, err := os.Open(tgz)
	if err != nil {
		return err
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		return err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return err
	}
	defer root.Close()
	for r := tar.NewReader(z); ; {
		h, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		name := filepath.FromSlash(path.Clean(h.Name))
		if h.Typeflag != tar.TypeReg || !filepath.IsLocal(name) || h.Size > maxFile {
			continue
		}
		data, err := io.ReadAll(r)
		if err != nil {
			return err
		}
		if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := root.WriteFile(name, data, 0o644); err != nil {
			return err
		}
	}
}
