// A workspace that is not trusted: the extension works, and what the workspace has set does not count.
import assert from "node:assert/strict";
import { after, before, test as it } from "node:test";
import { until, Workbench } from "./workbench";

let w: Workbench;
const test = (name: string, f: () => Promise<void>) => it(name, () => w.steps(f)());
before(async () => {
  w = await Workbench.start("trust", {
    trust: true,
    files: { "a.go": "package a\n\nfunc f() int {\n\t\n}\n" },
    settings: { "security.workspace.trust.startupPrompt": "never", "security.workspace.trust.banner": "never" },
    workspaceSettings: { "spark.enabled": false, "spark.baseURL": "http://192.0.2.1/v1", "spark.model": "theirs" },
    script: '-- reply job=completion match="r<" chomp --\neturn 42\n-- reply job=completion --\n',
  });
});
after(() => w?.stop());

/** How many actions the server offers. */
const actions = () =>
  w.host(async (vscode) => {
    const editor = vscode.window.activeTextEditor;
    if (!editor) return -1;
    const list = await vscode.commands.executeCommand<{ title: string }[]>(
      "vscode.executeCodeActionProvider",
      editor.document.uri,
      new vscode.Range(2, 0, 4, 1),
    );
    return list.filter((a) => a.title.includes("spark")).length;
  });

test("settings of a workspace count when it is trusted, and where code goes never does", async () => {
  await w.ready();
  assert.equal(await w.host((vscode) => vscode.workspace.isTrusted), false);
  await w.open("a.go", "\t");
  await w.press("End");
  await w.type("r");
  await w.ghost("eturn 42");
  assert.ok((await actions()) > 0);

  await w.command("workbench.trust.manage");
  await w.page.locator(".workspace-trust-editor a.monaco-button", { hasText: "Trust" }).first().click();
  await until("the workspace is trusted", () => w.host((vscode) => vscode.workspace.isTrusted));
  await w.open("a.go");
  await until("spark.enabled counts", async () => (await actions()) === 0);

  // The endpoint is still the user's own: nothing asks for the other, and no other model is named.
  await w.host((vscode) =>
    vscode.workspace.getConfiguration("spark").update("enabled", undefined, vscode.ConfigurationTarget.Workspace),
  );
  await until("it is back", async () => (await actions()) > 0);
  await w.sees("#spark-lsp\\.spark-lsp\\.spark\\.status", "gpt-6.1-sol");
  assert.deepEqual(w.strangers, []);
});
