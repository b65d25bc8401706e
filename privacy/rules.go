package privacy

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	gitconfig "github.com/go-git/go-git/v5/plumbing/format/config"
)

// kinds are the ignore files that are honoured, each with the precedence rules of .gitignore among files
// of its own name. A path is ignored when any kind says so: "!secret" in one file cannot open what another
// one closed, since the two were written for different readers.
var kinds = [...]string{
	".gitignore", // first: the only kind that git's exclude files and the directories above the root join
	".aiignore", ".aiexclude", ".sparkignore", ".copilotignore", ".cursorignore", ".continueignore", ".codeiumignore", ".geminiignore",
}

// IgnoreFiles are the names of the ignore files that are honoured.
func IgnoreFiles() []string { return slices.Clone(kinds[:]) }

// maxIgnoreFile bounds one ignore file, in bytes. What lies behind is not read.
const maxIgnoreFile = 1 << 20

// Rules says which files of one workspace folder may be read. It holds no open files and lives as long as
// the folder does. All methods may be called from any goroutine.
//
// A change of an ignore file is noticed at the next question: entries are cached with the file's time and
// size and checked again each time, which costs one stat for a directory and one for an ignore file.
type Rules struct {
	root  string // absolute, symbolic links resolved
	given string // absolute, as the caller wrote it
	above string // the repository's top, root itself or a directory above it; "" outside of a repository
	fold  bool   // the file system ignores case
	shut  []pattern
	deny  []pattern
	allow []pattern
	off   func(path string) bool // nil: nothing is switched off

	excludes []string // git's own exclude files, weakest first

	mu    sync.Mutex
	dirs  map[string]*dirEntry  // absolute directory -> which ignore files it has
	files map[string]*fileEntry // absolute ignore file -> its patterns
}

type dirEntry struct {
	stamp stamp
	has   [len(kinds)]bool
}

type fileEntry struct {
	stamp stamp
	list  []pattern
}

// stamp tells whether a cached reading still holds. A file changed in the same tick of the file system's
// clock as it was read keeps its time, hence settled: a reading of a file that was a moment old is not trusted.
type stamp struct {
	mod     time.Time
	size    int64
	settled bool
}

func stampOf(info fs.FileInfo) stamp {
	return stamp{mod: info.ModTime(), size: info.Size(), settled: time.Since(info.ModTime()) > time.Second}
}

func (s stamp) holds(info fs.FileInfo) bool {
	return s.settled && s.mod.Equal(info.ModTime()) && s.size == info.Size()
}

// Option changes Rules at their making.
type Option func(*Rules)

// Deny adds patterns in the language of gitignore(5), relative to the root, to what is ignored.
func Deny(patterns ...string) Option {
	return func(r *Rules) { r.deny = append(r.deny, parsePatterns(strings.Join(patterns, "\n"), r.fold)...) }
}

// Allow adds patterns in the language of gitignore(5), relative to the root, whose files are let in
// although an ignore file or the built-in list closes them. They must come from the user, never from the
// workspace. Allow does not lead out of the root.
func Allow(patterns ...string) Option {
	return func(r *Rules) {
		r.allow = append(r.allow, parsePatterns(strings.Join(patterns, "\n"), r.fold)...)
	}
}

// Off closes whatever a function says yes to, whatever is allowed otherwise. It is given absolute paths, of files and of
// directories, and asked anew each time, from any goroutine.
func Off(off func(path string) bool) Option { return func(r *Rules) { r.off = off } }

// NewRules reads nothing but what identifies the repository around root, and never fails: a root that does
// not exist simply has no ignore files yet.
func NewRules(root string, opts ...Option) *Rules {
	r := &Rules{dirs: map[string]*dirEntry{}, files: map[string]*fileEntry{}}
	r.given = root
	if abs, err := filepath.Abs(root); err == nil {
		r.given = abs
	}
	r.root = r.given
	if real, err := filepath.EvalSymlinks(r.root); err == nil {
		r.root = real
	}
	r.fold = foldsCase(r.root)
	r.shut = parsePatterns(builtin, true)
	r.above, r.excludes = repository(r.root)
	for _, o := range opts {
		o(r)
	}
	return r
}

