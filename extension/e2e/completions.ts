// Ghost text and next edits. They are played in the workbench of edit.test.ts, as the actions are.
import assert from "node:assert/strict";
import { until, type Workbench } from "./workbench";

const code = "package a\n\nfunc f() int {\n\t\n}\n";
const slow = "package a\n\nfunc f() {\n\t// slowly\n\n}\n";
const list = `package a

func f() {
	fmt.Println("a")
	fmt.Println("b")
	fmt.Println("c")
	fmt.Println("d")
}
`;

export const files = { "ghost.go": code, "past.go": code, "slow.go": slow, "next.go": list, "dismiss.go": list };

/** What the model answers, as session/loopback reads it: it continues what was typed. */
export const script = `-- reply job=completion match="// slowly\\n\\t<" rate=20 chomp --
one()
	two()
	three(1)
	four(2)
-- reply job=completion match="r<" chomp --
eturn 42
-- reply job=completion --
`;

let w: Workbench;

/** Makes the same edit twice by hand. */
async function twice(file: string): Promise<void> {
  await w.open(file);
  for (const mark of ['fmt.Println("a")', 'fmt.Println("b")']) {
    await w.place(mark);
    await w.press("Delete", "Delete", "Delete");
    await w.type("log");
    await w.written(mark.replace("fmt", "log"));
  }
  await until("the next edit is drawn", async () => (await w.drawn()).some((s) => s.includes("next edit: line 6")));
}

/** Declares the tests. bench is asked for the workbench when they run. */
export function completionTests(it: (name: string, f: () => Promise<void>) => void, bench: () => Workbench): void {
  const test = (name: string, f: () => Promise<void>) =>
    it(name, () => {
      w = bench();
      return f();
    });

  test("ghost text comes as one types, is typed into, and taken with tab", async () => {
    await w.open("ghost.go", "\t", false);
    await w.press("End");
    await w.type("r");
    await w.ghost("eturn 42");
    await w.type("etu");
    await w.ghost("rn 42");
    await w.press("Tab");
    await w.exactly(code.replace("\t", "\treturn 42"));
  });

  test("escape hides it, and the key asks for it again", async () => {
    await w.open("past.go", "\t");
    await w.press("End");
    await w.type("r");
    await w.ghost("eturn 42");
    await w.press("Escape");
    await w.ghost("");
    await w.press("Alt+\\");
    await w.ghost("eturn 42");
  });

  test("a suggestion that comes slowly grows when all of it is there", async () => {
    await w.open("slow.go", "\n}");
    await w.press("Tab");
    await w.ghost("one()");
    await w.ghost("four(2)");
    await w.press("Tab");
    await w.exactly(slow.replace("\n\n}", "\n\tone()\n\ttwo()\n\tthree(1)\n\tfour(2)\n}"));
  });

  test("the same edit made twice is offered at the next place: tab goes there, tab makes it", async () => {
    await twice("next.go");
    await w.press("Tab");
    await w.sees("#status\\.editor\\.selection", /^Ln 6,/);
    await w.exactly(
      list.replace('fmt.Println("a")', 'log.Println("a")').replace('fmt.Println("b")', 'log.Println("b")'),
    );
    await w.picture("next-edit");
    await w.press("Tab");
    await w.written('log.Println("c")');
    await until("there is one more", async () => (await w.drawn()).some((s) => s.includes("next edit: line 7")));
    await w.press("Tab", "Tab");
    await w.exactly(list.replaceAll("fmt.", "log."));
    await until("nothing is drawn", async () => (await w.drawn()).length === 0);
    assert.equal(await w.undosTo(list.replaceAll("fmt.", "log.").replace('log.Println("d")', 'fmt.Println("d")')), 1);
  });

  test("escape dismisses it, and tab is a tab again", async () => {
    await twice("dismiss.go");
    await w.press("Escape");
    await until("nothing is drawn", async () => (await w.drawn()).length === 0);
    const before = await w.text();
    await w.press("Tab");
    await w.exactly(before.replace('log.Println("b")', 'log\t.Println("b")'));
  });
}
