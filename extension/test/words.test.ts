import assert from "node:assert/strict";
import { test } from "node:test";
import type { Status } from "../src/protocol";
import { choices, difference, oneLine, remember, statusItem } from "../src/words";

const status: Status = {
  provider: "openai",
  model: "sol",
  tier: "ultrafast",
  state: "ok",
  editing: 0,
  tokensToday: 12,
};

test("the status bar says who serves, how, and how fast the last edit was", () => {
  const cases: [Status | undefined, number, string, string, RegExp][] = [
    [undefined, 0, "", "$(zap) spark", /not running/],
    [status, 0, "", "$(zap) sol", /sol, tier ultrafast\nState: ok\nToday: 12 tokens/],
    [status, 1, "", "$(sync~spin) sol", /./],
    [status, 0, "done, 12 lines, 900 tok/s", "$(zap) sol 900 tok/s", /Last edit: done, 12 lines, 900 tok\/s/],
    [{ ...status, state: "limited", until: "10:00" }, 0, "", "$(watch) sol", /limited until 10:00/],
    [{ ...status, state: "offline", message: "no route" }, 0, "", "$(debug-disconnect) sol", /offline \(no route\)/],
    [{ ...status, provider: "offline", state: "ready" }, 0, "", "$(zap) embedded", /the embedded engine\nState: ready/],
    [{ ...status, state: "paused" }, 0, "", "$(debug-pause) sol", /paused/],
  ];
  for (const [s, streaming, pace, text, tooltip] of cases) {
    const item = statusItem(s, streaming, pace);
    assert.equal(item.text, text);
    assert.match(item.tooltip, tooltip);
  }
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

test("only what is different of a replacement is drawn", () => {
  const cases: [string, string, number, number, string][] = [
    ["fmt.Println", "log.Println", 0, 8, "log"],
    ["abc", "abc", 3, 0, ""],
    ["aa", "aaa", 2, 0, "a"],
    ["", "new", 0, 0, "new"],
    ["old", "", 0, 0, ""],
  ];
  for (const [old, text, before, behind, drawn] of cases) {
    assert.deepEqual(difference(old, text), { before, after: behind, text: drawn }, `${old} to ${text}`);
    assert.equal(old.slice(0, before) + drawn + old.slice(old.length - behind), text, "and it is the same edit");
  }
  assert.equal(oneLine("a {\n\t\tb\r\n}"), "a { ⏎ b ⏎ }");
  assert.equal(oneLine("⚡".repeat(100), 10), `${"⚡".repeat(9)}…`);
});
