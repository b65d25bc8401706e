package privacy

import "strings"

// protected names what runs, or decides what runs, without anybody looking: the language is that of gitignore(5),
// compared without regard to case. The words say what a file does.
var protectedFiles = []struct{ patterns, what string }{
	{".git\n.git/\ngit~1", "belongs to git itself"},
	{".husky/\n.githooks/\n.git-hooks/\n.hooks/\n.lefthook/\nlefthook.yml\nlefthook.yaml\n.lefthook.yml\n.pre-commit-config.yaml\n.pre-commit-hooks.yaml\n.overcommit.yml\n.gitattributes\n.gitmodules\n.gitconfig",
		"decides what git runs"},
	{".github/workflows/\n.github/actions/\n.github/dependabot.yml\naction.yml\n.gitlab-ci.yml\n.gitlab-ci.yaml\n.gitlab/\n.circleci/\n.buildkite/\n.woodpecker/\n.woodpecker.yml\n.drone.yml\n.travis.yml\nappveyor.yml\n.appveyor.yml\n" +
		"azure-pipelines.yml\n.azure-pipelines/\nbitbucket-pipelines.yml\nJenkinsfile\n.jenkins/\n.teamcity/\n.cirrus.yml\n.forgejo/\n.gitea/\n.semaphore/\ncloudbuild.yaml\nbuildspec.yml\n.ci/",
		"decides what the continuous integration runs"},
	{".vscode/\n.vscode-server/\n.idea/\n.fleet/\n.vs/\n.zed/\n.helix/\n.nvim/\n.nvim.lua\n.nvimrc\n.exrc\n.vimrc\n.lvimrc\n.dir-locals.el\n.dir-locals-2.el\n.sublime/\n*.sublime-project\n*.code-workspace\n.devcontainer/\n.devcontainer.json\n" +
		".theia/\n.gitpod.yml\n.kateconfig\n.kateproject\n.neoconf.json\n.projectile",
		"configures an editor, which may run what it says"},
	{".claude/\n.cursor/\n.cursorrules\n.windsurf/\n.windsurfrules\n.gemini/\n.codex/\n.continue/\n.aider*\n.mcp.json\nmcp.json\nAGENTS.md\nAGENTS.override.md\nCLAUDE.md\nCLAUDE.local.md\nGEMINI.md\n.github/copilot-instructions.md\n" +
		".github/instructions/\n.github/prompts/\n.github/chatmodes/\n.github/agents/",
		"tells models what to do"},
	{".gitignore\n.aiignore\n.aiexclude\n.sparkignore\n.copilotignore\n.cursorignore\n.continueignore\n.codeiumignore\n.geminiignore", "decides what models may read"},
	{".envrc\n.tool-versions\n.mise.toml\nmise.toml\n.mise/\n.bashrc\n.bash_profile\n.profile\n.zshrc\n.zshenv\n.zprofile\nconfig.fish", "is run by shells"},
}

// protection is protectedFiles, read.
var protection = func() (list []struct {
	patterns []pattern
	what     string
}) {
	for _, p := range protectedFiles {
		list = append(list, struct {
			patterns []pattern
			what     string
		}{parsePatterns(p.patterns, true), p.what})
	}
	return list
}()

// Protected reports whether a file must not be changed without the user's explicit yes, and says what it does, as "decides
// what git runs": it is part of git, or decides what hooks, continuous integration, editors, shells or models do. rel is slash-separated
// and relative to the workspace; a file deep in it counts like one at its top, since projects lie in projects.
func Protected(rel string) (what string, ok bool) {
	names := strings.Split(strings.TrimPrefix(rel, "./"), "/")
	for i := range names {
		names[i] = trimWindows(names[i])
	}
	for _, p := range protection {
		for from := range names {
			for to := from + 1; to <= len(names); to++ {
				part := strings.Join(names[from:to], "/")
				if m := lastMatch(p.patterns, part, to < len(names)); m != nil {
					return p.what, true
				}
			}
		}
	}
	return "", false
}
