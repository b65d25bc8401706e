// Restores in a code-server the rule that VS Code ships with: an extension gets proposed API only when it declares it.
// code-server says yes to every extension (its patches/proposed-api.diff), so that something built on proposed API would
// pass here and do nothing in the VS Code that people have.
//
//   node strict.mjs .../code-server/lib/vscode
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const bundles = [
  "out/vs/workbench/api/node/extensionHostProcess.js",
  "out/vs/workbench/api/worker/extensionHostWorkerMain.js",
  "out/vs/code/browser/workbench/workbench.js",
];
const name = "[\\w$]+";
// isProposedApiEnabled, and behind it checkProposedApiEnabled, by whose words both are known.
const lenient = new RegExp(
  `function (${name})\\((${name}),(${name})\\)\\{return!0\\}(?=function ${name}\\(${name},${name}\\)\\{if\\(!\\1\\(${name},${name}\\)\\)throw new Error\\(\`Extension '\\$\\{[^}]*\\}' CANNOT use API proposal)`,
  "g",
);

for (const bundle of bundles) {
  const file = join(process.argv[2], bundle);
  const text = readFileSync(file, "utf8");
  const found = text.match(lenient)?.length ?? 0;
  if (found !== 1) throw new Error(`${file}: the rule about proposed API stands there ${found} times, not once`);
  writeFileSync(
    file,
    text.replace(
      lenient,
      (_, f, ext, proposal) =>
        `function ${f}(${ext},${proposal}){return!!${ext}.enabledApiProposals?.includes(${proposal})}`,
    ),
  );
}
