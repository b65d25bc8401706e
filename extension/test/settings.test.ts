import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { explicit, serverKeys } from "../src/settings";

const manifest = JSON.parse(readFileSync("package.json", "utf8"));

test("the server's keys come from the manifest, the shell's own do not", () => {
  const keys = serverKeys(manifest);
  assert.ok(keys.includes("completion.maxTokens"));
  assert.ok(!keys.some((k) => k.startsWith("server.")));
  assert.deepEqual(serverKeys({}), []);
});

test("only what somebody has set is told; a default is null, since it must not win over the environment", () => {
  const set: Record<string, object> = {
    model: { defaultValue: "gpt", globalValue: "mine" },
    "completion.maxTokens": { defaultValue: 200 },
    "completion.automatic": { globalValue: "ask", workspaceValue: "off" },
    delivery: { globalValue: "auto", workspaceValue: "final", workspaceFolderValue: "live" },
    enabled: { globalValue: false },
  };
  const told = (trusted: boolean) => explicit(Object.keys(set), (key) => set[key], trusted);
  assert.deepEqual(told(true), {
    model: "mine",
    "completion.maxTokens": null,
    "completion.automatic": "off",
    delivery: "live",
    enabled: false,
  });
  assert.deepEqual(told(false), {
    model: "mine",
    "completion.maxTokens": null,
    "completion.automatic": "ask",
    delivery: "auto",
    enabled: false,
  });
});

test("what decides where code and keys go cannot be set by a workspace", () => {
  const properties = Object.assign(
    {},
    ...manifest.contributes.configuration.map((c: { properties: object }) => c.properties),
  );
  for (const key of [
    "spark.server.path",
    "spark.provider",
    "spark.baseURL",
    "spark.edit.baseURL",
    "spark.deep.baseURL",
  ]) {
    assert.equal(properties[key].scope, "machine", key);
  }
});

test("every command of a key or a menu is declared, and none of them is the server's", () => {
  const { commands, keybindings, menus } = manifest.contributes;
  const declared = new Set(commands.map((c: { command: string }) => c.command));
  for (const { command } of [...keybindings, ...Object.values(menus).flat()] as { command: string }[]) {
    assert.ok(declared.has(command) || command.startsWith("editor.action."), command);
  }
  for (const command of declared) assert.match(String(command), /^spark\./);
});
