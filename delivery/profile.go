package delivery

import "strings"

// Facts are what a client has told about itself.
type Facts struct {
	ClientName      string // clientInfo.name
	SparkEdit       bool   // experimental.sparkEdit: a shell of ours that applies spark/edit/delta itself
	Undojoin        bool   // initializationOptions.spark.undojoin: Neovim with our handler
	DocumentChanges bool   // workspace.workspaceEdit.documentChanges
	ApplyEdit       bool   // workspace.applyEdit
}

// Profile is how edits are brought to a client.
type Profile struct {
	Name string // spark, live, versioned or careful
	Mode Mode
	// Label says that an edit may carry a label. Neovim prints it, and stops at a hit-enter prompt when it
	// wraps; Sublime shows it in its undo menu.
	Label bool
	// Versioned says that edits carry the document's version: documentChanges, not changes.
	Versioned bool
	// DropsStale is Machine.DropsStale.
	DropsStale bool
	// Truthful is Machine.Truthful: the client refuses an edit for another version than the buffer's, and says so.
	Truthful bool
}

// Choose picks the profile by what is known about each client (observed or read in its source). setting is the
// user's: auto (or empty), final, hunks or live; it decides the mode, and the rest stays the client's.
func Choose(f Facts, setting string) Profile {
	p := choose(f)
	switch setting {
	case "live":
		p.Mode = Live
	case "hunks":
		p.Mode = Hunks
	case "final":
		p.Mode = Final
	}
	return p
}

func choose(f Facts) Profile {
	name := strings.ToLower(f.ClientName)
	neovim := strings.Contains(name, "neovim")
	switch {
	case f.SparkEdit:
		return Profile{Name: "spark", Mode: Live, Versioned: true, Truthful: true}
	case f.Undojoin:
		// The label carries the edit's number to our handler, which takes it off before anybody sees it.
		return Profile{Name: "live", Mode: Live, Label: true, Versioned: true, DropsStale: neovim}
	case neovim:
		// Neovim honours versions although it does not announce documentChanges.
		return Profile{Name: "careful", Mode: Final, Versioned: true, DropsStale: true}
	case strings.Contains(name, "kakoune"), strings.Contains(name, "kak-lsp"):
		return Profile{Name: "careful", Mode: Final, Versioned: f.DocumentChanges}
	case strings.Contains(name, "sublime"):
		// Truthful, but its didChange waits for 300 ms without a keystroke: most of a stream would be refused.
		return Profile{Name: "careful", Mode: Final, Label: true, Versioned: true, Truthful: true}
	case name == "helix", name == "emacs", name == "lsp-mode":
		return Profile{Name: "versioned", Mode: Hunks, Versioned: true, Truthful: true}
	case name == "eglot":
		// It tells of changes when the user pauses, and compares the version last told, not the buffer's: what was
		// typed in the last half second is not in it.
		return Profile{Name: "versioned", Mode: Hunks, Versioned: true}
	case strings.HasPrefix(name, "zed"):
		// Rebases an edit for one of the last ten versions, and always says yes.
		return Profile{Name: "versioned", Mode: Hunks, Versioned: true}
	case isVSCode(name):
		return Profile{Name: "versioned", Mode: Hunks, Versioned: true, Truthful: true}
	}
	return Profile{Name: "careful", Mode: Final, Versioned: f.DocumentChanges}
}

// isVSCode knows VS Code and its forks: the name is the product's.
func isVSCode(name string) bool {
	for _, product := range []string{"visual studio code", "code - oss", "vscodium", "cursor", "windsurf", "positron", "trae", "kiro"} {
		if strings.HasPrefix(name, product) {
			return true
		}
	}
	return false
}