// Root returns the absolute directory that relative paths are relative to, symbolic links resolved.
func (r *Rules) Root() string { return r.root }

// Ignored reports whether a file or directory must not be read, and why, in words for a person. The path is
// absolute, or relative to the root. It need not exist (a new document has no file yet), but what exists of
// it is followed: a symbolic link is judged by its own name and by every name it leads to, and what
// lies outside of the root is always ignored.
func (r *Rules) Ignored(name string, isDir bool) (ignored bool, reason string) {
	rel, ok := r.relative(name)
	if !ok {
		return true, "it lies outside of the workspace"
	}
	if ignored, reason = r.judge(rel, isDir); ignored {
		return true, reason
	}
	real, ok := resolve(filepath.Join(r.root, filepath.FromSlash(rel)))
	if !ok {
		return true, "it is a symbolic link that leads nowhere"
	}
	target, ok := within(r.root, real)
	if !ok {
		return true, "it is a symbolic link out of the workspace"
	}
	if target != rel {
		if ignored, reason = r.judge(target, isDir); ignored {
			return true, "it is a symbolic link to " + quote(target) + ": " + reason
		}
	}
	return false, ""
}

// Read returns the content of a file that may be read, at most limit bytes of it (0: no limit). It refuses
// with [ErrIgnored] what Ignored refuses, and anything that is not a regular file. This is the only way by which
// this program reads a workspace's file on its own account.
func (r *Rules) Read(name string, limit int64) ([]byte, error) {
	if ignored, reason := r.Ignored(name, false); ignored {
		return nil, fmt.Errorf("%w: %s", ErrIgnored, reason)
	}
	rel, _ := r.relative(name)
	real, _ := resolve(filepath.Join(r.root, filepath.FromSlash(rel)))
	target, ok := within(r.root, real)
	if !ok {
		return nil, ErrIgnored
	}
	dir, err := os.OpenRoot(r.root)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return readRegular(dir, target, limit)
}

// ErrIgnored is what Read wraps when the rules close a file.
var ErrIgnored = errors.New("the file is closed by the privacy rules")

// readRegular reads a file below dir without following a symbolic link, also when one was put in its
// place after the rules were asked.
func readRegular(dir *os.Root, rel string, limit int64) ([]byte, error) {
	name := filepath.FromSlash(rel)
	before, err := dir.Lstat(name)
	if err != nil {
		return nil, err
	}
	if !before.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: it is not a regular file", ErrIgnored)
	}
	if before.Size() == 0 {
		return nil, nil // also the kernel's own, as /proc/kmsg is: they say that they are regular and empty, and some are endless
	}
	f, err := dir.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	now, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !os.SameFile(before, now) {
		return nil, fmt.Errorf("%w: it changed while it was opened", ErrIgnored)
	}
	var src io.Reader = f
	if limit > 0 {
		src = io.LimitReader(f, limit)
	}
	return io.ReadAll(src)
}

// relative makes a path slash-separated and relative to the root, by its letters alone.
func (r *Rules) relative(name string) (string, bool) {
	if strings.ContainsRune(name, 0) {
		return "", false
	}
	if !filepath.IsAbs(name) {
		// Joined before cleaning, so that "../x" is seen to lead out.
		return within(r.root, filepath.Join(r.root, name))
	}
	if rel, ok := within(r.root, filepath.Clean(name)); ok {
		return rel, true
	}
	if rel, ok := within(r.given, filepath.Clean(name)); ok {
		return rel, true
	}
	if r.fold {
		// /Home/x and /home/x are one file here, so the letters do not tell. Compare files.
		if real, ok := resolve(filepath.Clean(name)); ok {
			for up := real; ; up = filepath.Dir(up) {
				if sameFile(up, r.root) {
					return within(up, real)
				}
				if up == filepath.Dir(up) {
					break
				}
			}
		}
	}
	return "", false
}

