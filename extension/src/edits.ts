// Streamed edits: applies what the server sends on the version it names, draws what the server says, and knows nothing
// of where an edit goes when somebody types meanwhile. That is the server's.
import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";
import type { Range } from "vscode-languageserver-protocol";
import type { EditDelta, EditHunks } from "./protocol";
import { oneLine } from "./words";

const streams = (e: EditHunks["edits"][0]) => e.pending !== undefined;

export class Edits implements vscode.Disposable {
  /** By document: what the server wants drawn. */
  private readonly drawn = new Map<string, EditHunks>();
  /** By edit that streams: the document's version after its last piece. */
  private readonly after = new Map<number, number>();

  private readonly written = vscode.window.createTextEditorDecorationType({
    backgroundColor: new vscode.ThemeColor("diffEditor.insertedTextBackground"),
    overviewRulerColor: new vscode.ThemeColor("editorOverviewRuler.addedForeground"),
    overviewRulerLane: vscode.OverviewRulerLane.Left,
  });
  private readonly removed = vscode.window.createTextEditorDecorationType({
    before: {
      color: new vscode.ThemeColor("editorCodeLens.foreground"),
      backgroundColor: new vscode.ThemeColor("diffEditor.removedTextBackground"),
      textDecoration: "line-through",
    },
  });
  private readonly pending = vscode.window.createTextEditorDecorationType({ opacity: "0.5" });
  private readonly disposables = [
    this.written,
    this.removed,
    this.pending,
    vscode.window.onDidChangeVisibleTextEditors(() => this.draw()),
    vscode.window.onDidChangeActiveTextEditor(() => this.draw()),
  ];

  constructor(private readonly client: LanguageClient) {
    client.onNotification("spark/edit/delta", async (p: EditDelta) => {
      const applied = await this.apply(p);
      await client.sendNotification("spark/edit/ack", { id: p.id, seq: p.seq, applied });
    });
    client.onNotification("spark/edit/hunks", (p: EditHunks) => {
      this.drawn.set(this.uri(p.uri), p);
      for (const e of p.edits) if (!streams(e)) this.after.delete(e.id);
      this.draw();
    });
  }

  /** Applies one piece, if the document is what the piece is for. */
  private async apply(p: EditDelta): Promise<boolean> {
    const uri = this.uri(p.uri);
    const document = vscode.workspace.textDocuments.find((d) => d.uri.toString() === uri);
    if (document?.version !== p.version) return false;
    const edits = p.edits.map((e) => vscode.TextEdit.replace(this.range(e.range), e.newText));
    const { activeTextEditor, visibleTextEditors } = vscode.window;
    const editor = [activeTextEditor, ...visibleTextEditors].find((e) => e?.document === document);
    // An undo step is closed before the first piece, and before one that follows what somebody else has written:
    // otherwise one undo would take that along.
    const undoStopBefore = this.after.get(p.id) !== document.version;
    const put = (b: vscode.TextEditorEdit) => edits.forEach((e) => void b.replace(e.range, e.newText));
    // An editor that has left the screen meanwhile throws.
    let applied =
      (await editor?.edit(put, { undoStopBefore, undoStopAfter: false }).then(undefined, () => false)) ?? false;
    if (!applied && document.version === p.version) {
      const all = new vscode.WorkspaceEdit();
      all.set(document.uri, edits);
      applied = await vscode.workspace.applyEdit(all);
    }
    this.after.set(p.id, document.version);
    return applied;
  }

  /** Draws in all editors, and sets what keybindings and menus look at. */
  private draw(): void {
    for (const editor of vscode.window.visibleTextEditors) {
      const drawn = this.drawn.get(editor.document.uri.toString());
      // Of another version than the one on screen: VS Code moves what is drawn, and the server has more to say.
      if (drawn === undefined || (drawn.version !== editor.document.version && drawn.edits.length > 0)) continue;
      const changes = drawn.edits.flatMap((e) => e.hunks).flatMap((h) => h.changes);
      const ranges = (of: Range[]) => of.map((r) => this.range(r)).filter((r) => !r.isEmpty);
      editor.setDecorations(this.written, ranges(changes.map((c) => c.range)));
      editor.setDecorations(this.pending, ranges(drawn.edits.flatMap((e) => e.pending ?? [])));
      const gone = changes
        .filter((c) => c.removed.trim() !== "")
        .map(({ range, removed }) => {
          const { start } = this.range(range);
          const hoverMessage = new vscode.MarkdownString().appendCodeblock(removed, editor.document.languageId);
          const renderOptions = { before: { contentText: oneLine(removed, 60) } };
          return { range: new vscode.Range(start, start), renderOptions, hoverMessage };
        });
      editor.setDecorations(this.removed, gone);
    }
    const here = this.drawn.get(vscode.window.activeTextEditor?.document.uri.toString() ?? "")?.edits ?? [];
    const set = (key: string, value: boolean) => void vscode.commands.executeCommand("setContext", key, value);
    set("spark.streaming", here.some(streams));
    set("spark.review", !here.every(streams));
  }

  private uri(protocol: string): string {
    return this.client.protocol2CodeConverter.asUri(protocol).toString();
  }

  private range(r: Range): vscode.Range {
    return this.client.protocol2CodeConverter.asRange(r);
  }

  /** Forgets everything, as a server that has ended has. */
  clear(): void {
    for (const p of this.drawn.values()) p.edits = [];
    this.draw();
    this.drawn.clear();
  }

  dispose(): void {
    this.clear();
    for (const d of this.disposables) d.dispose();
  }
}
