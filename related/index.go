package related

import (
	"iter"
	"math"
	"path"
	"slices"
	"strings"
	"sync"
)

// Index knows what the files of a workspace define. Paths are slash-separated, and those of one workspace begin alike.
// It may be used from several goroutines.
type Index struct {
	mu    sync.RWMutex // guards what follows
	files map[string]*file
	names map[string][]ref // by name of what is defined
	dirs  map[string][]*file
	stems map[string][]*file // by the last element of the path, without extension
	bytes int                // of the definitions' texts
}

type file struct {
	path, dir, stem string
	family          family
	defs            []Definition
}

type ref struct {
	file *file
	n    int // in file.defs
}

// maxIndex bounds the texts that an index keeps, bytes. Later files are not taken in.
const maxIndex = 48 << 20

// Add takes a file in, in place of what was known of it. language "" goes by the path.
func (x *Index) Add(p, language, text string) {
	if language == "" {
		language = LanguageOf(p)
	}
	if language == "" {
		return
	}
	f := &file{path: p, dir: path.Dir(p), stem: stem(p), family: familyOf(language), defs: Outline(language, text)}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.removeLocked(p)
	if x.files == nil {
		x.files, x.names = map[string]*file{}, map[string][]ref{}
		x.dirs, x.stems = map[string][]*file{}, map[string][]*file{}
	}
	if x.bytes > maxIndex {
		return
	}
	x.files[p] = f
	x.dirs[f.dir] = append(x.dirs[f.dir], f)
	x.stems[path.Base(f.stem)] = append(x.stems[path.Base(f.stem)], f)
	for n, d := range f.defs {
		x.names[d.Name] = append(x.names[d.Name], ref{f, n})
		x.bytes += len(d.Text)
	}
}

// Remove forgets a file.
func (x *Index) Remove(p string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.removeLocked(p)
}

func (x *Index) removeLocked(p string) {
	f := x.files[p]
	if f == nil {
		return
	}
	delete(x.files, p)
	drop := func(m map[string][]*file, key string) {
		if m[key] = slices.DeleteFunc(m[key], func(o *file) bool { return o == f }); len(m[key]) == 0 {
			delete(m, key)
		}
	}
	drop(x.dirs, f.dir)
	drop(x.stems, path.Base(f.stem))
	for _, d := range f.defs {
		x.bytes -= len(d.Text)
		if x.names[d.Name] = slices.DeleteFunc(x.names[d.Name], func(r ref) bool { return r.file == f }); len(x.names[d.Name]) == 0 {
			delete(x.names, d.Name)
		}
	}
}

// Query is a place for which definitions are wanted.
type Query struct {
	Path, Language string
	Text           string          // the file
	Cursor         int             // bytes of Text
	Open           map[string]bool // paths of what else is open
}

// Found is a definition, and why it may help.
type Found struct {
	Definition
	Path  string
	Why   string
	Score float64 // of no meaning but the order
}

// How near a line must be for its names to count, and what the different signs weigh. The numbers were chosen on
// golang.org/x/tools and hold on other modules; see TestRecall.
const (
	linesAbove, linesBelow = 50, 20
	halfway                = 8.0  // lines after which a name counts half
	anywhere               = 0.12 // a name that stands somewhere in the file
	memberShare            = 0.30 // what a type passes on to its members
	manyMembers            = 16.0 // from which on each member gets less
	typeShare              = 0.25 // what a signature passes on to the types in it
	tooCommon              = 24   // so many definers make a name mean nothing
)

