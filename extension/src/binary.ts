// Finds the spark-lsp program and makes sure that it is one. Knows nothing of VS Code.
import { execFile } from "node:child_process";
import { constants } from "node:fs";
import { access } from "node:fs/promises";
import { delimiter, join } from "node:path";
import { promisify } from "node:util";

/** The oldest program whose messages this shell understands. */
export const oldest = "0.1.0";

/** Why there is no program to run, in words for a person. */
export class NoServer extends Error {}

export interface Places {
  /** The setting spark.server.path; empty when it is not set. */
  setting: string;
  environment: NodeJS.ProcessEnv;
  /** Where the program stands in an extension that was packaged with one. */
  bundled: string;
  windows: boolean;
}

/** The program to run and its version. Throws NoServer. */
export async function findServer(places: Places): Promise<{ path: string; version: string }> {
  const path = await choose(places);
  let said: string;
  try {
    said = (await promisify(execFile)(path, ["--version"], { timeout: 10_000, windowsHide: true })).stdout.trim();
  } catch (err) {
    const reason = err instanceof Error ? err.message.split("\n")[0] : String(err);
    throw new NoServer(`${path} does not run: ${reason}`);
  }
  const version = /^spark-lsp (\S+)$/.exec(said)?.[1];
  if (version === undefined) throw new NoServer(`${path} is not spark-lsp: it says "${said.slice(0, 80)}"`);
  if (older(version, oldest)) throw new NoServer(`${path} is version ${version}, and at least ${oldest} is needed`);
  return { path, version };
}

/**
 * The setting, the environment, the bundled file, PATH: the first that names a program. One that was named and is not
 * there is an error, since a silent substitute would be another program than the user thinks.
 */
async function choose(places: Places): Promise<string> {
  const named: [string | undefined, string][] = [
    [places.setting, "the setting spark.server.path"],
    [places.environment.SPARK_SERVER_PATH, "the environment variable SPARK_SERVER_PATH"],
  ];
  for (const [path, by] of named) {
    if (!path) continue;
    if (await runnable(path)) return path;
    throw new NoServer(`${path}, named by ${by}, is not there or cannot be run`);
  }
  const name = places.windows ? "spark-lsp.exe" : "spark-lsp";
  const directories = (places.environment.PATH ?? "").split(delimiter).filter((d) => d !== "");
  for (const path of [places.bundled, ...directories.map((d) => join(d, name))]) {
    if (await runnable(path)) return path;
  }
  throw new NoServer("the program spark-lsp is not in PATH");
}

function runnable(path: string): Promise<boolean> {
  return access(path, constants.X_OK).then(
    () => true,
    () => false,
  );
}

/** Whether a version comes before another. A build from a checkout (v0.0.0-DATE-COMMIT) comes before none. */
export function older(version: string, than: string): boolean {
  const [numbers = ""] = /^\d+(\.\d+)*/.exec(version) ?? [];
  return !version.startsWith("0.0.0-") && numbers.localeCompare(than, "en", { numeric: true }) < 0;
}
