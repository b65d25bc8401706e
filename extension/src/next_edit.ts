// Next edits with stable API: drawn as decorations, taken with Tab. VS Code's own next edits are proposed API, which an
// extension that anybody can install may not use.
import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";
import type { Edits } from "./edits";
import type { NextEdit } from "./protocol";
import { oneLine } from "./words";

export class NextEdits implements vscode.Disposable {
  private shown: { edit: NextEdit; range: vscode.Range; document: vscode.TextDocument } | undefined;
  private asking = false;
  private again = false;

  private readonly removed = vscode.window.createTextEditorDecorationType({
    textDecoration: "line-through",
    backgroundColor: new vscode.ThemeColor("diffEditor.removedTextBackground"),
  });
  private readonly added = vscode.window.createTextEditorDecorationType({
    after: {
      color: new vscode.ThemeColor("editorGhostText.foreground"),
      backgroundColor: new vscode.ThemeColor("diffEditor.insertedTextBackground"),
    },
    overviewRulerColor: new vscode.ThemeColor("editorOverviewRuler.modifiedForeground"),
  });
  private readonly hint = vscode.window.createTextEditorDecorationType({
    after: { margin: "0 0 0 2em", color: new vscode.ThemeColor("editorCodeLens.foreground") },
  });
  private readonly disposables = [
    this.removed,
    this.added,
    this.hint,
    vscode.window.onDidChangeTextEditorSelection(() => this.draw()),
    vscode.window.onDidChangeActiveTextEditor(() => this.renew()),
  ];

  constructor(
    private readonly client: LanguageClient,
    private readonly edits: Edits,
  ) {}

  /** The server knows of a change of a document. */
  changed(document: vscode.TextDocument): void {
    if (document === vscode.window.activeTextEditor?.document) this.renew();
  }

  private renew(): void {
    this.show(undefined);
    void this.ask();
  }

  /** Asks for the next edit of the document in front. One question at a time: what changed meanwhile is one more. */
  private async ask(): Promise<void> {
    if (this.asking) {
      this.again = true;
      return;
    }
    this.asking = true;
    try {
      do {
        this.again = false;
        const editor = vscode.window.activeTextEditor;
        if (editor === undefined || !this.client.isRunning() || this.edits.streaming(editor.document)) continue;
        const { document } = editor;
        const params = {
          textDocument: { uri: this.client.code2ProtocolConverter.asUri(document.uri), version: document.version },
          position: this.client.code2ProtocolConverter.asPosition(editor.selection.active),
        };
        const answer = await this.client
          .sendRequest<{ edits: NextEdit[] }>("spark/nextEdit", params)
          .catch(() => undefined);
        const edit = answer?.edits[0];
        if (edit === undefined || edit.textDocument.version !== document.version) continue;
        if (document !== vscode.window.activeTextEditor?.document) continue;
        this.show({ edit, document, range: this.client.protocol2CodeConverter.asRange(edit.range) });
      } while (this.again);
    } finally {
      this.asking = false;
    }
  }

  /** Tab: the cursor goes there first, so that nobody accepts what they have not seen; then the edit is made. */
  async accept(): Promise<void> {
    const editor = vscode.window.activeTextEditor;
    const shown = this.shown;
    if (editor === undefined || shown === undefined || shown.document !== editor.document) return;
    if (editor.selection.active.line !== shown.range.start.line) {
      editor.selection = new vscode.Selection(shown.range.start, shown.range.start);
      editor.revealRange(shown.range, vscode.TextEditorRevealType.InCenterIfOutsideViewport);
      return;
    }
    const done = await editor.edit((b) => b.replace(shown.range, shown.edit.text));
    if (done) {
      const { command, arguments: args } = shown.edit.command;
      await this.client.sendRequest("workspace/executeCommand", { command, arguments: args });
    }
  }

  /** Esc: this edit is not offered again. */
  async dismiss(): Promise<void> {
    const item = this.shown?.edit;
    this.show(undefined);
    if (item !== undefined) await this.client.sendNotification("spark/nextEdit/didReject", { item });
  }

  private show(next: typeof this.shown): void {
    if (next === undefined && this.shown === undefined) return;
    this.shown = next;
    void vscode.commands.executeCommand("setContext", "spark.nextEdit", next !== undefined);
    this.draw();
  }

  private draw(): void {
    for (const editor of vscode.window.visibleTextEditors) {
      const shown = this.shown?.document === editor.document ? this.shown : undefined;
      if (shown === undefined) {
        for (const type of [this.removed, this.added, this.hint]) editor.setDecorations(type, []);
        continue;
      }
      const { document, range, edit } = shown;
      editor.setDecorations(
        this.removed,
        [range].filter((r) => !r.isEmpty),
      );
      const after = { contentText: oneLine(edit.text) };
      editor.setDecorations(this.added, [{ range: new vscode.Range(range.end, range.end), renderOptions: { after } }]);
      const cursor = editor.selection.active.line;
      const eol = document.lineAt(cursor).range.end;
      const tab = { contentText: `⇥ next edit: line ${range.start.line + 1}` };
      const away = cursor !== range.start.line;
      editor.setDecorations(
        this.hint,
        away ? [{ range: new vscode.Range(eol, eol), renderOptions: { after: tab } }] : [],
      );
    }
  }

  dispose(): void {
    this.show(undefined);
    for (const d of this.disposables) d.dispose();
  }
}
