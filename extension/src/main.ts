// The VS Code extension: starts spark-lsp and shows what it says. Everything that can be configured is the server's.
import * as vscode from "vscode";
import { type LanguageClient, State } from "vscode-languageclient/node";
import { findServer, NoServer } from "./binary";
import { createClient } from "./client";
import { Edits } from "./edits";
import { execute, instruct, lacksInstruction } from "./instruct";
import { NextEdits } from "./next_edit";
import type { EditEnd, Status } from "./protocol";
import { statusItem } from "./words";

const keySecret = "spark.apiKey";
const installing = vscode.Uri.parse("https://github.com/spark-lsp/spark-lsp/blob/main/docs/editors/vscode.md");

/** A started server and what belongs to it. A restart makes a new one. */
interface Running {
  client: LanguageClient;
  edits: Edits;
  next: NextEdits;
}

let running: Running | undefined;
let queue: Promise<void> = Promise.resolve();

export function activate(context: vscode.ExtensionContext): Promise<void> {
  const log = vscode.window.createOutputChannel("spark-lsp", { log: true });
  const item = vscode.window.createStatusBarItem("spark.status", vscode.StatusBarAlignment.Right, 100);
  item.name = "spark-lsp";
  item.command = "spark.menu";
  item.show();
  let status: Status | undefined;
  let last = ""; // how the last edit ended, in the server's words
  const show = () => Object.assign(item, statusItem(status, last));
  show();

  const start = async () => {
    const stopping = running;
    running = status = undefined;
    show();
    stopping?.next.dispose();
    stopping?.edits.dispose();
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
    const client: LanguageClient = createClient({ path: server.path, environment }, log, context, {
      streaming: (document) => running?.edits.streaming(document) ?? false,
      changed: (document) => running?.next.changed(document),
      instruct: (command, argument) => {
        if (running === undefined || !lacksInstruction(command, argument)) return false;
        void instruct(client, running.edits, context.globalState, { command, argument: argument as { uri: string } });
        return true;
      },
    });
    const edits = new Edits(client);
    client.onNotification("spark/status", (s: Status) => {
      status = s;
      show();
    });
    client.onNotification("spark/edit/end", (p: EditEnd) => {
      last = p.message ?? p.status;
      show();
    });
    client.onDidChangeState((e) => {
      if (e.newState !== State.Stopped) return;
      status = undefined; // whoever crashed has forgotten its edits
      edits.clear();
      show();
    });
    running = { client, edits, next: new NextEdits(client, edits) };
    await client.start();
  };
  const restart = () => {
    queue = queue.then(start).catch(async (err) => {
      log.error(err instanceof Error ? err.message : String(err));
      if (!(err instanceof NoServer)) {
        vscode.window.showErrorMessage(`spark-lsp did not start: ${err instanceof Error ? err.message : err}`);
        return;
      }
      const how = "How to Install";
      const where = "Open Settings";
      // Not waited for: the queue must not stand still until somebody has answered.
      void vscode.window.showErrorMessage(`spark-lsp: ${err.message}.`, how, where).then((answer) => {
        if (answer === how) void vscode.env.openExternal(installing);
        if (answer === where) void vscode.commands.executeCommand("workbench.action.openSettings", "spark.server.path");
      });
    });
    return queue;
  };

  /** Runs f with the running server, or says that there is none. */
  const withServer = (f: (r: Running, editor: vscode.TextEditor | undefined) => unknown) => async () => {
    if (running?.client.isRunning()) await f(running, vscode.window.activeTextEditor);
    else vscode.window.showWarningMessage("spark-lsp is not running.", "Restart").then((a) => a && restart());
  };
  const uriOf = ({ client }: Running, editor: vscode.TextEditor | undefined) =>
    editor ? [{ uri: client.code2ProtocolConverter.asUri(editor.document.uri) }] : [];
  const resolveHunk = (action: "accept" | "reject") =>
    withServer(async ({ client, edits }, editor) => {
      for (const { id, hunks } of edits.review(editor?.document)) {
        const hunk = hunks.findIndex((h) => editor && h.intersection(editor.selection) !== undefined);
        if (hunk >= 0) return client.sendRequest("spark/edit/resolve", { id, action, hunk });
      }
      vscode.window.setStatusBarMessage("spark: no change at the cursor", 3000);
    });
  const commands: Record<string, () => unknown> = {
    "spark.instruct": withServer(({ client, edits }) => instruct(client, edits, context.globalState)),
    "spark.delegate": withServer(({ client, edits }) =>
      instruct(client, edits, context.globalState, { command: "spark-lsp.delegate" }),
    ),
    "spark.candidate": withServer((r, editor) => execute(r.client, "spark-lsp.candidate", uriOf(r, editor))),
    "spark.stop": withServer((r, editor) => execute(r.client, "spark-lsp.cancel", uriOf(r, editor))),
    "spark.accept": withServer((r, editor) => execute(r.client, "spark-lsp.accept", uriOf(r, editor))),
    "spark.reject": withServer((r, editor) => execute(r.client, "spark-lsp.reject", uriOf(r, editor))),
    "spark.acceptHunk": resolveHunk("accept"),
    "spark.rejectHunk": resolveHunk("reject"),
    "spark.acceptNextEdit": withServer(({ next }) => next.accept()),
    "spark.dismissNextEdit": withServer(({ next }) => next.dismiss()),
    "spark.toggle": withServer(({ client }) => execute(client, "spark-lsp.toggle")),
    "spark.status": withServer(({ client }) => execute(client, "spark-lsp.status")),
    "spark.restart": restart,
    "spark.showLog": () => log.show(),
    "spark.setKey": async () => {
      const title = "API key; it is kept in VS Code's secret storage";
      const key = await vscode.window.showInputBox({ title, password: true, ignoreFocusOut: true });
      if (key?.trim()) await context.secrets.store(keySecret, key.trim());
    },
    "spark.removeKey": () => context.secrets.delete(keySecret),
    "spark.menu": async () => {
      const offered = ["instruct", "delegate", "toggle", "status", "setKey", "restart", "showLog"].map(
        (name) => `spark.${name}`,
      );
      const declared: { command: string; title: string }[] = context.extension.packageJSON.contributes.commands;
      const items = declared.filter((c) => offered.includes(c.command)).map((c) => ({ label: c.title, ...c }));
      const chosen = await vscode.window.showQuickPick(items, { title: item.tooltip?.toString() ?? "" });
      if (chosen) await vscode.commands.executeCommand(chosen.command);
    },
  };
  const reread = () => running?.client.sendNotification("workspace/didChangeConfiguration", { settings: null });
  context.subscriptions.push(
    log,
    item,
    ...Object.entries(commands).map(([id, run]) => vscode.commands.registerCommand(id, run)),
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
