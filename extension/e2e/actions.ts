// The actions, as they are chosen from the light bulb's menu: each of those that come with the program, one of the user's
// own, and what asks before it changes anything. They are played in the workbench of edit.test.ts, since starting one
// takes longer than all of them.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { until, type Workbench } from "./workbench";

interface Action {
  title: string;
  file: string;
  code: string;
  /** Selected; a text without a line end only has the cursor put before it. */
  at: string;
  /** What the model reads, and what it answers. */
  match: string;
  answer: string;
  result: string;
}

const sure = `func sure(a bool) bool {
	if a == true {
		return true
	}
	return false
}
`;
const two = `	fmt.Println("one")
	fmt.Println("two")
`;
const load = `package a

func load() {
	data, _ := os.ReadFile("a")
	use(data)
}
`;
const wrong = `package a

import "fmt"

func show(s string) {
	fmt.Println(strings.ToUpper(s))
}
`;

const actions: Action[] = [
  {
    title: "Simplify with spark",
    file: "simplify.go",
    code: `package a\n\n${sure}`,
    at: sure,
    match: "Make the region simpler",
    answer: "func sure(a bool) bool {\n\treturn a\n}\n",
    result: "package a\n\nfunc sure(a bool) bool {\n\treturn a\n}\n",
  },
  {
    title: "Implement with spark",
    file: "implement.go",
    code: 'package a\n\nfunc stub() int {\n\tpanic("not implemented")\n}\n',
    at: "func stub",
    match: "Implement what is only declared",
    answer: '@@\n func stub() int {\n-\tpanic("not implemented")\n+\treturn 42\n }\n',
    result: "package a\n\nfunc stub() int {\n\treturn 42\n}\n",
  },
  {
    title: "Document with spark",
    file: "document.go",
    code: "package a\n\nfunc Long() {\n}\n",
    at: "func Long",
    match: "Write the documentation",
    answer: "@@\n+// Long does nothing, at length.\n func Long() {\n",
    result: "package a\n\n// Long does nothing, at length.\nfunc Long() {\n}\n",
  },
  {
    title: "Extract function with spark",
    file: "extract.go",
    code: `package a\n\nfunc main() {\n${two}}\n`,
    at: two,
    match: "into a function of its own",
    answer: `@@\n func main() {\n${two.replace(/^/gm, "-").replace(/-$/, "")}+\tsay()\n }\n+\n+func say() {\n${two.replace(/^/gm, "+").replace(/\+$/, "")}+}\n`,
    result: `package a\n\nfunc main() {\n\tsay()\n}\n\nfunc say() {\n${two}}\n`,
  },
  {
    title: "Handle errors with spark",
    file: "errors.go",
    code: load,
    at: load.slice(load.indexOf("func load")),
    match: "Handle the errors that can occur",
    answer:
      '@@\n-func load() {\n-\tdata, _ := os.ReadFile("a")\n+func load() error {\n+\tdata, err := os.ReadFile("a")\n+\tif err != nil {\n+\t\treturn err\n+\t}\n \tuse(data)\n+\treturn nil\n }\n',
    result:
      'package a\n\nfunc load() error {\n\tdata, err := os.ReadFile("a")\n\tif err != nil {\n\t\treturn err\n\t}\n\tuse(data)\n\treturn nil\n}\n',
  },
  {
    title: "Add types with spark",
    file: "types.py",
    code: "def area(width, height):\n    return width * height\n",
    at: "def area(width, height):\n    return width * height\n",
    match: "Add types to the region",
    answer: "def area(width: float, height: float) -> float:\n    return width * height\n",
    result: "def area(width: float, height: float) -> float:\n    return width * height\n",
  },
  {
    title: "Rename for clarity with spark",
    file: "rename.py",
    code: "def mean(l):\n    return sum(l) / len(l)\n",
    at: "def mean(l):\n    return sum(l) / len(l)\n",
    match: "Give unclear names",
    answer: "def mean(values):\n    return sum(values) / len(values)\n",
    result: "def mean(values):\n    return sum(values) / len(values)\n",
  },
  {
    title: "Proofread with spark",
    file: "proofread.txt",
    code: "# Notes\n\nThe server dont wait for `teh` editor.\n",
    at: "The server dont wait for `teh` editor.\n",
    match: "Correct the spelling",
    answer: "The server doesn't wait for `teh` editor.\n",
    result: "# Notes\n\nThe server doesn't wait for `teh` editor.\n",
  },
  {
    title: "Do what the comments ask with spark",
    file: "comments.go",
    code: 'package a\n\n// spark: make it 10\nvar limit = 3\n\n// far from here\n\n// spark: say it in capitals\nvar word = "no"\n',
    at: "// far",
    match: "Carry out every instruction",
    answer:
      '@@\n-// spark: make it 10\n-var limit = 3\n+var limit = 10\n@@\n-// spark: say it in capitals\n-var word = "no"\n+var word = "NO"\n',
    result: 'package a\n\nvar limit = 10\n\n// far from here\n\nvar word = "NO"\n',
  },
  {
    title: "Make it loud",
    file: "own.go",
    code: 'package a\n\nvar word = "no"\n',
    at: 'var word = "no"\n',
    match: "no more whispering, shouting",
    answer: 'var word = "NO"\n',
    result: 'package a\n\nvar word = "NO"\n',
  },
];