// judge asks the built-in list and every ignore file about a path and each directory above it.
func (r *Rules) judge(rel string, isDir bool) (bool, string) {
	if rel == "." {
		return false, ""
	}
	if r.switchedOff(rel) {
		return true, "the settings switch this folder off"
	}
	allowed := false
	names := strings.Split(rel, "/")
	for i := range names {
		part := strings.Join(names[:i+1], "/")
		dir := isDir || i < len(names)-1
		allowed = r.allowed(part, dir, allowed)
	}
	if allowed {
		return false, ""
	}
	lv := r.levelsAtRoot()
	for i := range names {
		part := strings.Join(names[:i+1], "/")
		if ignored, reason := r.judgeOne(part, isDir || i < len(names)-1, &lv); ignored {
			return true, reason
		}
		if i < len(names)-1 {
			r.addDir(&lv, path.Join(filepath.ToSlash(r.root), part))
		}
	}
	return false, ""
}

// switchedOff asks Off's function about a path, by each of the names that the root has.
func (r *Rules) switchedOff(rel string) bool {
	if r.off == nil {
		return false
	}
	name := filepath.FromSlash(rel)
	return r.off(filepath.Join(r.root, name)) || r.given != r.root && r.off(filepath.Join(r.given, name))
}

// allowed says whether the user's own Allow patterns let rel in, given whether they let its directory in.
func (r *Rules) allowed(rel string, isDir, parent bool) bool {
	if p := lastMatch(r.allow, rel, isDir); p != nil {
		return !p.negated
	}
	return parent
}

func (r *Rules) closed(rel string, isDir bool, lv *levels) bool {
	ignored, _ := r.judgeOne(rel, isDir, lv)
	return ignored
}

// levels are the ignore files that apply in one directory: every kind, deepest directory last.
type levels [len(kinds)][]level

type level struct {
	file string // for the reason
	base string // absolute directory that its patterns are relative to, slash-separated
	list []pattern
}

// judgeOne asks about a path whose parents are known to be open; lv is what applies in its directory.
func (r *Rules) judgeOne(rel string, isDir bool, lv *levels) (bool, string) {
	if p := lastMatch(r.shut, trimWindows(rel), isDir); p != nil && !p.negated {
		return true, "files like " + quote(p.text) + " hold secrets and are never read"
	}
	if p := lastMatch(r.deny, rel, isDir); p != nil && !p.negated {
		return true, "the settings close " + quote(p.text)
	}
	abs := path.Join(filepath.ToSlash(r.root), rel)
	for k := range lv {
		for i := len(lv[k]) - 1; i >= 0; i-- {
			l := &lv[k][i]
			p := lastMatch(l.list, strings.TrimPrefix(strings.TrimPrefix(abs, l.base), "/"), isDir)
			if p == nil {
				continue
			}
			if !p.negated {
				return true, fmt.Sprintf("%s:%d: %s", l.file, p.line, quote(p.text))
			}
			break
		}
	}
	return false, ""
}

// levelsAtRoot collects what applies in the root itself: git's exclude files, then every ignore file from
// the repository's top down to the root. A root that the directories above it ignore as a whole is open
// nevertheless, since the user opened it by hand.
func (r *Rules) levelsAtRoot() levels {
	var lv levels
	root := filepath.ToSlash(r.root)
	dir := root
	if r.above != "" {
		dir = filepath.ToSlash(r.above)
	}
	for _, f := range r.excludes {
		lv.add(0, level{file: f, base: dir, list: r.patterns(f, true)})
	}
	r.addDir(&lv, dir)
	if below := strings.Trim(strings.TrimPrefix(root, dir), "/"); below != "" {
		for name := range strings.SplitSeq(below, "/") {
			dir = path.Join(dir, name)
			r.addDir(&lv, dir)
		}
	}
	return lv
}

