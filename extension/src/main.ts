// The VS Code extension: starts spark-lsp and shows what it says. Everything that can be configured is the server's.
import * as vscode from "vscode";
import { type LanguageClient, State } from "vscode-languageclient/node";
import { findServer, NoServer } from "./binary";
import { createClient } from "./client";
import { Edits } from "./edits";
import { NextEdits } from "./next_edit";
import type { Status } from "./protocol";
import { statusItem } from "./words";

const keySecret = "spark.apiKey";
const installing = vscode.Uri.parse("https://github.com/spark-lsp/spark-lsp/blob/main/docs/editors/vscode.md");

/** A started server and what belongs to it. A restart makes a new one. */
let running: { client: LanguageClient; parts: vscode.Disposable[] } | undefined;
let queue: Promise<void> = Promise.resolve();

export function activate(context: vscode.ExtensionContext): Promise<void> {
  const log = vscode.window.createOutputChannel("spark-lsp", { log: true });
  const item = vscode.window.createStatusBarItem("spark.status", vscode.StatusBarAlignment.Right, 100);
  item.name = "spark-lsp";
  item.command = { title: "Menu", command: "workbench.action.quickOpen", arguments: [">Spark: "] };
  const show = (status?: Status) => void Object.assign(item, statusItem(status));
  show();
  item.show();

  const start = async () => {
    const stopping = running;
    running = undefined;
    show();
    for (const part of stopping?.parts ?? []) part.dispose();
    await stopping?.client.dispose().catch((err) => log.warn(`the server did not stop in order: ${err}`));
    const windows = process.platform === "win32";
    const server = await findServer({
      setting: vscode.workspace.getConfiguration("spark").get("server.path", ""),
      environment: process.env,
      bundled: context.asAbsolutePath(`extension/dist/bin/spark-lsp${windows ? ".exe" : ""}`),
      windows,
    });
    log.info(`${server.path} ${server.version}`);
    const key = await context.secrets.get(keySecret);
    const environment = key ? { ...process.env, SPARK_API_KEY: key } : process.env;
    const client = createClient({ path: server.path, environment }, log, context);
    const edits = new Edits(client);
    client.onNotification("spark/status", show);
    client.onDidChangeState((e) => {
      if (e.newState !== State.Stopped) return;
      edits.clear(); // whoever crashed has forgotten its edits
      show();
    });
    running = { client, parts: [edits, new NextEdits(client)] };
    await client.start();
  };
  const restart = () => {
    queue = queue.then(start).catch((err) => {
      const why = err instanceof Error ? err.message : String(err);
      log.error(why);
      if (!(err instanceof NoServer)) return void vscode.window.showErrorMessage(`spark-lsp did not start: ${why}`);
      const how = "How to Install";
      const where = "Open Settings";
      // Not waited for: the queue must not stand still until somebody has answered.
      void vscode.window.showErrorMessage(`spark-lsp: ${why}.`, how, where).then((answer) => {
        if (answer === how) void vscode.env.openExternal(installing);
        if (answer === where) void vscode.commands.executeCommand("workbench.action.openSettings", "spark.server.path");
      });
    });
    return queue;
  };

  /** Runs a command of the server where the cursor is: on the selection, or on the change of an edit that is there. */
  const run = async (command: string, change = false) => {
    if (!running?.client.isRunning()) {
      const answer = await vscode.window.showWarningMessage("spark-lsp is not running.", "Restart");
      return answer && restart();
    }
    const { client } = running;
    const to = client.code2ProtocolConverter;
    const editor = vscode.window.activeTextEditor;
    const place = (e: vscode.TextEditor) =>
      change ? { position: to.asPosition(e.selection.active) } : { range: to.asRange(e.selection) };
    const args = editor ? [{ uri: to.asUri(editor.document.uri), ...place(editor) }] : [];
    return client.sendRequest("workspace/executeCommand", { command, arguments: args });
  };
  const register = vscode.commands.registerCommand;
  const reread = () => running?.client.sendNotification("workspace/didChangeConfiguration", { settings: null });
  context.subscriptions.push(
    log,
    item,
    ...["instruct", "delegate", "candidate", "accept", "reject", "toggle", "status"].map((name) =>
      register(`spark.${name}`, () => run(`spark-lsp.${name}`)),
    ),
    register("spark.stop", () => run("spark-lsp.cancel")),
    register("spark.acceptHunk", () => run("spark-lsp.accept", true)),
    register("spark.rejectHunk", () => run("spark-lsp.reject", true)),
    register("spark.restart", restart),
    register("spark.showLog", () => log.show()),
    register("spark.setKey", async () => {
      const title = "API key; it is kept in VS Code's secret storage";
      const key = await vscode.window.showInputBox({ title, password: true, ignoreFocusOut: true });
      if (key?.trim()) await context.secrets.store(keySecret, key.trim());
    }),
    register("spark.removeKey", () => context.secrets.delete(keySecret)),
    vscode.workspace.onDidGrantWorkspaceTrust(reread),
    vscode.workspace.onDidChangeConfiguration((e) => {
      if (e.affectsConfiguration("spark.server")) return void restart();
      if (e.affectsConfiguration("spark")) void reread();
    }),
    context.secrets.onDidChange((e) => {
      if (e.key === keySecret) void restart();
    }),
  );
  return restart();
}

export async function deactivate(): Promise<void> {
  await queue;
  await running?.client.dispose();
}
