// The program behind the extension: its status, its settings, its key, and what happens when it dies or is not there.
import assert from "node:assert/strict";
import { chmodSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { after, before, test as it } from "node:test";
import { until, Workbench } from "./workbench";

const code = "package a\n\nfunc f() int {\n\t\n}\n";
const names = ["crash", "restart", "back"];

let w: Workbench;
const test = (name: string, f: () => Promise<void>) => it(name, () => w.steps(f)());
before(async () => {
  w = await Workbench.start("server", {
    files: Object.fromEntries(names.map((name) => [`${name}.go`, code])),
    script: '-- reply job=completion match="r<" chomp --\neturn 42\n-- reply job=completion --\n',
  });
});
after(() => w?.stop());

const item = "#spark-lsp\\.spark-lsp\\.spark\\.status";

/** Waits until exactly one server runs, another than before, and returns its process. */
async function server(before: number[]): Promise<number> {
  let running: number[] = [];
  await until("one new server runs", async () => {
    running = w.servers();
    return running.length === 1 && !before.includes(running[0] ?? 0);
  });
  return running[0] ?? 0;
}

/** The key that a process was started with. */
function keyOf(pid: number): string | undefined {
  const environment = readFileSync(`/proc/${pid}/environ`, "utf8").split("\0");
  return environment.find((v) => v.startsWith("SPARK_API_KEY="))?.slice("SPARK_API_KEY=".length);
}

/** Types into a file, and waits for ghost text: all is well. */
async function works(file: string): Promise<void> {
  await w.open(`${file}.go`, "\t");
  await w.press("End");
  await w.type("r");
  await w.ghost("eturn 42");
}

test("every command that the palette offers is there", async () => {
  const missing = await w.host(async (vscode) => {
    const there = await vscode.commands.getCommands();
    const declared = vscode.extensions.getExtension("spark-lsp.spark-lsp")?.packageJSON.contributes.commands;
    return declared.map((c: { command: string }) => c.command).filter((c: string) => !there.includes(c));
  });
  assert.deepEqual(missing, []);
});

test("the status bar says who serves; its menu tells more", async () => {
  await w.sees(item, "gpt-6.1-sol");
  await w.page.locator(item).click();
  await w.page.locator(".quick-input-list .monaco-list-row", { hasText: "Show the Status" }).click();
  await w.sees(".notification-toast", /gpt-6\.1-sol, tier ultrafast, ok/);
  await w.command("notifications.clearAll");
});

test("a setting counts at once, and so does its removal", async () => {
  const set = (value?: string) =>
    w.host(async (vscode, value) => {
      await vscode.workspace.getConfiguration("spark").update("model", value, vscode.ConfigurationTarget.Global);
    }, value);
  const [pid] = w.servers();
  await set("another-model");
  await w.sees(item, "another-model");
  await set();
  await w.sees(item, "gpt-6.1-sol");
  assert.deepEqual(w.servers(), [pid], "a setting needs no restart");
});

test("a server that dies is started again, and nothing is lost", async () => {
  const [pid = 0] = w.servers();
  await w.open("crash.go", "package a", true);
  await w.type("package b");
  process.kill(pid, "SIGKILL");
  await server([pid]);
  await w.exactly(code.replace("package a", "package b"));
  await until("the status is back", async () => (await w.page.locator(item).textContent()) !== "");
  await works("crash");
});

test("the key is kept in secret storage, handed over in the environment, and written nowhere", async () => {
  const key = "sk-a-key-that-is-looked-for";
  const [pid = 0] = w.servers();
  assert.equal(keyOf(pid), undefined);
  const asked = w.command("spark.setKey");
  await w.page.locator(".quick-input-widget input[type=password]").waitFor();
  await w.type(key);
  await w.press("Enter");
  await asked;
  const second = await server([pid]);
  assert.equal(keyOf(second), key);

  const found: string[] = [];
  for (const entry of readdirSync(join(w.dir, "user"), { recursive: true, withFileTypes: true })) {
    const file = join(entry.parentPath, entry.name);
    if (entry.isFile() && readFileSync(file).includes(key)) found.push(file);
  }
  assert.deepEqual(found, []);

  await w.page.reload();
  await until("the old server has gone", async () => !w.servers().includes(second));
  await w.ready();
  const third = await server([second]);
  assert.equal(keyOf(third), key, "it outlives a reload");
  await w.command("spark.removeKey");
  assert.equal(keyOf(await server([third])), undefined);
});

test("restart makes one new server, and the log says which program it is", async () => {
  const [pid = 0] = w.servers();
  await w.command("spark.restart");
  await server([pid]);
  await works("restart");
  await w.command("spark.showLog");
  await w.sees(".output-view-container .view-line, .panel .view-line", /spark-lsp\s0\.1\.0/);
  await w.command("workbench.action.closePanel");
});

test("a program that is missing or too old is a message with a button", async () => {
  const path = (value?: string) =>
    w.host(async (vscode, value) => {
      await vscode.workspace.getConfiguration("spark").update("server.path", value, vscode.ConfigurationTarget.Global);
    }, value);
  const told = async (words: RegExp) => {
    await w.sees(".notification-toast", words);
    await w.sees(".notification-toast a.monaco-button", "How to Install");
    await w.sees(".notification-toast a.monaco-button", "Open Settings");
    await w.command("notifications.clearAll");
  };
  await path("/nowhere/spark-lsp");
  await told(/\/nowhere\/spark-lsp, named by the setting spark\.server\.path, is not there/);
  assert.deepEqual(w.servers(), []);
  await w.sees(item, "spark");

  const old = join(w.dir, "old");
  writeFileSync(old, "#!/bin/sh\necho spark-lsp 0.0.1\n");
  chmodSync(old, 0o755);
  await path(old);
  await told(/version 0\.0\.1, and at least/);

  await path();
  await server([]);
  await works("back");
  assert.deepEqual(w.strangers, []);
});
