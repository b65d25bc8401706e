// Bundles what VS Code runs, and with "test" what node --test runs.
//
//   node extension/build.mjs [--production] [test | e2e]
import { readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const tests = process.argv.find((a) => a === "test" || a === "e2e");

if (tests) {
  rmSync(join(here, "dist", tests), { recursive: true, force: true });
  await build({
    entryPoints: readdirSync(join(here, tests))
      .filter((name) => name.endsWith(".ts"))
      .map((name) => join(here, tests, name)),
    outdir: join(here, "dist", tests),
    bundle: true,
    packages: "external",
    external: ["vscode"],
    platform: "node",
    target: "node20",
    format: "cjs",
    sourcemap: "inline",
  });
} else {
  const production = process.argv.includes("--production");
  await build({
    entryPoints: [join(here, "src/main.ts")],
    outfile: join(here, "dist/main.js"),
    bundle: true,
    external: ["vscode"],
    platform: "node",
    target: "node20",
    format: "cjs",
    minify: production,
    sourcemap: !production,
  });
}
