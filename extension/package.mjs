// Packages the extension: for each platform with the program inside, and once without.
//
//   node extension/package.mjs [--here] [--out DIR]      (default: dist)
//
// --here makes the one for this machine alone. The program is cross-compiled, so any machine makes all of them, and
// nothing is fetched: Go's modules and node_modules must be there.
import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { createVSIX } from "@vscode/vsce";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const { name, version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const args = process.argv.slice(2);
const out = resolve(args.includes("--out") ? args[args.indexOf("--out") + 1] : join(root, "dist"));
const bin = join(root, "extension/dist/bin"); // where main.ts looks for the program
const linked = join(root, "extension/dist/linked-licences"); // what build.mjs puts behind its own
const page = "https://github.com/spark-lsp/spark-lsp"; // the page's links go up from its folder, so vsce's own guess fails

const go = { linux: "linux", darwin: "darwin", win32: "windows", x64: "amd64", arm64: "arm64" };
const all = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64", "win32-x64", "win32-arm64", undefined];
const targets = args.includes("--here") ? [`${process.platform}-${process.arch}`] : all;

process.env.SOURCE_DATE_EPOCH = "946684800"; // vsce: all files are as old as time, so the same sources make the same bytes
mkdirSync(out, { recursive: true });
for (const target of targets) {
  rmSync(bin, { recursive: true, force: true });
  rmSync(linked, { force: true });
  if (target !== undefined) {
    const [platform, arch] = target.split("-");
    const program = join(bin, platform === "win32" ? "spark-lsp.exe" : "spark-lsp");
    // As extension/release builds it: the same sources and toolchain make the same program.
    const link = `-s -w -buildid= -X main.version=${version}`;
    const flags = ["build", "-trimpath", "-buildvcs=false", "-ldflags", link, "-o", program, "."];
    const fixed = { CGO_ENABLED: "0", GOFLAGS: "", GOAMD64: "v1", GOARM64: "v8.0" };
    const env = { ...process.env, ...fixed, GOOS: go[platform], GOARCH: go[arch] };
    execFileSync("go", flags, { cwd: root, env, stdio: "inherit" });
    writeFileSync(
      linked,
      execFileSync("go", ["run", "extension/release/main.go", "-licences", program], { cwd: root }),
    );
  }
  const packagePath = join(out, `${name}-${target === undefined ? "" : `${target}-`}${version}.vsix`);
  // Without dependencies: esbuild has put them into main.js.
  await createVSIX({
    cwd: root,
    packagePath,
    target,
    dependencies: false,
    readmePath: "docs/editors/vscode.md",
    baseContentUrl: `${page}/blob/HEAD/docs/editors`,
    baseImagesUrl: `${page}/raw/HEAD/docs/editors`,
  });
  console.log(`${packagePath} ${(statSync(packagePath).size / 1e6).toFixed(1)} MB`);
}
rmSync(linked, { force: true });
rmSync(bin, { recursive: true, force: true }); // what runs from a checkout looks in PATH
