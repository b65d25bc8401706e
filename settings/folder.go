package settings

import (
	"maps"
	"path"
	"runtime"
	"slices"
	"strings"
)

// foldersName is the table of the user's file that says what differs below a path:
//
//	[folders."~/clients/**"]
//	enabled = false
//
// It is the last word on what it names. Whoever switches this program off for a folder means it, and no workspace can
// switch it on again.
const foldersName = "folders"

// folder is one entry of that table.
type folder struct {
	pattern string
	values  Layer
}

// folders returns the entries of a user file, the most specific last, and what is wrong with them. What is wrong is
// left out.
func (l Layer) folders() ([]folder, []Problem) {
	val, ok := l[foldersName]
	if !ok {
		return nil, nil
	}
	table, ok := val.(map[string]any)
	if !ok {
		return nil, []Problem{{foldersName, UserFile, `must be a table of paths, such as [folders."~/clients"]`}}
	}
	var list []folder
	var problems []Problem
	scratch := Options{}
	for _, pattern := range slices.Sorted(maps.Keys(table)) {
		name := foldersName + "." + show(pattern)
		values, ok := table[pattern].(map[string]any)
		if !ok {
			problems = append(problems, Problem{name, UserFile, "must be a table of settings"})
			continue
		}
		if _, err := path.Match(pattern, ""); err != nil {
			problems = append(problems, Problem{name, UserFile, "is not a pattern: a bracket is not closed"})
			continue
		}
		f := folder{pattern, Flatten(values)}
		for _, key := range slices.Sorted(maps.Keys(f.values)) {
			o, ok := find(key)
			text := ""
			switch {
			case !ok:
				text = "unknown setting" + nearest(key, UserFile)
			case !o.folder:
				text = "cannot differ from folder to folder; these can: " + strings.Join(folderKeys(), ", ")
			default:
				text = o.set(&scratch, f.values[key])
			}
			if text != "" {
				problems = append(problems, Problem{name + "." + key, UserFile, text})
				delete(f.values, key)
			}
		}
		list = append(list, f)
	}
	slices.SortStableFunc(list, func(a, b folder) int { return len(a.pattern) - len(b.pattern) })
	return list, problems
}

// folderKeys are the settings that may differ from folder to folder.
func folderKeys() []string {
	var keys []string
	for _, o := range declared {
		if o.folder {
			keys = append(keys, o.key)
		}
	}
	return keys
}

// FolderLayer returns those of an editor's values for one workspace folder that may differ from folder to folder. The
// consent to spend money is not among them: a folder's settings may come with the repository.
func FolderLayer(values Layer) Layer {
	out := Layer{}
	for key, val := range values {
		if ByFolder(key) {
			out[key] = val
		}
	}
	return out
}

// ByFolder reports whether a setting is one that an editor may have for one workspace folder.
func ByFolder(key string) bool {
	o, ok := find(key)
	return ok && o.scope == "resource"
}

// Folders are what a user file says of folders.
type Folders []folder

// FoldersOf returns what can be taken of a user file's words on folders.
func FoldersOf(userFile Layer) Folders {
	list, _ := userFile.folders()
	return list
}

// Off reports whether the most specific word on a path is that everything is off there.
func (f Folders) Off(path string) bool {
	off := false
	for _, entry := range f {
		val, ok := entry.values["enabled"]
		if ok && entry.holds(path) {
			on, _ := toBool(val)
			off = !on
		}
	}
	return off
}

// holds reports whether an entry speaks of a file: its pattern matches the file's path or that of a directory above.
func (f folder) holds(file string) bool {
	pattern := f.pattern
	if !strings.HasPrefix(pattern, "/") && !hasVolume(pattern) {
		pattern = "**/" + pattern
	}
	if runtime.GOOS == "windows" || runtime.GOOS == "darwin" { // whose file systems do not tell case apart
		pattern, file = strings.ToLower(pattern), strings.ToLower(file)
	}
	return matchSegments(segments(pattern), segments(file))
}

func hasVolume(p string) bool { return len(p) > 1 && p[1] == ':' }

// segments splits a path; empty ones and repeated "**" say nothing.
func segments(p string) []string {
	var out []string
	for s := range strings.SplitSeq(strings.ReplaceAll(p, `\`, "/"), "/") {
		if s != "" && (s != "**" || len(out) == 0 || out[len(out)-1] != "**") {
			out = append(out, s)
		}
	}
	return out
}

func matchSegments(pattern, file []string) bool {
	for len(pattern) > 0 {
		if pattern[0] == "**" {
			for i := range len(file) + 1 {
				if matchSegments(pattern[1:], file[i:]) {
					return true
				}
			}
			return false
		}
		if len(file) == 0 {
			return false
		}
		if ok, _ := path.Match(pattern[0], file[0]); !ok {
			return false
		}
		pattern, file = pattern[1:], file[1:]
	}
	return true // what is left of the file is below
}
