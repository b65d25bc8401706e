// Ghost text, actions, and edits that stream: what is in the buffer, what is drawn, what undo takes back, and what the
// user's hands do meanwhile.
import assert from "node:assert/strict";
import { after, afterEach, before, test as it } from "node:test";
import * as actions from "./actions";
import * as completions from "./completions";
import { until, Workbench } from "./workbench";

const code = `package a

import "os"

func load(name string) []byte {
	b, err := os.ReadFile(name)
	if err != nil {
		panic(err)
	}
	return b
}

func other() {
	println("one")
}
`;

const fixed = `func load(name string) ([]byte, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	return b, nil
}
`;

const region = code.slice(code.indexOf("func load"), code.indexOf("func other") - 1);
const result = code.replace(region, fixed);

// More lines than are written while somebody does something, at half a minute for all of them; and no more than an edit
// of so small a region may have.
const last = 129;
const long = Array.from({ length: last + 1 }, (_, i) => `	println("line ${i}")\n`).join("");

let w: Workbench;
const test = (name: string, f: () => Promise<void>) => it(name, () => w.steps(f)());
before(async () => {
  const names = [
    "stream",
    "typing",
    "stop",
    "steer",
    "hunks",
    "reject",
    "again",
    "menu",
    "comment",
    "elsewhere",
    "picture",
  ];
  w = await Workbench.start("edit", {
    files: { ...completions.files, ...actions.files, ...Object.fromEntries(names.map((name) => [`${name}.go`, code])) },
    settings: { "spark.actions": [{ title: "Make it loud", instruction: "no more whispering, shouting" }] },
    script: `Answers by what the instruction says.
${completions.script}${actions.script}-- reply job=edit match="better a map" --
func load(name string) map[string]byte {
	return nil
}
-- reply job=edit match="and now the rest" --
${fixed}-- reply job=edit match="half of it" fault=stall-mid --
${fixed}-- reply job=edit match="never-ending" rate=15 --
func load(name string) []byte {
${long}}
-- reply job=edit match="call it a path" --
${region.replace("name string", "path string").replace("name)", "path)").replace("return b\n", "return b // all of it\n")}-- reply job=edit --
${fixed}`,
  });
});
after(() => w?.stop());
afterEach(async () => {
  assert.deepEqual(w.strangers, []);
  await w.command("workbench.action.closeQuickOpen");
  await w.command("notifications.clearAll");
});

completions.completionTests(test, () => w);
actions.actionTests(test, () => w);

/** Selects the function, and says what to do with it. */
async function ask(file: string, instruction: string): Promise<void> {
  await w.open(`${file}.go`, region, true);
  await w.press("Control+Alt+k");
  await w.say(instruction);
}

/** Waits until the server has said that there is something to accept. */
const reviewed = () => w.sees(".codelens-decoration", "Accept");
const settled = () => w.gone(".codelens-decoration");

test("an instruction streams an edit into the selection; it is drawn, and one undo takes it back", async () => {
  await ask("stream", "return an error instead");
  await w.exactly(result);
  await reviewed();
  await until("the removed text is drawn", async () => (await w.drawn()).some((s) => s.includes("panic(")));
  assert.equal(await w.undosTo(code), 1);
  await until("nothing is drawn any more", async () => (await w.drawn()).length === 0);
  await settled();
});

test("what is typed while it streams stays, also in the lines that are written", async () => {
  await ask("typing", "a never-ending thing");
  await w.written('println("line 2")');
  // Both above the line that is being written: what is below it moves on, and so would the cursor.
  await w.place('println("line 0")', "behind");
  await w.type(" // mine");
  await w.place('import "os"', "behind");
  await w.type(" // typed by hand, and all of it is there");
  const lines = async () => (await w.text()).split('println("line').length;
  const seen = await lines();
  await until("it goes on", async () => (await lines()) > seen);
  await w.press("Escape", "Control+Home");
  await reviewed();
  await w.written('\tprintln("line 0") // mine\n\tprintln("line 1")\n');
  await w.written('import "os" // typed by hand, and all of it is there\n');
});

test("escape stops it, and what was written stays", async () => {
  await ask("stop", "a never-ending thing");
  await w.written('println("line 2")');
  await w.press("Escape");
  await reviewed();
  const stopped = await w.text();
  assert.ok(!stopped.includes(`println("line ${last}")`), "it did not stop");
  assert.ok(stopped.includes("func other()"));
  await w.press("Control+Alt+n");
  await w.exactly(code);
});

