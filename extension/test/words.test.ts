import assert from "node:assert/strict";
import { test } from "node:test";
import type { Input, Status } from "../src/protocol";
import { choices, oneLine, remember, statusItem } from "../src/words";

const status: Status = { state: "ok", editing: 0, label: "sol 900 tok/s", summary: "spark-lsp 1: sol, ok" };

test("the status bar says how things stand, and its tooltip the rest", () => {
  const cases: [Status | undefined, string, string][] = [
    [undefined, "$(zap) spark", "spark-lsp is not running"],
    [status, "$(zap) sol 900 tok/s", status.summary],
    [{ ...status, lastEdit: "done, 12 lines" }, "$(zap) sol 900 tok/s", `${status.summary}\nLast edit: done, 12 lines`],
    [{ ...status, editing: 1 }, "$(sync~spin) sol 900 tok/s", status.summary],
    [{ ...status, state: "limited" }, "$(watch) sol 900 tok/s", status.summary],
    [{ ...status, state: "offline" }, "$(debug-disconnect) sol 900 tok/s", status.summary],
    [{ ...status, state: "paused", label: "embedded" }, "$(debug-pause) embedded", status.summary],
  ];
  for (const [s, text, tooltip] of cases) assert.deepEqual(statusItem(s), { text, tooltip });
});

test("the input offers the words as typed first, then history, then actions, each always at its place", () => {
  const input = { title: "Again", placeholder: "", empty: "just again", actions: ["Simplify"] };
  const offered = (typed: string, input: Input) =>
    choices(typed, input, ["be louder", "use a map"]).map((c) => `${c.icon} ${c.label} ${JSON.stringify(c.answer)}`);
  const history = [
    'history be louder {"instruction":"be louder"}',
    'history use a map {"instruction":"use a map"}',
    'lightbulb Simplify {"action":0}',
  ];
  assert.deepEqual(offered(" ", input), ['zap just again {"instruction":""}', ...history]);
  assert.deepEqual(offered(" use a map ", input), ['zap use a map {"instruction":"use a map"}', ...history]);
  assert.equal(offered("", { title: "", placeholder: "" })[0], 'zap … {"instruction":""}');
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
