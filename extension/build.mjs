// Bundles what VS Code runs, and with "test" what node --test runs.
//
//   node extension/build.mjs [--production] [test | e2e]
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
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
  const { metafile } = await build({
    metafile: true,
    absWorkingDir: dirname(here),
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
  if (production) licences(metafile);
}

// Writes the licences of what is in the bundle, and of what package.mjs has linked into the program beside it: who hands
// them on has to.
function licences(metafile) {
  const folders = new Set();
  for (const input of Object.keys(metafile.inputs)) {
    const folder = input.match(/^(.*node_modules\/(?:@[^/]+\/)?[^/]+)\//)?.[1];
    if (folder) folders.add(folder);
  }
  let text = "";
  for (const folder of [...folders].sort()) {
    const at = join(dirname(here), folder);
    const file = readdirSync(at).find((name) => /^licen[cs]e/i.test(name));
    if (!file) throw new Error(`${folder} has no licence`);
    const { name, version } = JSON.parse(readFileSync(join(at, "package.json"), "utf8"));
    text += `==== ${name} ${version}: ${file}\n\n${readFileSync(join(at, file), "utf8").trim()}\n\n`;
  }
  const linked = join(here, "dist/linked-licences");
  if (existsSync(linked)) text += readFileSync(linked, "utf8");
  writeFileSync(join(here, "dist/THIRD_PARTY_LICENSES"), text);
}
