// What spark-lsp adds to LSP, as docs/extensions.md has it.
import type { Command, Range, TextEdit } from "vscode-languageserver-protocol";

export interface EditBegin {
  id: number;
  uri: string;
  title: string;
}

export interface EditDelta {
  id: number;
  seq: number;
  uri: string;
  version: number;
  edits: TextEdit[];
}

export interface EditEnd {
  id: number;
  uri: string;
  status: "done" | "stopped" | "paused" | "undone" | "lost" | "failed";
  message?: string;
}

export interface Hunk {
  range: Range;
  changes: { range: Range; removed: string }[];
}

export interface EditHunks {
  uri: string;
  version: number;
  edits: { id: number; hunks: Hunk[]; pending?: Range }[];
}

export interface NextEdit {
  text: string;
  textDocument: { uri: string; version: number };
  range: Range;
  command: Command;
}

export interface SteerResult {
  outcome: "applied" | "queued" | "refused";
  reason?: string;
}

export interface Status {
  provider: string;
  model?: string;
  tier?: string;
  state: "ok" | "queued" | "limited" | "degraded" | "offline" | "ready" | "paused" | "disabled";
  message?: string;
  until?: string;
  editing: number;
  tokensToday: number;
}
