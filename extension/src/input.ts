// The input: where the user says in words what shall be done, or picks what they said before or an action.
import * as vscode from "vscode";
import type { Answer, Input } from "./protocol";
import { type Choice, choices, remember } from "./words";

const historyKey = "spark.instructions";

/** Asks what the server wants to know. Null when the input was left. */
export function ask(input: Input, memory: vscode.Memento): Promise<Answer | null> {
  const box = vscode.window.createQuickPick<vscode.QuickPickItem & Choice>();
  const history = memory.get<string[]>(historyKey, []);
  const fill = () => {
    box.items = choices(box.value, input, history).map((choice) => ({
      ...choice,
      iconPath: new vscode.ThemeIcon(choice.icon),
      alwaysShow: choice.icon === "zap",
    }));
    box.activeItems = box.items.slice(0, 1); // Enter means the words as typed
  };
  Object.assign(box, { title: input.title, placeholder: input.placeholder });
  fill();
  box.show();
  return new Promise((resolve) => {
    box.onDidChangeValue(fill);
    box.onDidAccept(() => {
      const [chosen] = box.selectedItems;
      const typed = chosen === undefined || chosen.icon === "zap";
      const answer = typed ? { instruction: box.value.trim() } : chosen.answer;
      if ("instruction" in answer) {
        if (answer.instruction === "" && input.empty === undefined) return;
        if (answer.instruction !== "") void memory.update(historyKey, remember(history, answer.instruction));
      }
      // A selection that stays would be typed over.
      const editor = vscode.window.activeTextEditor;
      if (editor) editor.selection = new vscode.Selection(editor.selection.active, editor.selection.active);
      resolve(answer);
      box.hide();
    });
    box.onDidHide(() => {
      resolve(null);
      box.dispose();
    });
  });
}
