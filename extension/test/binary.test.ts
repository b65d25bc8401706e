import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { findServer, NoServer, older } from "../src/binary";

const dir = mkdtempSync(join(tmpdir(), "spark-binary-"));
after(() => rmSync(dir, { recursive: true }));

const program = (name: string, says: string): string => {
  const path = join(dir, name);
  writeFileSync(path, `#!/bin/sh\n${says}\n`, { mode: 0o755 });
  return path;
};
const good = program("good", 'test "$1" = --version && echo spark-lsp 1.2.3');
const other = program("other", "echo spark-lsp 2.0.0");
program("spark-lsp", "echo spark-lsp 3.0.0"); // what is found in PATH
const missing = join(dir, "missing");

const places = (setting: string, named: string | undefined, bundled: string) => ({
  setting,
  environment: { PATH: `/nowhere:${dir}`, SPARK_SERVER_PATH: named },
  bundled,
  windows: false,
});

test("the first that names a program: setting, environment, bundled, PATH", async () => {
  assert.deepEqual(await findServer(places(good, other, other)), { path: good, version: "1.2.3" });
  assert.equal((await findServer(places("", other, good))).path, other);
  assert.equal((await findServer(places("", undefined, good))).path, good);
  assert.equal((await findServer(places("", undefined, missing))).path, join(dir, "spark-lsp"));
});

test("what was named and is not there is no reason to take another", async () => {
  const named = (p: Promise<unknown>, words: RegExp) =>
    assert.rejects(p, (e) => e instanceof NoServer && words.test(e.message));
  await named(findServer(places(missing, undefined, good)), /missing, named by the setting spark\.server\.path/);
  await named(findServer(places("", missing, good)), /environment variable SPARK_SERVER_PATH/);
  await named(findServer({ ...places("", undefined, missing), environment: { PATH: "/nowhere" } }), /not in PATH/);
});

test("a program that is another, too old, or does not run is told in one sentence", async () => {
  const refused = async (says: string, words: RegExp) =>
    assert.rejects(findServer(places(program("bad", says), undefined, "")), (e) => {
      assert.ok(e instanceof NoServer);
      assert.match(e.message, words);
      assert.ok(!e.message.includes("\n"));
      return true;
    });
  await refused("echo hello", /is not spark-lsp: it says "hello"/);
  await refused("echo spark-lsp 0.0.9", /is version 0\.0\.9, and at least 0\.1\.0 is needed/);
  await refused("exit 3", /does not run/);
});

test("versions", () => {
  const cases: [string, string, boolean][] = [
    ["0.1.0", "0.1.0", false],
    ["0.0.9", "0.1.0", true],
    ["0.10.0", "0.9.0", false],
    ["1.0", "1.0.1", true],
    ["0.1.0-dev", "0.1.0", false],
    ["0.0.0-20261122101112-abcdef123456", "0.1.0", false],
    ["1.2.x", "1.2.3", true],
  ];
  for (const [version, than, want] of cases) assert.equal(older(version, than), want, `${version} before ${than}`);
});