func (lv *levels) add(kind int, l level) {
	if len(l.list) > 0 {
		lv[kind] = append(slices.Clip(lv[kind]), l)
	}
}

func (r *Rules) addDir(lv *levels, dir string) {
	has := r.has(filepath.FromSlash(dir))
	for k, name := range kinds {
		if has[k] {
			file := filepath.FromSlash(path.Join(dir, name))
			// git does not follow a .gitignore that is a symbolic link. The others are ours to define,
			// and a team that links one shared .aiignore into each project means it.
			lv.add(k, level{file: r.display(file), base: dir, list: r.patterns(file, k > 0)})
		}
	}
}

// display shortens a file below the root for a reason.
func (r *Rules) display(file string) string {
	if rel, ok := within(r.root, file); ok {
		return rel
	}
	return file
}

// has tells which kinds of ignore files a directory holds, from the cache while the directory is unchanged.
func (r *Rules) has(dir string) [len(kinds)]bool {
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return [len(kinds)]bool{}
	}
	r.mu.Lock()
	e := r.dirs[dir]
	r.mu.Unlock()
	if e != nil && e.stamp.holds(info) {
		return e.has
	}
	e = &dirEntry{stamp: stampOf(info)}
	for k, name := range kinds {
		_, err := os.Lstat(filepath.Join(dir, name))
		e.has[k] = err == nil
	}
	r.mu.Lock()
	r.dirs[dir] = e
	r.mu.Unlock()
	return e.has
}

// patterns returns an ignore file's patterns, from the cache while the file is unchanged. A file that
// cannot be read has none, as with git.
func (r *Rules) patterns(file string, follow bool) []pattern {
	info, err := os.Lstat(file)
	if err == nil && follow && info.Mode()&fs.ModeSymlink != 0 {
		info, err = os.Stat(file)
	}
	if err != nil || !info.Mode().IsRegular() {
		return nil
	}
	r.mu.Lock()
	e := r.files[file]
	r.mu.Unlock()
	if e != nil && e.stamp.holds(info) {
		return e.list
	}
	e = &fileEntry{stamp: stampOf(info)}
	if f, err := os.Open(file); err == nil {
		data, _ := io.ReadAll(io.LimitReader(f, maxIgnoreFile))
		f.Close()
		e.list = parsePatterns(string(data), r.fold)
	}
	r.mu.Lock()
	r.files[file] = e
	r.mu.Unlock()
	return e.list
}

// repository finds the repository that root belongs to and git's exclude files for it, weakest first.
func repository(root string) (top string, excludes []string) {
	for dir := root; ; dir = filepath.Dir(dir) {
		if git := gitDir(filepath.Join(dir, ".git")); git != "" {
			return dir, append(userExcludes(), filepath.Join(git, "info", "exclude"))
		}
		if dir == filepath.Dir(dir) {
			// Without a repository a .gitignore at the root still says what the user thinks of as private.
			return "", userExcludes()
		}
	}
}

// gitDir follows a .git that is a directory, or the file of a linked work tree, to the directory shared by
// all work trees, where info/exclude lives.
func gitDir(dotGit string) string {
	info, err := os.Stat(dotGit)
	if err != nil {
		return ""
	}
	dir := dotGit
	if !info.IsDir() {
		text, ok := readLine(dotGit)
		if text, ok = strings.CutPrefix(text, "gitdir: "); !ok {
			return ""
		}
		if dir = text; !filepath.IsAbs(dir) {
			dir = filepath.Join(filepath.Dir(dotGit), dir)
		}
	}
	if common, ok := readLine(filepath.Join(dir, "commondir")); ok {
		if !filepath.IsAbs(common) {
			common = filepath.Join(dir, common)
		}
		dir = common
	}
	return dir
}

