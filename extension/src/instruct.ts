// The instruction's input: one key for a new edit, for a redirect of the one that streams, and for another try.
import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";
import type { CodeAction, Command, Range } from "vscode-languageserver-protocol";
import type { Edits } from "./edits";
import { type Choice, choices, remember } from "./words";

const historyKey = "spark.instructions";

/** The commands of the server that take an instruction, and what the input says for each. */
const prompts: Record<string, { title: string; placeholder: string; none: string }> = {
  "spark-lsp.edit": { title: "Edit", placeholder: "What to do here", none: "what the spark: comment says" },
  "spark-lsp.steer": { title: "Redirect the edit", placeholder: "What to do instead", none: "…" },
  "spark-lsp.delegate": { title: "Delegate a task", placeholder: "What to do, in this file and others", none: "…" },
  "spark-lsp.retry": { title: "Again, but…", placeholder: "What to do differently", none: "just again" },
};

/** Whether a command of the server would need an instruction and has none. */
export function lacksInstruction(command: string, argument: unknown): boolean {
  const given = argument as { instruction?: string; uri?: string } | undefined;
  return command !== "spark-lsp.retry" && command in prompts && given?.uri !== undefined && !given.instruction;
}

/** Asks for an instruction and runs it: at the selection, or for a command and argument of the server's menu. */
export async function instruct(
  client: LanguageClient,
  edits: Edits,
  memory: vscode.Memento,
  menu?: { command: string; argument?: { uri: string; range?: Range } },
): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  if (editor === undefined) return;
  const { document, selection } = editor;
  const uri = client.code2ProtocolConverter.asUri(document.uri);
  let command = menu?.command ?? "spark-lsp.edit";
  let argument: object = menu?.argument ?? { uri, range: client.code2ProtocolConverter.asRange(selection) };
  if (menu === undefined && edits.streaming(document)) {
    [command, argument] = ["spark-lsp.steer", { uri }];
  } else if (menu === undefined) {
    const here = edits.review(document).find((e) => e.hunks.some((h) => h.intersection(selection)));
    if (here !== undefined) [command, argument] = ["spark-lsp.retry", { uri, id: here.id }];
  } else if (command === "spark-lsp.delegate") {
    argument = { uris: [uri] };
  }
  const prompt = prompts[command];
  if (prompt === undefined) return;
  const actions = command === "spark-lsp.edit" ? actionsAt(client, argument as { uri: string; range?: Range }) : [];
  const history = memory.get<string[]>(historyKey, []);
  const chosen = await ask(prompt, history, Promise.resolve(actions));
  if (chosen === undefined || (chosen === "" && prompt.none === "…")) return;
  // A selection that stays would be typed over.
  editor.selection = new vscode.Selection(editor.selection.active, editor.selection.active);
  if (typeof chosen !== "string") {
    await execute(client, chosen.command, chosen.arguments);
    return;
  }
  if (chosen !== "") await memory.update(historyKey, remember(history, chosen));
  await execute(client, command, [{ ...argument, instruction: chosen }]);
}

/** Runs a command of the server, past the middleware that asks for instructions. */
export function execute(client: LanguageClient, command: string, args: unknown[] = []): Promise<unknown> {
  return client.sendRequest("workspace/executeCommand", { command, arguments: args });
}

/** The server's code actions at a place, custom ones among them: those that are a command and can be run now. */
async function actionsAt(client: LanguageClient, at: { uri: string; range?: Range }): Promise<Command[]> {
  const range = at.range ?? { start: { line: 0, character: 0 }, end: { line: 0, character: 0 } };
  const params = { textDocument: { uri: at.uri }, range, context: { diagnostics: [], only: ["refactor"] } };
  const list = await client.sendRequest<(Command | CodeAction)[] | null>("textDocument/codeAction", params);
  return (list ?? []).flatMap((a) => {
    const command = typeof a.command === "string" ? (a as Command) : (a as CodeAction).command;
    if (command === undefined || lacksInstruction(command.command, command.arguments?.[0])) return [];
    return [{ ...command, title: a.title }];
  });
}

/** The input itself. Words, an action that was chosen instead, or undefined when it was left. */
function ask(
  { none, ...prompt }: { title: string; placeholder: string; none: string },
  history: string[],
  coming: Promise<Command[]>,
): Promise<string | Command | undefined> {
  const input = vscode.window.createQuickPick<vscode.QuickPickItem & { choice: Choice }>();
  Object.assign(input, prompt);
  let actions: Command[] = [];
  const fill = () => {
    const titles = actions.map((a) => a.title);
    input.items = choices(input.value, none, history, titles).map((choice) => ({
      label: choice.label,
      iconPath: new vscode.ThemeIcon({ typed: "zap", history: "history", action: "lightbulb" }[choice.kind]),
      alwaysShow: choice.kind === "typed",
      choice,
    }));
    input.activeItems = input.items.slice(0, 1); // Enter means the words as typed
  };
  fill();
  coming.then(
    (list) => {
      actions = list;
      fill();
    },
    () => undefined, // without actions there is still the instruction
  );
  return new Promise((resolve) => {
    input.onDidChangeValue(fill);
    input.onDidAccept(() => {
      const { kind, label } = input.selectedItems[0]?.choice ?? { kind: "typed", label: "" };
      const words = kind === "typed" ? input.value.trim() : label;
      resolve(kind === "action" ? actions.find((a) => a.title === label) : words);
      input.hide();
    });
    input.onDidHide(() => {
      resolve(undefined);
      input.dispose();
    });
    input.show();
  });
}
