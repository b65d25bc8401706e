package delivery

import "testing"

func TestChoose(t *testing.T) {
	live := Facts{ClientName: "Neovim", Undojoin: true}
	for _, c := range []struct {
		facts   Facts
		setting string
		want    Profile
	}{
		{Facts{ClientName: "Visual Studio Code", SparkEdit: true}, "auto", Profile{Name: "spark", Mode: Live, Versioned: true, Truthful: true}},
		{Facts{ClientName: "Visual Studio Code", DocumentChanges: true}, "", Profile{Name: "versioned", Mode: Hunks, Versioned: true, Truthful: true}},
		{Facts{ClientName: "VSCodium"}, "", Profile{Name: "versioned", Mode: Hunks, Versioned: true, Truthful: true}},
		{Facts{ClientName: "Cursor"}, "", Profile{Name: "versioned", Mode: Hunks, Versioned: true, Truthful: true}},
		{live, "auto", Profile{Name: "live", Mode: Live, Label: true, Versioned: true, DropsStale: true}},
		{Facts{ClientName: "Neovim"}, "auto", Profile{Name: "careful", Mode: Final, Versioned: true, DropsStale: true}},
		{Facts{ClientName: "helix", DocumentChanges: true}, "auto", Profile{Name: "versioned", Mode: Hunks, Versioned: true, Truthful: true}},
		{Facts{ClientName: "Eglot", DocumentChanges: true}, "auto", Profile{Name: "versioned", Mode: Hunks, Versioned: true}},
		{Facts{ClientName: "emacs", DocumentChanges: true}, "auto", Profile{Name: "versioned", Mode: Hunks, Versioned: true, Truthful: true}},
		{Facts{ClientName: "Zed", DocumentChanges: true}, "auto", Profile{Name: "versioned", Mode: Hunks, Versioned: true}},
		{Facts{ClientName: "kakoune-lsp", DocumentChanges: true}, "auto", Profile{Name: "careful", Mode: Final, Versioned: true}},
		{Facts{ClientName: "Sublime Text LSP", DocumentChanges: true}, "auto", Profile{Name: "careful", Mode: Final, Label: true, Versioned: true, Truthful: true}},
		{Facts{}, "auto", Profile{Name: "careful", Mode: Final}},
		{Facts{ClientName: "new", DocumentChanges: true}, "auto", Profile{Name: "careful", Mode: Final, Versioned: true}},

		// The setting decides the mode and nothing else.
		{live, "final", Profile{Name: "live", Mode: Final, Label: true, Versioned: true, DropsStale: true}},
		{Facts{ClientName: "helix"}, "live", Profile{Name: "versioned", Mode: Live, Versioned: true, Truthful: true}},
		{Facts{}, "hunks", Profile{Name: "careful", Mode: Hunks}},
		{Facts{ClientName: "helix"}, "nonsense", Profile{Name: "versioned", Mode: Hunks, Versioned: true, Truthful: true}},
	} {
		if got := Choose(c.facts, c.setting); got != c.want {
			t.Errorf("Choose(%+v, %q)\ngot  %+v\nwant %+v", c.facts, c.setting, got, c.want)
		}
	}
}