// Definitions returns what other files define that may be wanted at a place, the likeliest first, at most most.
func (x *Index) Definitions(q Query, most int) []Found {
	if q.Language == "" {
		q.Language = LanguageOf(q.Path)
	}
	fam := familyOf(q.Language)
	x.mu.RLock()
	defer x.mu.RUnlock()
	imported := x.importedLocked(imports(q.Language, q.Path, q.Text))
	dir := path.Dir(q.Path)
	own := map[string]bool{}
	if f := x.files[q.Path]; f != nil {
		for _, d := range f.defs {
			if d.Type || d.Owner == "" {
				own[d.Name] = true
			}
		}
	}
	weights := nameWeights(q.Text, q.Cursor)

	locality := func(f *file) float64 {
		switch {
		case imported[f]:
			return 1
		case f.dir == dir && (fam == golang || fam == jvm):
			return 1
		case f.dir == dir:
			return 0.6
		case q.Open[f.path]:
			return 0.5
		}
		return 0.2
	}
	related := func(f *file) bool { return f.path != q.Path && (f.family == fam || fam == generic) }
	inScope := func(r ref) bool { // Go: a small letter keeps a name in its package
		return fam != golang || r.file.dir == dir || isUpper(r.file.defs[r.n].Name[0])
	}
	scores := map[ref]float64{}
	why := map[ref]string{}
	give := func(r ref, score float64, reason string) {
		if !inScope(r) {
			return
		}
		if score > scores[r] {
			why[r] = reason
		}
		scores[r] = max(scores[r], score) + min(scores[r], score)/4
	}
	type named struct {
		name   string
		weight float64
	}
	var names []named
	for n, w := range weights {
		if len(x.names[n]) > 0 {
			names = append(names, named{n, w})
		}
	}
	slices.SortFunc(names, func(a, b named) int { return strings.Compare(a.name, b.name) }) // sums of floats depend on their order
	for _, n := range names {
		refs := x.names[n.name]
		if own[n.name] && len(n.name) > 0 {
			continue
		}
		for _, r := range refs {
			if !related(r.file) {
				continue
			}
			l := locality(r.file)
			if len(refs) > tooCommon && l < 1 {
				continue
			}
			if fam == golang && l < 1 && r.file.defs[r.n].Owner == "" {
				continue // not without an import
			}
			give(r, n.weight*l/math.Sqrt(float64(len(refs))), "defines "+n.name+", which is named near the cursor")
		}
	}
	// What a type near the cursor can do, and the types that signatures near the cursor speak of.
	first := ranked(scores)
	for _, r := range first[:min(len(first), 60)] {
		d := r.file.defs[r.n]
		if d.Type {
			continue
		}
		for n := range identifiers(d.Text) {
			if n == d.Name || own[n] {
				continue
			}
			for _, o := range x.names[n] {
				if o.file.defs[o.n].Type && related(o.file) && (o.file.dir == r.file.dir || imported[o.file]) {
					give(o, scores[r]*typeShare, d.Name+" speaks of "+n)
				}
			}
		}
	}
	first = ranked(scores)
	for _, r := range first[:min(len(first), 40)] {
		d := r.file.defs[r.n]
		if !d.Type {
			continue
		}
		var members []ref
		for _, f := range x.dirs[r.file.dir] {
			if f != r.file && fam != golang {
				continue
			}
			for n, m := range f.defs {
				if m.Owner == d.Name {
					members = append(members, ref{f, n})
				}
			}
		}
		// Of a type with a hundred methods each one is less likely.
		share := scores[r] * memberShare * min(1, manyMembers/float64(len(members)+1))
		for _, m := range members {
			give(m, share*(0.5+weights[m.file.defs[m.n].Name]), "belongs to "+d.Name+", which is named near the cursor")
		}
	}
	// What is at hand though nobody has named it yet: of imported files, and of the package.
	hand := map[string]float64{}
	for n, w := range weights {
		for _, part := range subwords(n) {
			hand[part] = max(hand[part], w)
		}
	}
	fill := func(f *file, weight float64, reason string) {
		if !related(f) {
			return
		}
		for n, d := range f.defs {
			alike := 0.0
			parts := subwords(d.Name)
			for _, p := range parts {
				alike += hand[p]
			}
			give(ref{f, n}, weight*(0.02+0.1*alike/float64(len(parts)+1)), reason)
		}
	}
	for f := range imported {
		fill(f, 1, "is in an imported file")
	}
	if fam == golang || fam == jvm {
		for _, f := range x.dirs[dir] {
			fill(f, 0.8, "is in the same package")
		}
	}

	var out []Found
	told := map[ref]bool{}
	for _, r := range ranked(scores) {
		if len(out) == most {
			break
		}
		reason := why[r]
		if whole, ok := r.file.bodyWith(r.n); ok { // the type says it, and what there is beside it
			r = ref{r.file, whole}
		}
		if told[r] {
			continue
		}
		told[r] = true
		out = append(out, Found{r.file.defs[r.n], r.file.path, reason, scores[r]})
	}
	return out
}

// bodyWith finds the type whose text shows a member's line.
func (f *file) bodyWith(member int) (n int, ok bool) {
	d := &f.defs[member]
	if d.Owner == "" || d.Type {
		return 0, false
	}
	line, _, _ := strings.Cut(strings.TrimSpace(d.Text), "\n")
	for n := member - 1; n >= 0; n-- {
		if t := &f.defs[n]; t.Type && t.Name == d.Owner {
			return n, strings.Contains(t.Text, line)
		}
	}
	return 0, false
}