func readLine(file string) (string, bool) {
	f, err := os.Open(file)
	if err != nil {
		return "", false
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, 1<<12))
	return strings.TrimSpace(string(data)), err == nil
}

// userExcludes are core.excludesFile of the user's configuration, or its default place. The repository's
// own configuration is not read: git allows the setting there, but it is nowhere used in practice and
// would let a workspace point at files of the user.
func userExcludes() []string {
	home, _ := os.UserHomeDir()
	xdg := os.Getenv("XDG_CONFIG_HOME")
	if xdg == "" && home != "" {
		xdg = filepath.Join(home, ".config")
	}
	if home == "" && xdg == "" {
		return nil
	}
	file := filepath.Join(xdg, "git", "ignore")
	for _, name := range []string{filepath.Join(xdg, "git", "config"), filepath.Join(home, ".gitconfig")} {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		c := gitconfig.New()
		if gitconfig.NewDecoder(io.LimitReader(f, maxIgnoreFile)).Decode(c) == nil {
			if v := c.Section("core").Options.Get("excludesfile"); v != "" {
				file = v
			}
		}
		f.Close()
	}
	if rest, ok := strings.CutPrefix(file, "~/"); ok {
		file = filepath.Join(home, rest)
	}
	return []string{file}
}

// foldsCase reports whether the file system that holds dir takes names of either case for one, as git
// finds out for core.ignoreCase: by asking for an existing name in the other case.
func foldsCase(dir string) bool {
	base := filepath.Base(dir)
	other := strings.Map(func(c rune) rune {
		switch {
		case 'a' <= c && c <= 'z':
			return c - 'a' + 'A'
		case 'A' <= c && c <= 'Z':
			return c - 'A' + 'a'
		}
		return c
	}, base)
	if other == base {
		if up := filepath.Dir(dir); up != dir {
			return foldsCase(up)
		}
		return runtime.GOOS == "windows" || runtime.GOOS == "darwin"
	}
	return sameFile(dir, filepath.Join(filepath.Dir(dir), other))
}

func sameFile(a, b string) bool {
	x, err := os.Stat(a)
	if err != nil {
		return false
	}
	y, err := os.Stat(b)
	return err == nil && os.SameFile(x, y)
}

// resolve follows symbolic links as far as the path exists and keeps the rest. ok is false for a link that
// leads nowhere: what will be there one day cannot be judged today.
func resolve(abs string) (real string, ok bool) {
	rest := ""
	for dir := abs; ; dir = filepath.Dir(dir) {
		real, err := filepath.EvalSymlinks(dir)
		if err == nil {
			return filepath.Join(real, rest), true
		}
		if info, err := os.Lstat(dir); err == nil && info.Mode()&fs.ModeSymlink != 0 {
			return "", false
		}
		if dir == filepath.Dir(dir) {
			return abs, true
		}
		rest = filepath.Join(filepath.Base(dir), rest)
	}
}

// within returns name relative to root, slash-separated, when it is root or lies below it.
func within(root, name string) (string, bool) {
	rel, err := filepath.Rel(root, name)
	if err != nil || rel == ".." || strings.HasPrefix(rel, ".."+string(filepath.Separator)) {
		return "", false
	}
	return filepath.ToSlash(rel), true
}

// trimWindows undoes what Windows does not tell apart in the last element: ".env", ".env." and
// ".env::$DATA" are one file there. It is applied everywhere, since no honest name ends so.
func trimWindows(rel string) string {
	cut := strings.LastIndexByte(rel, '/') + 1
	dir, name := rel[:cut], rel[cut:]
	if i := strings.IndexByte(name, ':'); i > 0 {
		name = name[:i]
	}
	return dir + strings.TrimRight(name, ". ")
}

// quote makes a name from the workspace safe to show: no control characters, no escape codes.
func quote(s string) string { return fmt.Sprintf("%q", s) }
