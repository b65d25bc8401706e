// Packages the extension: for each platform with the program inside, and once without.
//
//   node extension/package.mjs [--here] [--out DIR]      (default: dist)
//
// --here makes the one for this machine alone. The program is cross-compiled, so any machine makes all of them, and
// nothing is fetched: Go's modules and node_modules must be there.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, statSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { createVSIX } from "@vscode/vsce";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { name, version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const args = process.argv.slice(2);
const out = resolve(args.includes("--out") ? args[args.indexOf("--out") + 1] : join(root, "dist"));
const bin = join(root, "extension/dist/bin"); // where main.ts looks for the program

const go = { linux: "linux", darwin: "darwin", win32: "windows", x64: "amd64", arm64: "arm64" };
const all = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64", "win32-x64", "win32-arm64", undefined];
const targets = args.includes("--here") ? [`${process.platform}-${process.arch}`] : all;

mkdirSync(out, { recursive: true });
for (const target of targets) {
  rmSync(bin, { recursive: true, force: true });
  if (target !== undefined) {
    const [platform, arch] = target.split("-");
    const program = join(bin, platform === "win32" ? "spark-lsp.exe" : "spark-lsp");
    const flags = ["build", "-trimpath", "-ldflags", `-s -w -X main.version=${version}`, "-o", program, "."];
    const env = { ...process.env, CGO_ENABLED: "0", GOOS: go[platform], GOARCH: go[arch] };
    execFileSync("go", flags, { cwd: root, env, stdio: "inherit" });
  }
  const packagePath = join(out, `${name}-${target === undefined ? "" : `${target}-`}${version}.vsix`);
  // Without dependencies: esbuild has put them into main.js.
  await createVSIX({ cwd: root, packagePath, target, dependencies: false, readmePath: "docs/editors/vscode.md" });
  console.log(`${packagePath} ${(statSync(packagePath).size / 1e6).toFixed(1)} MB`);
}
rmSync(bin, { recursive: true, force: true }); // what runs from a checkout looks in PATH
