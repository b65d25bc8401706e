//! Tells Zed how to start spark-lsp, which it would not without an extension. Nothing is downloaded: the program is the
//! one on the user's PATH, or the one that `lsp.spark.binary` in the settings names.

use zed_extension_api::{self as zed, serde_json, settings::LspSettings, LanguageServerId, Result};

struct Spark;

impl zed::Extension for Spark {
    fn new() -> Self {
        Spark
    }

    fn language_server_command(
        &mut self,
        id: &LanguageServerId,
        worktree: &zed::Worktree,
    ) -> Result<zed::Command> {
        let binary = LspSettings::for_worktree(id.as_ref(), worktree)
            .ok()
            .and_then(|settings| settings.binary);
        let (path, arguments, variables) = binary
            .map(|b| (b.path, b.arguments, b.env))
            .unwrap_or_default();
        let command = path.or_else(|| worktree.which("spark-lsp")).ok_or(
            "spark-lsp is not on the PATH: go install github.com/spark-lsp/spark-lsp@latest",
        )?;
        let mut env = worktree.shell_env();
        env.extend(variables.unwrap_or_default()); // what stands later counts
        Ok(zed::Command {
            command,
            args: arguments.unwrap_or_else(|| vec!["--stdio".into()]),
            env,
        })
    }

    fn language_server_initialization_options(
        &mut self,
        id: &LanguageServerId,
        worktree: &zed::Worktree,
    ) -> Result<Option<serde_json::Value>> {
        Ok(LspSettings::for_worktree(id.as_ref(), worktree)
            .ok()
            .and_then(|settings| settings.initialization_options))
    }

    fn language_server_workspace_configuration(
        &mut self,
        id: &LanguageServerId,
        worktree: &zed::Worktree,
    ) -> Result<Option<serde_json::Value>> {
        Ok(LspSettings::for_worktree(id.as_ref(), worktree)
            .ok()
            .and_then(|settings| settings.settings))
    }
}

zed::register_extension!(Spark);
