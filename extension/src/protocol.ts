// What spark-lsp adds to LSP, as docs/extensions.md has it: as much of it as the shell looks at.
import type { Command, Range, TextEdit } from "vscode-languageserver-protocol";

export interface EditDelta {
  id: number;
  seq: number;
  uri: string;
  version: number;
  edits: TextEdit[];
}

export interface EditEnd {
  status: string;
  message?: string;
}

export interface EditHunks {
  uri: string;
  version: number;
  edits: {
    id: number;
    hunks: { range: Range; changes: { range: Range; removed: string }[] }[];
    /** While it streams: what it has yet to speak of. */
    pending?: Range;
  }[];
}

export interface NextEdit {
  text: string;
  textDocument: { uri: string; version: number };
  range: Range;
  command: Command;
}

export interface Status {
  provider: string;
  model?: string;
  state: "ok" | "queued" | "limited" | "degraded" | "offline" | "ready" | "paused" | "disabled";
  editing: number;
  summary: string;
}
