// Next edits with stable API: drawn as decorations, taken with Tab. VS Code's own next edits are proposed API, which an
// extension that anybody can install may not use.
import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";
import type { NextEdit } from "./protocol";
import { oneLine } from "./words";

export class NextEdits implements vscode.Disposable {
  private shown: { edit: NextEdit; range: vscode.Range; document: vscode.TextDocument } | undefined;
  /** The latest question; what an older one brings is not looked at. */
  private asked = new vscode.CancellationTokenSource();

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
  private readonly disposables: vscode.Disposable[];

  constructor(private readonly client: LanguageClient) {
    this.disposables = [
      this.removed,
      this.added,
      this.hint,
      vscode.window.onDidChangeTextEditorSelection(() => this.draw()),
      vscode.window.onDidChangeActiveTextEditor(() => this.renew()),
      client.getFeature("textDocument/didChange").onNotificationSent(() => this.renew()),
      vscode.commands.registerCommand("spark.acceptNextEdit", () => this.accept()),
      vscode.commands.registerCommand("spark.dismissNextEdit", () => this.dismiss()),
    ];
  }

  /** Asks for the next edit of the document in front. */
  private async renew(): Promise<void> {
    this.show(undefined);
    this.asked.cancel();
    this.asked = new vscode.CancellationTokenSource();
    const { token } = this.asked;
    const document = vscode.window.activeTextEditor?.document;
    if (document === undefined || !this.client.isRunning()) return;
    const textDocument = this.client.code2ProtocolConverter.asVersionedTextDocumentIdentifier(document);
    const answer = await this.client
      .sendRequest<{ edits: NextEdit[] }>("spark/nextEdit", { textDocument }, token)
      .catch(() => undefined);
    const edit = answer?.edits[0];
    if (edit === undefined || token.isCancellationRequested || edit.textDocument.version !== document.version) return;
    this.show({ edit, document, range: this.client.protocol2CodeConverter.asRange(edit.range) });
  }

  /** Tab: the cursor goes there first, so that nobody accepts what they have not seen; then the edit is made. */
  private async accept(): Promise<void> {
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
  private async dismiss(): Promise<void> {
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
      const put = (type: vscode.TextEditorDecorationType, range?: vscode.Range, contentText?: string) => {
        const renderOptions = contentText ? { after: { contentText } } : {};
        editor.setDecorations(type, range ? [{ range, renderOptions }] : []);
      };
      if (this.shown?.document !== editor.document) {
        for (const type of [this.removed, this.added, this.hint]) put(type);
        continue;
      }
      const { range, edit } = this.shown;
      put(this.removed, range.isEmpty ? undefined : range);
      put(this.added, new vscode.Range(range.end, range.end), oneLine(edit.text));
      const cursor = editor.document.lineAt(editor.selection.active);
      const eol = cursor.lineNumber === range.start.line ? undefined : cursor.range.end;
      put(this.hint, eol && new vscode.Range(eol, eol), `⇥ next edit: line ${range.start.line + 1}`);
    }
  }

  dispose(): void {
    this.asked.cancel();
    this.show(undefined);
    for (const d of this.disposables) d.dispose();
  }
}
