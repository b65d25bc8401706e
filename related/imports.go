package related

import (
	"path"
	"strings"
)

// imports are the other files or directories that a text names, as candidates of what their paths end with, without
// extension. Several candidates may stand for one import: the index knows which of them exist.
func imports(language, file, text string) []string {
	if len(text) > maxFile {
		text = text[:maxFile]
	}
	var list []string
	dir := path.Dir(file)
	add := func(p string) {
		if p = strings.Trim(path.Clean(p), "/"); p != "" && p != "." && !strings.HasPrefix(p, "..") {
			list = append(list, p)
		}
	}
	f := familyOf(language)
	group := false // Go: in import ( ... )
	for line := range strings.SplitSeq(text, "\n") {
		s := strings.TrimSpace(line)
		if s == "" || len(s) > maxLine {
			continue
		}
		switch f {
		case golang:
			switch {
			case strings.HasPrefix(s, "import ("):
				group = true
			case group && s[0] == ')', strings.HasPrefix(s, "func "), strings.HasPrefix(s, "type "):
				return list // imports come first
			case group, strings.HasPrefix(s, "import "):
				add(quoted(s))
			}
		case script:
			i := strings.Index(s, "from ")
			if i < 0 {
				i = strings.Index(s, "require(")
			}
			if i < 0 && strings.HasPrefix(s, "import") {
				i = 0
			}
			if i < 0 {
				continue
			}
			spec := quoted(s[i:])
			switch {
			case strings.HasPrefix(spec, "."):
				add(stem(path.Join(dir, spec)))
				add(path.Join(dir, spec, "index"))
			case strings.Contains(spec, "/"): // an alias of a folder, as far as it goes
				add(stem(strings.TrimLeft(spec, "@~/")))
			}
		case python:
			if rest, ok := strings.CutPrefix(s, "from "); ok {
				from, names, _ := strings.Cut(rest, " import ")
				from = strings.TrimSpace(from)
				base := ""
				if dots := len(from) - len(strings.TrimLeft(from, ".")); dots > 0 {
					base = dir
					for range dots - 1 {
						base = path.Dir(base)
					}
					from = from[dots:]
				}
				p := path.Join(base, strings.ReplaceAll(from, ".", "/"))
				add(p)
				add(path.Join(p, "__init__"))
				for n := range identifiers(names) {
					add(path.Join(p, n))
				}
			} else if rest, ok := strings.CutPrefix(s, "import "); ok {
				for m := range strings.SplitSeq(rest, ",") {
					m, _, _ = strings.Cut(strings.TrimSpace(m), " ")
					p := strings.ReplaceAll(m, ".", "/")
					add(p)
					add(path.Join(p, "__init__"))
				}
			}
		case rust:
			s = strings.TrimPrefix(s, "pub ")
			if m, ok := strings.CutPrefix(s, "mod "); ok && strings.HasSuffix(s, ";") {
				m = strings.TrimSuffix(m, ";")
				add(path.Join(dir, m))
				add(path.Join(dir, m, "mod"))
				add(path.Join(stem(file), m))
			}
			if u, ok := strings.CutPrefix(s, "use "); ok {
				u, _, _ = strings.Cut(u, "{")
				u = strings.Trim(u, ":; ")
				segments := strings.Split(u, "::")
				base := "src"
				switch segments[0] {
				case "super":
					base = dir
				case "self":
					base = stem(file)
				case "crate":
				default:
					base = path.Join(segments[0], "src") // a crate of the same workspace
				}
				for n := len(segments); n > 1; n-- {
					p := path.Join(base, path.Join(segments[1:n]...))
					add(p)
					add(path.Join(p, "mod"))
				}
			}
		case jvm:
			for _, key := range []string{"import static ", "import ", "using ", "use "} {
				if rest, ok := strings.CutPrefix(s, key); ok {
					p := strings.NewReplacer(".", "/", "\\", "/").Replace(strings.Trim(rest, "; "))
					add(strings.TrimSuffix(p, "/*"))
					if key == "import static " {
						add(path.Dir(p))
					}
					break
				}
			}
		case cfamily:
			if rest, ok := strings.CutPrefix(s, "#include"); ok {
				if spec := quoted(rest); spec != "" {
					add(stem(path.Join(dir, spec)))
					add(stem(spec))
				}
			}
		case ruby:
			if rest, ok := strings.CutPrefix(s, "require_relative "); ok {
				add(path.Join(dir, quoted(rest)))
			} else if rest, ok := strings.CutPrefix(s, "require "); ok {
				add(quoted(rest))
			}
		}
	}
	if f == cfamily {
		add(stem(file)) // the header of a source, and the other way round
	}
	return list
}

// quoted is the first text in quotes.
func quoted(s string) string {
	i := strings.IndexAny(s, "\"'`<")
	if i < 0 {
		return ""
	}
	end := s[i]
	if end == '<' {
		end = '>'
	}
	j := strings.IndexByte(s[i+1:], end)
	if j < 0 {
		return ""
	}
	return s[i+1 : i+1+j]
}

// stem is a path without the extension of a source.
func stem(p string) string {
	p = strings.TrimSuffix(p, ".d.ts")
	ext := path.Ext(p)
	if len(ext) > 1 && len(ext) <= 6 && LanguageOf(p) != "" {
		return strings.TrimSuffix(p, ext)
	}
	return p
}
