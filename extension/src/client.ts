// The language client: what is started, what it is told, and where this shell stands between VS Code and the server.
import * as vscode from "vscode";
import {
  type ClientCapabilities,
  ErrorAction,
  type ErrorHandler,
  type FeatureState,
  LanguageClient,
  RevealOutputChannelOn,
  type StaticFeature,
} from "vscode-languageclient/node";
import { explicit, serverKeys } from "./settings";

/** What the shell wants to do itself of what passes through the client. */
export interface Hooks {
  /** No ghost text is asked for while an edit streams: VS Code would ask after each piece. */
  streaming(document: vscode.TextDocument): boolean;
  /** The server has been told of a change. */
  changed(document: vscode.TextDocument): void;
  /** Commands of the server that lack an instruction. Returns whether it was taken care of. */
  instruct(command: string, argument: unknown): boolean;
}

export interface Refresh {
  uri: string;
  version: number;
}

export function createClient(
  server: { path: string; environment: NodeJS.ProcessEnv },
  log: vscode.LogOutputChannel,
  context: vscode.ExtensionContext,
  hooks: Hooks,
): LanguageClient {
  const keys = serverKeys(context.extension.packageJSON);
  const settings = (scope?: vscode.Uri) => {
    const configuration = vscode.workspace.getConfiguration("spark", scope);
    return explicit(keys, (key) => configuration.inspect(key), vscode.workspace.isTrusted);
  };
  let suggested: { document: vscode.TextDocument; version: number; position: vscode.Position } | undefined;
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
        workspace: {
          configuration: (params) =>
            params.items.map((item) => {
              if (item.section !== "spark") return null;
              return settings(item.scopeUri ? client.protocol2CodeConverter.asUri(item.scopeUri) : undefined);
            }),
        },
        didChange: async (event, next) => {
          await next(event);
          hooks.changed(event.document);
        },
        provideInlineCompletionItems: async (document, position, asked, token, next) => {
          if (hooks.streaming(document)) return null;
          const { version } = document;
          const answer = await next(document, position, asked, token);
          if (token.isCancellationRequested) return answer; // nobody will see it
          const items = Array.isArray(answer) ? answer : answer?.items;
          suggested = items?.length ? { document, version, position } : undefined;
          return answer;
        },
        executeCommand: (command, args, next) => (hooks.instruct(command, args[0]) ? undefined : next(command, args)),
      },
    },
  );
  client.registerFeature(new Shell());
  client.onNotification("spark/inlineCompletion/refresh", async (p: Refresh) => {
    // What is not on the screen yet cannot be hidden, and would come to stay. Nothing tells when it is.
    await new Promise((resolve) => setTimeout(resolve, 100));
    const editor = vscode.window.activeTextEditor;
    const s = suggested;
    if (editor === undefined || s?.document !== editor.document || !s.position.isEqual(editor.selection.active)) return;
    if (p.uri !== client.code2ProtocolConverter.asUri(s.document.uri) || p.version !== s.document.version) return;
    // A trigger alone keeps the text that is shown.
    await vscode.commands.executeCommand("editor.action.inlineSuggest.hide");
    await vscode.commands.executeCommand("editor.action.inlineSuggest.trigger");
  });
  return client;
}

/** Says what this shell can do. */
class Shell implements StaticFeature {
  fillClientCapabilities(capabilities: ClientCapabilities): void {
    capabilities.experimental = { ...capabilities.experimental, sparkEdit: 1, sparkInlineCompletionRefresh: 1 };
  }
  initialize(): void {}
  getState(): FeatureState {
    return { kind: "static" };
  }
  clear(): void {}
}
