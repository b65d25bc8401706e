// What of VS Code's settings the server hears. Knows nothing of VS Code.

/** What VS Code tells about one setting: who has set it to what. */
export interface Inspected {
  globalValue?: unknown;
  workspaceValue?: unknown;
  workspaceFolderValue?: unknown;
}

/** The keys of the server's settings, without "spark.", from the manifest. What is under "server" is the shell's. */
export function serverKeys(manifest: { contributes?: { configuration?: { properties?: object }[] } }): string[] {
  return (manifest.contributes?.configuration ?? [])
    .flatMap((section) => Object.keys(section.properties ?? {}))
    .filter((key) => key.startsWith("spark.") && !key.startsWith("spark.server."))
    .map((key) => key.slice("spark.".length));
}

/**
 * The settings that somebody has set, as the server reads them. VS Code itself would answer with every default too, and
 * those would win over the environment and the user's file. What is not set is null, so that the server forgets what
 * it was told before. A workspace that is not trusted has no say.
 */
export function explicit(keys: string[], inspect: (key: string) => Inspected | undefined, trusted: boolean): object {
  const value = (found: Inspected | undefined) => {
    const byWorkspace = trusted ? (found?.workspaceFolderValue ?? found?.workspaceValue) : undefined;
    return byWorkspace ?? found?.globalValue ?? null;
  };
  return Object.fromEntries(keys.map((key) => [key, value(inspect(key))]));
}