test("the same key redirects it while it streams", async () => {
  await ask("steer", "a never-ending thing");
  await w.written('println("line 2")');
  await w.press("Control+Alt+k");
  await w.sees(".quick-input-title", "Redirect the edit");
  await w.say("better a map");
  await w.written("map[string]byte");
  await reviewed();
  const text = await w.text();
  assert.ok(!text.includes(`println("line ${last}")`));
  assert.ok(text.endsWith(code.slice(code.indexOf("func other"))), text);
});

test("hunks: one is accepted at the cursor, the other taken back", async () => {
  await ask("hunks", "call it a path");
  await w.written("return b // all of it");
  await until("there are two", async () => (await w.page.locator(".codelens-decoration").count()) === 2);
  await w.place("path string");
  await w.press("Control+Alt+Shift+y");
  await until("one is left", async () => (await w.page.locator(".codelens-decoration").count()) === 1);
  await w.lens("Take back", async () => !(await w.text()).includes("all of it"));
  await settled();
  assert.ok((await w.text()).includes("path string"));
});

test("accept leaves nothing to take back, reject restores every character", async () => {
  await ask("reject", "return an error instead");
  await w.exactly(result);
  await reviewed();
  await w.place("package a");
  await w.type("// mine\n");
  await w.press("Control+Alt+n");
  await w.exactly(`// mine\n${code}`);
  await settled();

  await w.place(region, true);
  await w.press("Control+Alt+k");
  await w.say("return an error instead");
  await w.exactly(`// mine\n${result}`);
  await reviewed();
  await w.press("Control+Alt+y");
  await settled();
  await w.command("spark.reject");
  await w.exactly(`// mine\n${result}`);
});

test("the same key iterates on what it wrote, and the input remembers what was said", async () => {
  await ask("again", "return an error instead");
  await w.exactly(result);
  await reviewed();
  await w.place("([]byte, error)");
  await w.press("Control+Alt+k");
  await w.sees(".quick-input-title", "Again, but…");
  await w.sees(".quick-input-list .monaco-list-row", "return an error instead");
  await w.say("better a map");
  await w.written("map[string]byte");
  await reviewed();
  assert.ok(!(await w.text()).includes("([]byte, error)"));
});

test("the input offers the server's actions, the user's own among them", async () => {
  await w.open("menu.go", region, true);
  await w.press("Control+Alt+k");
  await w.sees(".quick-input-list .monaco-list-row", "Make it loud");
  await w.type("loud");
  await w.sees(".quick-input-list .monaco-list-row", /^loud$/);
  await w.page.locator(".quick-input-list .monaco-list-row", { hasText: "Make it loud" }).click();
  await w.written('var word = "NO"');
});

test("a spark comment is an instruction, by the light bulb's menu and an empty input", async () => {
  await w.open("comment.go", "func load");
  await w.type("// spark: return an error\n");
  await w.press("ArrowUp");
  await w.choose("Edit with spark");
  await w.sees(".quick-input-title", "Edit");
  await w.press("Enter");
  await w.exactly(result);
});

test("an edit goes on in a document that is not in front", async () => {
  await ask("elsewhere", "return an error, half of it");
  await w.written("([]byte, error)");
  await w.open("picture.go");
  await w.exactly(code);
  await w.command("spark-lsp.steer", { uri: w.uri("elsewhere.go"), instruction: "and now the rest" });
  const text = () =>
    w.host(
      (vscode) => vscode.workspace.textDocuments.find((d) => d.fileName.endsWith("elsewhere.go"))?.getText() ?? "",
    );
  await until("it is written", async () => (await text()) === result);
});

test("what is still to come is dimmed; a picture for the page", async () => {
  await w.host(async (vscode) => {
    const settings = vscode.workspace.getConfiguration();
    const bare = {
      "workbench.editor.showTabs": "none",
      "workbench.activityBar.location": "hidden",
      "breadcrumbs.enabled": false,
    };
    for (const [key, value] of Object.entries(bare)) {
      await settings.update(key, value, vscode.ConfigurationTarget.Global);
    }
  });
  await w.command("workbench.action.closeSidebar");
  await w.page.setViewportSize({ width: 900, height: 420 });
  await w.open("picture.go", region, true);
  await w.press("Control+Alt+k");
  await w.say("return an error, half of it");
  await w.written("([]byte, error)");
  const dimmed = () =>
    w.page.evaluate(() =>
      [...document.querySelectorAll(".view-line span")].some((e) => getComputedStyle(e).opacity === "0.5"),
    );
  await until("what is to come is dimmed", dimmed);
  await w.picture("streaming");
  await w.press("Control+Alt+k");
  await w.say("and now the rest");
  await w.exactly(result);
  await reviewed();
  await until("the removed text is drawn", async () => (await w.drawn()).some((s) => s.includes("panic(")));
  await until("nothing is dimmed", async () => !(await dimmed()));
  await w.picture("edit");
});
