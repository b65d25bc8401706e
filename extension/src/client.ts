// The language client: what is started, what it is told, and what it is asked that LSP has no word for.
import * as vscode from "vscode";
import { ErrorAction, type ErrorHandler, LanguageClient, RevealOutputChannelOn } from "vscode-languageclient/node";
import { ask } from "./input";
import type { Answer, Input, Refresh } from "./protocol";
import { explicit, serverKeys } from "./settings";

export function createClient(
  server: { path: string; environment: NodeJS.ProcessEnv },
  log: vscode.LogOutputChannel,
  context: vscode.ExtensionContext,
): LanguageClient {
  const keys = serverKeys(context.extension.packageJSON);
  const settings = (scope?: vscode.Uri) => {
    const configuration = vscode.workspace.getConfiguration("spark", scope);
    return explicit(keys, (key) => configuration.inspect(key), vscode.workspace.isTrusted);
  };
  let patience: ErrorHandler | undefined; // the client's own: five deaths in three minutes are too many
  const client: LanguageClient = new LanguageClient(
    "spark",
    "spark-lsp",
    { command: server.path, args: ["--stdio"], options: { env: server.environment } },
    {
      documentSelector: [{ scheme: "file" }, { scheme: "untitled" }, { scheme: "vscode-vfs" }],
      outputChannel: log,
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      errorHandler: {
        // A server that has died while somebody types makes many errors of writing before its end is noticed. The
        // client's own handler would give up at the fourth; the end itself is what decides.
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        closed: () => {
          patience ??= client.createDefaultErrorHandler();
          return patience.closed();
        },
      },
      initializationOptions: { spark: settings() },
      middleware: {
        window: {
          // What is not to take the focus stands beside the code: the client itself would put it in its place.
          showDocument: async (params, token, next) => {
            if (params.takeFocus !== false) return next(params, token);
            const beside = { viewColumn: vscode.ViewColumn.Beside, preserveFocus: true };
            await vscode.window.showTextDocument(client.protocol2CodeConverter.asUri(params.uri), beside);
            return { success: true };
          },
        },
        workspace: {
          configuration: (params) =>
            params.items.map((item) => {
              if (item.section !== "spark") return null;
              return settings(item.scopeUri ? client.protocol2CodeConverter.asUri(item.scopeUri) : undefined);
            }),
        },
      },
    },
  );
  client.registerFeature({
    fillClientCapabilities(capabilities) {
      const ours = { sparkEdit: 1, sparkInput: 1, sparkInlineCompletionRefresh: 1 };
      capabilities.experimental = { ...capabilities.experimental, ...ours };
    },
    initialize() {},
    getState: () => ({ kind: "static" }),
    clear() {},
  });
  client.onRequest<Answer | null, void>("spark/input", (p: Input) => ask(p, context.globalState));
  client.onNotification("spark/inlineCompletion/refresh", async (p: Refresh) => {
    // What is not on the screen yet cannot be hidden, and would come to stay. Nothing tells when it is.
    await new Promise((resolve) => setTimeout(resolve, 100));
    const editor = vscode.window.activeTextEditor;
    if (editor === undefined || p.uri !== client.code2ProtocolConverter.asUri(editor.document.uri)) return;
    if (p.version !== editor.document.version) return;
    if (!client.protocol2CodeConverter.asPosition(p.position).isEqual(editor.selection.active)) return;
    // A trigger alone keeps the text that is shown.
    await vscode.commands.executeCommand("editor.action.inlineSuggest.hide");
    await vscode.commands.executeCommand("editor.action.inlineSuggest.trigger");
  });
  return client;
}