// ranked lists references, the best first and always in the same order.
func ranked(scores map[ref]float64) []ref {
	list := make([]ref, 0, len(scores))
	for r := range scores {
		list = append(list, r)
	}
	slices.SortFunc(list, func(a, b ref) int {
		switch {
		case scores[a] != scores[b]:
			if scores[a] > scores[b] {
				return -1
			}
			return 1
		case a.file.path != b.file.path:
			return strings.Compare(a.file.path, b.file.path)
		}
		return a.n - b.n
	})
	return list
}

// nameWeights says how much each name of a text counts at a place: those nearby most.
func nameWeights(text string, cursor int) map[string]float64 {
	weights := map[string]float64{}
	if len(text) > maxFile {
		lo := max(0, cursor-maxFile/2)
		text, cursor = text[lo:min(len(text), lo+maxFile)], cursor-lo
	}
	for line := range strings.Lines(text) {
		if len(line) > maxLine {
			continue
		}
		for n := range namesIn(line) {
			if len(n) > 1 {
				weights[n] = anywhere
			}
		}
	}
	lo, hi := cursor, cursor
	for n := 0; n <= linesAbove && lo > 0; n++ {
		start := strings.LastIndexByte(text[:lo], '\n') + 1
		near(weights, text[start:lo], float64(n))
		lo = max(0, start-1)
	}
	for n := 0; n < linesBelow && hi < len(text); n++ {
		end := len(text)
		if i := strings.IndexByte(text[hi:], '\n'); i >= 0 {
			end = hi + i
		}
		near(weights, text[hi:end], float64(n)*1.5)
		hi = end + 1
	}
	return weights
}

func near(weights map[string]float64, line string, distance float64) {
	if len(line) > maxLine {
		return
	}
	w := halfway / (halfway + distance)
	for n := range namesIn(line) {
		if len(n) > 1 {
			weights[n] = max(weights[n], w) + 0.02
		}
	}
}

// namesIn are the names in a line. Prose, in comments and texts, is full of words that are names somewhere, so of those
// only what looks like a name counts.
func namesIn(line string) iter.Seq[string] {
	return func(yield func(string) bool) {
		code := codeEnd(line)
		for n := range identifiers(line[:code]) {
			if !yield(n) {
				return
			}
		}
		for n := range identifiers(line[code:]) {
			if strings.ContainsFunc(n[1:], func(r rune) bool { return r == '_' || 'A' <= r && r <= 'Z' }) && !yield(n) {
				return
			}
		}
	}
}

// codeEnd is where a line's comment begins, in most languages.
func codeEnd(line string) int {
	s := strings.TrimLeft(line, " \t")
	if strings.HasPrefix(s, "*") || strings.HasPrefix(s, "# ") {
		return 0
	}
	for i := 0; i+1 < len(line); i++ {
		if c := line[i+1]; line[i] == '/' && (c == '/' || c == '*') && (i == 0 || line[i-1] != ':') {
			return i
		}
	}
	return len(line)
}

// subwords are the parts of a name: parseHeaderLine has three. They are lower-case.
func subwords(name string) []string {
	var parts []string
	start := 0
	for i := 1; i <= len(name); i++ {
		if i == len(name) || name[i] == '_' || isUpper(name[i]) && !isUpper(name[i-1]) || isUpper(name[i-1]) && i+1 < len(name) && isUpper(name[i]) && !isUpper(name[i+1]) {
			if p := strings.ToLower(strings.Trim(name[start:i], "_$")); len(p) > 2 {
				parts = append(parts, p)
			}
			start = i
		}
	}
	return parts
}

func isUpper(c byte) bool { return 'A' <= c && c <= 'Z' }

// importedLocked are the files that imports mean: of a directory, all in it. x.mu is held.
func (x *Index) importedLocked(specs []string) map[*file]bool {
	out := map[*file]bool{}
	for _, spec := range specs {
		for _, f := range x.stems[path.Base(spec)] {
			if endsWith(f.stem, spec) || endsWith(spec, f.stem) && f.family != golang {
				out[f] = true
			}
		}
		// A package is a directory: the longest one that the import ends with.
		for d := spec; d != "." && d != "/"; {
			if files := x.dirs[d]; len(files) > 0 && files[0].family == golang {
				for _, f := range files {
					if !strings.HasSuffix(f.path, "_test.go") {
						out[f] = true
					}
				}
				break
			}
			_, rest, ok := strings.Cut(d, "/")
			if !ok {
				break
			}
			d = rest
		}
	}
	return out
}

// endsWith reports whether a path ends with another one's elements.
func endsWith(p, end string) bool {
	return p == end || strings.HasSuffix(p, "/"+end)
}