export const files: Record<string, string> = {
  ...Object.fromEntries(actions.map(({ file, code }) => [file, code])),
  "fix.go": wrong,
  "explain.go": "package a\n\nfunc low(n int) int {\n\treturn n & -n\n}\n",
  "twice.go": "package a\n\nfunc twice(n int) int {\n\treturn 2 * n\n}\n",
  "sum.go": "package a\n\nfunc sum(list []int) int {\n\treturn 0\n}\n",
  "old.go": "package a\n\nfunc old() int { return 1 }\n",
  "user.go": "package a\n\nvar x = old()\n",
};

/** What the model answers, as session/loopback reads it. */
export const script = `${actions.map((a) => `-- reply match="${a.match}" --\n${a.answer}`).join("")}-- reply match="undefined: strings" --
@@
-import "fmt"
+import (
+	"fmt"
+	"strings"
+)
-- reply match="Explain the region" --
It returns the lowest bit of its argument.
-- reply match="Write tests for" --
*** Add File: twice_test.go
+package a
+
+func ExampleTwice() {}
-- reply match="sum it up" times=1 --
func sum(list []int) int {
	total := 0
	for _, n := range list {
		total += n
	}
	return total
}
-- reply match="sum it up" --
func sum(list []int) (total int) {
	for _, n := range list {
		total += n
	}
	return
}
-- reply match="Task: call it young" --
Calls it young in both files.
*** Update File: old.go
@@
-func old() int { return 1 }
+func young() int { return 1 }
*** Update File: user.go
@@
-var x = old()
+var x = young()
`;

let w: Workbench;

/** What a file of the workspace holds in the editor, opened or not. */
const inEditor = (file: string) =>
  w.host(async (vscode, path) => (await vscode.workspace.openTextDocument(path)).getText(), join(w.files, file));

