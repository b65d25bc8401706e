import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

interface Locked {
  integrity?: string;
  resolved?: string;
  dependencies?: object;
  optionalDependencies?: object;
}

// npm itself leaves out of the lock, without a word, what the registry does not have on the day it is written. npm ci
// then refuses the lock, and on other platforms than the writer's it would hold nothing to install.
test("the lock has every package with its hash, those of other platforms too, and names no host", () => {
  const packages: Record<string, Locked> = JSON.parse(readFileSync("package-lock.json", "utf8")).packages;
  for (const [path, { integrity, resolved, dependencies, optionalDependencies }] of Object.entries(packages)) {
    assert.ok(path === "" || integrity, `${path} has no hash`);
    assert.equal(resolved, undefined, `${path} names a host`);
    const places = path.split("/").map((_, i, parts) => `${parts.slice(0, i + 1).join("/")}/`);
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const found = ["", ...places].some((place) => `${place}node_modules/${name}` in packages);
      assert.ok(found, `${path} needs ${name}, which is not in the lock`);
    }
  }
});
