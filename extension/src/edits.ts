// Streamed edits: applies what the server sends on the version it names, draws what the server says, and knows nothing
// of where an edit goes when somebody types meanwhile. That is the server's.
import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";
import type { EditBegin, EditDelta, EditHunks } from "./protocol";
import { oneLine } from "./words";

interface Stream {
  uri: string;
  /** The document's version after our last piece; another one now means that somebody else has written since. */
  version?: number;
}

export class Edits implements vscode.Disposable {
  private readonly streams = new Map<number, Stream>();
  private readonly drawn = new Map<string, EditHunks>();
  private readonly changed = new vscode.EventEmitter<void>();
  /** Fires when an edit begins or ends, or is accepted or taken back. */
  readonly onDidChange = this.changed.event;

  private readonly written = decoration("diffEditor.insertedTextBackground", "editorOverviewRuler.addedForeground");
  private readonly removed = vscode.window.createTextEditorDecorationType({
    before: {
      color: new vscode.ThemeColor("editorCodeLens.foreground"),
      backgroundColor: new vscode.ThemeColor("diffEditor.removedTextBackground"),
      textDecoration: "line-through",
    },
  });
  private readonly pending = vscode.window.createTextEditorDecorationType({ opacity: "0.5", isWholeLine: true });
  private readonly disposables = [
    this.changed,
    this.written,
    this.removed,
    this.pending,
    vscode.window.onDidChangeVisibleTextEditors(() => this.draw()),
    vscode.window.onDidChangeActiveTextEditor(() => this.tell()),
  ];

  constructor(private readonly client: LanguageClient) {
    client.onNotification("spark/edit/begin", (p: EditBegin) => {
      this.streams.set(p.id, { uri: this.uri(p.uri) });
      this.tell();
    });
    client.onNotification("spark/edit/delta", async (p: EditDelta) => {
      const applied = await this.apply(p).catch(() => false);
      await client.sendNotification("spark/edit/ack", { id: p.id, seq: p.seq, applied });
    });
    client.onNotification("spark/edit/hunks", (p: EditHunks) => {
      this.drawn.set(this.uri(p.uri), p);
      this.draw();
      this.tell();
    });
  }

  /** How many edits stream, into one document or at all. */
  streaming(document?: vscode.TextDocument): number {
    const uri = document?.uri.toString();
    return [...this.streams.values()].filter((s) => uri === undefined || s.uri === uri).length;
  }

  /** The ended edits of a document that wait for the user's word, with their hunks in the server's order. */
  review(document: vscode.TextDocument | undefined): { id: number; hunks: vscode.Range[] }[] {
    const edits = this.drawn.get(document?.uri.toString() ?? "")?.edits ?? [];
    return edits
      .filter((e) => e.pending === undefined && e.hunks.length > 0)
      .map((e) => ({ id: e.id, hunks: e.hunks.map((h) => this.range(h.range)) }));
  }

  /** Applies one piece, if the document is what the piece is for. */
  private async apply(p: EditDelta): Promise<boolean> {
    const uri = this.uri(p.uri);
    const document = vscode.workspace.textDocuments.find((d) => d.uri.toString() === uri);
    const stream = this.streams.get(p.id);
    if (document === undefined || document.version !== p.version || stream === undefined) return false;
    const edits = p.edits.map((e) => vscode.TextEdit.replace(this.range(e.range), e.newText));
    const { activeTextEditor, visibleTextEditors } = vscode.window;
    const editor = [activeTextEditor, ...visibleTextEditors].find((e) => e?.document === document);
    let applied = false;
    if (editor !== undefined) {
      // An undo step is closed before the first piece, and before one that follows what somebody else has written:
      // otherwise one undo would take that along.
      const undoStopBefore = stream.version !== document.version;
      applied = await editor
        .edit((b) => edits.forEach((e) => void b.replace(e.range, e.newText)), { undoStopBefore, undoStopAfter: false })
        .then(undefined, () => false); // it has left the screen meanwhile
    }
    if (!applied && document.version === p.version) {
      const all = new vscode.WorkspaceEdit();
      all.set(document.uri, edits);
      applied = await vscode.workspace.applyEdit(all);
    }
    stream.version = document.version;
    return applied;
  }

  private draw(): void {
    for (const editor of vscode.window.visibleTextEditors) {
      const drawn = this.drawn.get(editor.document.uri.toString());
      // Of another version than the one on screen: VS Code moves what is drawn, and the server has more to say.
      if (drawn === undefined || (drawn.version !== editor.document.version && drawn.edits.length > 0)) continue;
      const changes = drawn.edits.flatMap((e) => e.hunks).flatMap((h) => h.changes);
      const written = changes.map((c) => this.range(c.range));
      editor.setDecorations(
        this.written,
        written.filter((r) => !r.isEmpty),
      );
      editor.setDecorations(
        this.removed,
        changes.flatMap(({ removed }, i) => {
          const at = written[i]?.start;
          if (at === undefined || removed.trim() === "") return [];
          const before = { contentText: oneLine(removed, 60) };
          const hoverMessage = new vscode.MarkdownString().appendCodeblock(removed, editor.document.languageId);
          return [{ range: new vscode.Range(at, at), renderOptions: { before }, hoverMessage }];
        }),
      );
      editor.setDecorations(
        this.pending,
        drawn.edits.flatMap((e) => (e.pending === undefined ? [] : [this.range(e.pending)])).filter((r) => !r.isEmpty),
      );
    }
  }

  /** Sets what keybindings and menus look at. */
  private tell(): void {
    const document = vscode.window.activeTextEditor?.document;
    void vscode.commands.executeCommand("setContext", "spark.streaming", document && this.streaming(document) > 0);
    void vscode.commands.executeCommand("setContext", "spark.review", this.review(document).length > 0);
    this.changed.fire();
  }

  private uri(protocol: string): string {
    return this.client.protocol2CodeConverter.asUri(protocol).toString();
  }

  private range(r: EditHunks["edits"][0]["hunks"][0]["range"]): vscode.Range {
    return this.client.protocol2CodeConverter.asRange(r);
  }

  ended(id: number): void {
    this.streams.delete(id);
    this.tell();
  }

  /** Forgets everything, as the server has. */
  clear(): void {
    this.streams.clear();
    for (const p of this.drawn.values()) p.edits = [];
    this.draw();
    this.drawn.clear();
    this.tell();
  }

  dispose(): void {
    this.clear();
    for (const d of this.disposables) d.dispose();
  }
}

function decoration(background: string, ruler: string): vscode.TextEditorDecorationType {
  return vscode.window.createTextEditorDecorationType({
    backgroundColor: new vscode.ThemeColor(background),
    overviewRulerColor: new vscode.ThemeColor(ruler),
    overviewRulerLane: vscode.OverviewRulerLane.Left,
  });
}