/** Declares the tests. bench is asked for the workbench when they run. */
export function actionTests(it: (name: string, f: () => Promise<void>) => void, bench: () => Workbench): void {
  const test = (name: string, f: () => Promise<void>) =>
    it(name, () => {
      w = bench();
      return f();
    });

  for (const { title, file, at, result } of actions) {
    test(title, async () => {
      await w.open(file, at, at.endsWith("\n"));
      await w.choose(title);
      await w.exactly(result);
      await w.sees(".codelens-decoration", "Accept");
    });
  }

  test("another checker's problem is fixed, with what the fix needs elsewhere", async () => {
    await w.open("fix.go", "strings");
    await w.host((vscode) => {
      const document = vscode.window.activeTextEditor?.document;
      if (!document) throw new Error("no editor");
      const at = document.getText().indexOf("strings");
      const range = new vscode.Range(document.positionAt(at), document.positionAt(at + "strings".length));
      const problem = new vscode.Diagnostic(range, "undefined: strings", vscode.DiagnosticSeverity.Error);
      vscode.languages.createDiagnosticCollection("checker").set(document.uri, [problem]);
    });
    await w.page.locator(".squiggly-error").first().waitFor();
    await w.choose("Fix with spark: undefined: strings");
    await w.exactly(wrong.replace('import "fmt"\n', 'import (\n\t"fmt"\n\t"strings"\n)\n'));
  });

  test("an explanation stands in a document beside the code, and changes nothing", async () => {
    await w.open("explain.go", "func low");
    await w.choose("Explain with spark");
    const visible = () => w.host((vscode) => vscode.window.visibleTextEditors.map((e) => e.document.getText()));
    await until("it is explained", async () => (await visible()).some((text) => text.includes("the lowest bit")));
    assert.ok((await visible()).includes(files["explain.go"] ?? ""));
    await w.exactly(files["explain.go"] ?? ""); // in front still
    await w.command("workbench.action.closeEditorsInOtherGroups");
  });

  test("tests go into a new file when they have been looked at, and into none when they are refused", async () => {
    const button = (name: string) => w.page.locator(".bulk-edit-panel a.monaco-button", { hasText: name });
    await w.open("twice.go", "func twice");
    await w.choose("Write tests with spark");
    await button("Discard").click();
    await w.gone(".bulk-edit-panel a.monaco-button:visible");
    assert.ok(!existsSync(join(w.files, "twice_test.go")));

    await w.open("twice.go", "func twice");
    await w.choose("Write tests with spark");
    const proposed = w.page.locator(".bulk-edit-panel .monaco-list-row", { hasText: "twice_test.go" });
    await proposed.locator(".edit-checkbox").click();
    await button("Apply").click();
    await until("the file is there", async () => (await inEditor("twice_test.go")).includes("func ExampleTwice() {}"));
    await w.command("workbench.action.closePanel");
  });

  test("of several candidates one is shown, and a key shows the next one", async () => {
    const candidates = (n?: number) =>
      w.host(async (vscode, n) => {
        await vscode.workspace
          .getConfiguration("spark")
          .update("edit.candidates", n, vscode.ConfigurationTarget.Global);
      }, n);
    await candidates(2);
    await w.open("sum.go", "func sum(list []int) int {\n\treturn 0\n}\n", true);
    await w.press("Control+Alt+k");
    await w.say("sum it up");
    await w.written("total += n");
    await w.sees(".codelens-decoration", "Accept");
    const first = await w.text();
    const next = (what: string, shown: (text: string) => boolean) =>
      until(what, async () => {
        await w.press("Control+Alt+j"); // does nothing while one is still being written
        return w.soon(async () => shown(await w.text()));
      });
    const named = first.includes("(total int)");
    await next("another is shown", (text) => text.includes("total += n") && text.includes("(total int)") !== named);
    await next("the first is shown again", (text) => text === first);
    await candidates();
  });

  test("a larger task is delegated, and changes several files when one has agreed", async () => {
    await w.open("old.go", "func old");
    await w.command("spark.delegate");
    await w.sees(".quick-input-title", "Delegate a task");
    await w.say("call it young");
    await w.sees(".notification-toast", "Calls it young in both files.");
    assert.ok((await inEditor("user.go")).includes("old()"), "nobody has agreed yet");
    await w.page.locator(".notification-toast a.monaco-button", { hasText: "Go ahead" }).click();
    await until("the other file is changed", async () => (await inEditor("user.go")).includes("young()"));
    await w.written("func young() int { return 1 }");
  });
}
