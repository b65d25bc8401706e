import assert from "node:assert/strict";
import { test } from "node:test";
import type { Status } from "../src/protocol";
import { choices, oneLine, remember, statusItem } from "../src/words";

const status: Status = { provider: "openai", model: "sol", state: "ok", editing: 0, summary: "spark-lsp 1: sol, ok" };

test("the status bar says who serves, and how fast the last edit was", () => {
  const cases: [Status | undefined, string, string, string][] = [
    [undefined, "", "$(zap) spark", "spark-lsp is not running"],
    [status, "", "$(zap) sol", status.summary],
    [{ ...status, editing: 1 }, "", "$(sync~spin) sol", status.summary],
    [
      status,
      "done, 12 lines, 900 tok/s",
      "$(zap) sol 900 tok/s",
      `${status.summary}\nLast edit: done, 12 lines, 900 tok/s`,
    ],
    [{ ...status, state: "limited" }, "", "$(watch) sol", status.summary],
    [{ ...status, state: "offline" }, "stopped", "$(debug-disconnect) sol", `${status.summary}\nLast edit: stopped`],
    [{ ...status, provider: "offline", state: "ready" }, "", "$(zap) embedded", status.summary],
    [{ ...status, state: "paused" }, "", "$(debug-pause) sol", status.summary],
  ];
  for (const [s, last, text, tooltip] of cases) assert.deepEqual(statusItem(s, last), { text, tooltip });
});

test("the input offers the words as typed first, then history, then actions, each always at its place", () => {
  const labels = (typed: string, actions: string[]) =>
    choices(typed, "just again", ["be louder", "use a map"], actions).map((c) => `${c.kind} ${c.label}`);
  assert.deepEqual(labels(" ", []), ["typed just again", "history be louder", "history use a map"]);
  assert.deepEqual(labels(" use a map ", ["Simplify"]), [
    "typed use a map",
    "history be louder",
    "history use a map",
    "action Simplify",
  ]);
});

test("history: the latest first, each once, fifty of them", () => {
  assert.deepEqual(remember(["a", "b"], "b"), ["b", "a"]);
  const many = Array.from({ length: 60 }, (_, i) => String(i));
  assert.equal(remember(many, "new").length, 50);
});

test("what is drawn is one line", () => {
  assert.equal(oneLine("a {\n\t\tb\r\n}"), "a { ⏎ b ⏎ }");
  assert.equal(oneLine("⚡".repeat(100), 10), `${"⚡".repeat(9)}…`);
});
