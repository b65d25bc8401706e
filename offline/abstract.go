package offline

// The abstract form of a text has a name that could be a variable replaced by how far back it was used
// last, so that "y, ok := m[k]; if ok" looks like "v, found := cache[id]; if found". A continuation
// found in that form is translated back by the names at hand: code that was copied and renamed is predicted
// although no context of its words was ever seen.
const (
	unseen  word = 1 << 30 // a name not used within the last maxBack tokens; unseen+d: used d tokens ago
	maxBack      = 48
)

// keywords of many languages, which are never variables. A name that is missing here is merely treated as a
// variable, one too many as itself.
var keywords = wordSet(`if else for while do return func function fn def class struct interface type enum impl trait package import
	from export default const let var new delete this self super switch case match select break continue goto go defer chan map range
	try catch except finally throw throws raise with as in is not and or lambda yield await async static public private protected
	extends implements abstract final void int int64 string bool boolean float64 number any error nil null None true false True False
	undefined typeof instanceof keyof readonly pub mut use mod where loop unsafe move ref extern crate pass elif global nonlocal assert del
	print namespace using template typename virtual override unsigned char long short double float sizeof size_t auto end then
	make len append cap copy panic require module exports object begin unless local echo fi done esac`)

func wordSet(s string) map[string]bool {
	set := map[string]bool{}
	word := ""
	for _, c := range s + " " {
		if c == ' ' || c == '\n' || c == '\t' {
			if word != "" {
				set[word] = true
			}
			word = ""
		} else {
			word += string(c)
		}
	}
	return set
}

// role says how a token takes part in the abstract form.
type role uint8

const (
	itself   role = iota // stands for itself
	variable             // may be renamed
	selector             // a dot: what follows is a member, which is not renamed
)

func roleOf(text string, k kind) role {
	switch {
	case k == ident:
		if keywords[text] {
			return itself
		}
		return variable
	case text == "." || text == "?." || text == "->" || text == "::":
		return selector
	}
	return itself
}

// rolesOf looks roles up. A word that the project does not know is a variable even if it looks like a type: its
// own contexts are in no index, those of its kind are.
func rolesOf(words []entry) func(word) role {
	return func(w word) role {
		if w >= localWord {
			return variable
		}
		return words[w].role
	}
}

// shape is the class of a token as a place: what may follow "(" is not what may follow "=".
type shape uint8

const (
	lineShape shape = iota
	keywordShape
	nameShape
	valueShape
	dotShape
	openShape
	commaShape
	bindShape
	braceShape
	closeShape
	otherShape
)

func shapeOf(text string, k kind) shape {
	switch k {
	case newline:
		return lineShape
	case ident:
		if keywords[text] {
			return keywordShape
		}
		return nameShape
	case number, literal:
		return valueShape
	}
	switch text {
	case ".", "?.", "->", "::":
		return dotShape
	case "(", "[":
		return openShape
	case ",":
		return commaShape
	case "=", ":=", ":":
		return bindShape
	case "{", "}", ";":
		return braceShape
	case ")", "]":
		return closeShape
	}
	return otherShape
}

func shapesOf(words []entry) func(word) shape {
	return func(w word) shape {
		if w >= localWord {
			return nameShape
		}
		return words[w].shape
	}
}

// abstractOf returns the abstract form of tokens[i].
func abstractOf(tokens []word, i int, roles func(word) role) word {
	w := tokens[i]
	if w < firstWord || roles(w) != variable || i > 0 && tokens[i-1] >= firstWord && roles(tokens[i-1]) == selector {
		return w
	}
	for d := 1; d <= maxBack && d <= i; d++ {
		if tokens[i-d] == w {
			return unseen + word(d)
		}
	}
	return unseen
}
