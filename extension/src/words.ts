// What the shell says and offers, as text. Knows nothing of VS Code.
import type { Answer, Input, Status } from "./protocol";

const icons: Record<Status["state"], string> = {
  ok: "zap",
  ready: "zap",
  queued: "watch",
  limited: "watch",
  degraded: "warning",
  offline: "debug-disconnect",
  paused: "debug-pause",
  disabled: "circle-slash",
};

/** The status bar item: who serves and how fast the last edit was, and the whole story. */
export function statusItem(s: Status | undefined): { text: string; tooltip: string } {
  if (s === undefined) return { text: "$(zap) spark", tooltip: "spark-lsp is not running" };
  const icon = s.editing > 0 ? "sync~spin" : icons[s.state];
  return { text: `$(${icon}) ${s.label}`, tooltip: s.summary + (s.lastEdit ? `\nLast edit: ${s.lastEdit}` : "") };
}

export interface Choice {
  label: string;
  icon: "zap" | "history" | "lightbulb";
  answer: Answer;
}

/**
 * What the input offers: the words as typed (or what none mean), what was asked before, and the server's actions. Each
 * keeps its place in the list while one types: VS Code tells the chosen one by its number, and a list that is renewed
 * while the key travels would make that another one.
 */
export function choices(typed: string, input: Input, history: string[]): Choice[] {
  const instruction = typed.trim();
  return [
    { label: instruction || (input.empty ?? "…"), icon: "zap", answer: { instruction } },
    ...history.map((label): Choice => ({ label, icon: "history", answer: { instruction: label } })),
    ...(input.actions ?? []).map((label, action): Choice => ({ label, icon: "lightbulb", answer: { action } })),
  ];
}

/** History with the latest instruction first, each once, at most fifty. */
export function remember(history: string[], instruction: string): string[] {
  return [instruction, ...history.filter((h) => h !== instruction)].slice(0, 50);
}

/** Text as one line of at most so many characters, for where only one can be drawn. */
export function oneLine(text: string, most = 120): string {
  const characters = [...text.replace(/\r?\n\s*/g, " ⏎ ")];
  return characters.length > most ? `${characters.slice(0, most - 1).join("")}…` : characters.join("");
}
