// What spark-lsp adds to LSP, as docs/extensions.md has it: as much of it as the shell looks at.
import type { Command, Position, Range, TextEdit } from "vscode-languageserver-protocol";

export interface EditDelta {
  id: number;
  seq: number;
  uri: string;
  version: number;
  edits: TextEdit[];
}

export interface EditHunks {
  uri: string;
  version: number;
  /** While an edit streams, pending is what it has yet to speak of. */
  edits: { id: number; hunks: { changes: { range: Range; removed: string }[] }[]; pending?: Range }[];
}

export interface Input {
  title: string;
  placeholder: string;
  empty?: string;
  actions?: string[];
}

export type Answer = { instruction: string } | { action: number };

export interface NextEdit {
  text: string;
  textDocument: { uri: string; version: number };
  range: Range;
  command: Command;
}

export interface Refresh {
  uri: string;
  version: number;
  position: Position;
}

export interface Status {
  state: "ok" | "queued" | "limited" | "degraded" | "offline" | "ready" | "paused" | "disabled";
  editing: number;
  label: string;
  lastEdit?: string;
  summary: string;
}
