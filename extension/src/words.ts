// What the shell says and offers, as text. Knows nothing of VS Code.
import type { Status } from "./protocol";

/** The status bar item: one short text, and the whole story. */
export function statusItem(s: Status | undefined, streaming: number, pace: string): { text: string; tooltip: string } {
  if (s === undefined) return { text: "$(zap) spark", tooltip: "spark-lsp is not running" };
  const name = s.provider === "offline" ? "embedded" : (s.model ?? s.provider);
  const icon = {
    ok: "$(zap)",
    ready: "$(zap)",
    queued: "$(watch)",
    limited: "$(watch)",
    degraded: "$(warning)",
    offline: "$(debug-disconnect)",
    paused: "$(debug-pause)",
    disabled: "$(circle-slash)",
  }[s.state];
  const lines = [
    s.provider === "offline"
      ? "spark-lsp: the embedded engine"
      : `spark-lsp: ${name}${s.tier ? `, tier ${s.tier}` : ""}`,
    `State: ${s.state}${s.message ? ` (${s.message})` : ""}${s.until ? ` until ${s.until}` : ""}`,
  ];
  if (pace) lines.push(`Last edit: ${pace}`);
  if (s.tokensToday > 0) lines.push(`Today: ${s.tokensToday} tokens`);
  const speed = /[\d.]+ tok\/s/.exec(pace)?.[0];
  const text = [streaming > 0 ? "$(sync~spin)" : icon, name, ...(speed ? [speed] : [])].join(" ");
  return { text, tooltip: lines.join("\n") };
}

export interface Choice {
  label: string;
  kind: "typed" | "history" | "action";
}

/**
 * What the instruction's input offers: the words as typed (or what none mean), what was asked before, and the server's
 * actions. Each keeps its place in the list while one types: VS Code tells the chosen one by its number, and a list
 * that is renewed while the key travels would make that another one.
 */
export function choices(typed: string, none: string, history: string[], actions: string[]): Choice[] {
  return [
    { label: typed.trim() || none, kind: "typed" },
    ...history.map((label) => ({ label, kind: "history" as const })),
    ...actions.map((label) => ({ label, kind: "action" as const })),
  ];
}

/** History with the latest instruction first, each once, at most fifty. */
export function remember(history: string[], instruction: string): string[] {
  return [instruction, ...history.filter((h) => h !== instruction)].slice(0, 50);
}

/** What of a replacement is different: how much of both ends stays, and what stands between. */
export function difference(old: string, text: string): { before: number; after: number; text: string } {
  const most = Math.min(old.length, text.length);
  let before = 0;
  while (before < most && old[before] === text[before]) before++;
  let after = 0;
  while (after < most - before && old[old.length - 1 - after] === text[text.length - 1 - after]) after++;
  return { before, after, text: text.slice(before, text.length - after) };
}

/** Text as one line of at most so many characters, for where only one can be drawn. */
export function oneLine(text: string, most = 120): string {
  const characters = [...text.replace(/\r?\n\s*/g, " ⏎ ")];
  return characters.length > most ? `${characters.slice(0, most - 1).join("")}…` : characters.join("");
}
