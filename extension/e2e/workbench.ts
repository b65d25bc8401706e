// A real workbench: code-server with the packaged extension in it, in a real browser, and a scripted model behind it.
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { appendFileSync, cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { type BrowserContext, chromium, type Page } from "playwright-core";
import type * as vscode from "vscode";

/** How long a fact may take. Machines are shared; a test that passes waits for none of it. */
const patience = 40_000;

/** Where run.sh has put everything. */
const installed = {
  node: need("NODE24"),
  codeServer: need("CODE_SERVER"),
  chromium: need("CHROMIUM"),
  /** Extensions, as installed from their vsix: copied for each workbench. */
  extensions: need("SPARK_EXTENSIONS"),
  program: need("SPARK_PROGRAM"),
  /** What is kept of a run. */
  kept: need("SPARK_E2E_RUN"),
};

function need(name: string): string {
  const value = process.env[name];
  if (!value) throw new Error(`${name} is not set; start the tests with: npm run e2e`);
  return value;
}

export interface Given {
  /** The model's answers, as session/loopback reads them. */
  script?: string;
  files: Record<string, string>;
  /** What the user has set, beside the endpoint. */
  settings?: Record<string, unknown>;
  /** What the workspace has set. */
  workspaceSettings?: Record<string, unknown>;
  environment?: Record<string, string>;
  /** Ask for trust, as VS Code does, instead of trusting everything. */
  trust?: boolean;
}

export class Workbench {
  readonly files: string;
  private readonly children: ChildProcess[] = [];
  private failures = 0;
  private browser: BrowserContext | undefined;
  page!: Page;
  /** What the page asked of others than this machine. */
  readonly strangers: string[] = [];

  private constructor(
    readonly name: string,
    readonly dir: string,
    private readonly given: Given,
  ) {
    this.files = join(dir, "files");
  }

  static async start(name: string, given: Given): Promise<Workbench> {
    const w = new Workbench(name, mkdtempSync(join(tmpdir(), "spark-vscode-")), given);
    process.once("exit", () => w.kill());
    process.once("SIGTERM", () => process.exit(1)); // what the runner sends when time is over
    try {
      await w.boot();
    } catch (err) {
      await w.stop();
      throw err;
    }
    return w;
  }

  private async boot(): Promise<void> {
    const { dir, given } = this;
    const write = (file: string, text: string) => {
      mkdirSync(join(file, ".."), { recursive: true });
      writeFileSync(file, text);
    };
    for (const [file, text] of Object.entries(given.files)) write(join(this.files, file), text);
    if (given.workspaceSettings) {
      write(join(this.files, ".vscode/settings.json"), JSON.stringify(given.workspaceSettings));
    }
    cpSync(installed.extensions, join(dir, "extensions"), { recursive: true });
    write(join(dir, "user/User/settings.json"), JSON.stringify({ ...quiet, ...given.settings }));
    const endpoint: Record<string, unknown> = {};
    if (given.script !== undefined) {
      write(join(dir, "script.txtar"), given.script);
      const model = spawn(installed.program, [
        "loopback",
        "--addr",
        "127.0.0.1:0",
        "--script",
        join(dir, "script.txtar"),
      ]);
      this.children.push(model);
      endpoint["spark.provider"] = "openai";
      endpoint["spark.baseURL"] = `${await new Promise<string>((resolve, reject) => {
        let out = "";
        model.stdout.on("data", (data) => {
          out += data;
          appendFileSync(join(installed.kept, `${this.name}.model.log`), data);
          const url = /^listening on (\S+)/.exec(out)?.[1];
          if (url) resolve(url);
        });
        model.stderr.on("data", (data) => reject(new Error(`the loopback model: ${data}`)));
      })}`;
    }
    // Where code and keys go is set for a machine, and this one is remote, as everything in code-server is.
    write(join(dir, "user/Machine/settings.json"), JSON.stringify(endpoint));
    write(join(dir, "config.yaml"), "");

    const port = await freePort();
    const server = spawn(
      installed.node,
      [installed.codeServer, ...flags(dir, port), ...(given.trust ? [] : ["--disable-workspace-trust"])],
      {
        detached: true, // a group of its own, so that all of it can be ended
        stdio: ["ignore", "ignore", "ignore"],
        env: {
          ...clean(process.env),
          HOME: dir,
          SPARK_DRIVER: join(dir, "driver"),
          EXTENSIONS_GALLERY: '{"serviceUrl":""}',
          ...given.environment,
        },
      },
    );
    this.children.push(server);
    await until("code-server listens", async () => (await fetch(`http://127.0.0.1:${port}/healthz`)).ok);
    this.browser = await chromium.launchPersistentContext(join(dir, "browser"), {
      executablePath: installed.chromium,
      args: browserFlags,
      viewport: { width: 1280, height: 800 },
      env: { ...process.env, LD_LIBRARY_PATH: process.env.CHROMIUM_LIBS ?? "", HOME: dir } as Record<string, string>,
    });
    this.page = this.browser.pages()[0] ?? (await this.browser.newPage());
    this.page.on("request", (r) => {
      const { protocol, hostname } = new URL(r.url());
      if (/^(https?|wss?):$/.test(protocol) && hostname !== "127.0.0.1") this.strangers.push(r.url());
    });
    this.page.setDefaultTimeout(patience);
    await this.page.goto(`http://127.0.0.1:${port}/?folder=${this.files}`);
    if (!given.trust) await this.ready();
  }

  /** Waits until the extension is active, which it is when its server has answered. */
  async ready(): Promise<void> {
    await until("the extension is active", () =>
      this.host((vscode) => vscode.extensions.getExtension("spark-lsp.spark-lsp")?.isActive ?? false),
    );
  }

  /** Runs f in the extension host. f sees nothing of the test but its arguments. */
  host<A extends unknown[], R>(f: (api: typeof vscode, ...args: A) => R | PromiseLike<R>, ...args: A): Promise<R> {
    return new Promise((resolve, reject) => {
      const r = request({ socketPath: join(this.dir, "driver"), method: "POST" }, async (response) => {
        let body = "";
        for await (const chunk of response) body += chunk;
        const { value, error } = JSON.parse(body);
        if (error) reject(new Error(error));
        else resolve(value);
      });
      r.on("error", reject);
      r.end(JSON.stringify({ source: f.toString(), args }));
    });
  }

  command(id: string, ...args: unknown[]): Promise<unknown> {
    return this.host(async (vscode, id, args) => void (await vscode.commands.executeCommand(id, ...args)), id, args);
  }

  /** A file of the workspace, as the server knows it. */
  uri(file: string): string {
    return pathToFileURL(join(this.files, file)).href;
  }

  /** Opens a file of the workspace, with the cursor at the mark's start, or with the mark selected. */
  async open(file: string, mark = "", select = false): Promise<void> {
    await this.host(
      async (vscode, path) => void (await vscode.window.showTextDocument(vscode.Uri.file(path))),
      join(this.files, file),
    );
    // VS Code makes the controller of ghost text when it has time, and until then asks nobody.
    await this.command("editor.action.inlineSuggest.trigger");
    await this.command("editor.action.inlineSuggest.hide");
    await this.place(mark, select);
  }

  /** Puts the cursor at the start of a piece of text, behind it, or over it. */
  async place(mark: string, how: boolean | "behind" = false): Promise<void> {
    const where = await this.host(
      (vscode, mark, how) => {
        const editor = vscode.window.activeTextEditor;
        if (!editor) throw new Error("no editor");
        const at = editor.document.getText().indexOf(mark);
        if (at < 0) throw new Error(`no ${mark} in the document`);
        const start = editor.document.positionAt(at);
        const end = editor.document.positionAt(at + mark.length);
        const active = how === false ? start : end;
        editor.selection = new vscode.Selection(how === "behind" ? end : start, active);
        let column = 0;
        const tab = Number(editor.options.tabSize);
        for (const c of editor.document.lineAt(active.line).text.slice(0, active.character)) {
          column += c === "\t" ? tab - (column % tab) : 1;
        }
        const selected = how === true && mark !== "" ? ` (${mark.length} selected)` : "";
        return `Ln ${active.line + 1}, Col ${column + 1}${selected}`;
      },
      mark,
      how,
    );
    // The extension host believes at once what it has asked for, and the editor is some time behind.
    const shown = this.page.locator("#status\\.editor\\.selection");
    await until(`the status bar says ${where}`, async () => (await shown.textContent()) === where);
  }

  /** The text of the document in front. */
  text(): Promise<string> {
    return this.host((vscode) => vscode.window.activeTextEditor?.document.getText() ?? "");
  }

  async written(text: string): Promise<void> {
    await until(`the document says ${JSON.stringify(text)}`, async () => (await this.text()).includes(text));
  }

  async exactly(text: string): Promise<void> {
    let last = "";
    await until(
      "the document is as wanted",
      async () => {
        last = await this.text();
        return last === text;
      },
      () => `it is\n${last}`,
    );
  }

  async press(...keys: string[]): Promise<void> {
    for (const key of keys) await this.page.keyboard.press(key);
  }

  type(text: string): Promise<void> {
    return this.page.keyboard.type(text);
  }

  /** Asks something again for a while; for what is tried anew when it is not true soon. */
  async soon(fact: () => Promise<boolean>): Promise<boolean> {
    for (let i = 0; i < 30; i++) {
      if (await fact()) return true;
      await new Promise((resolve) => setTimeout(resolve, 30));
    }
    return false;
  }

  /** Types into the input, and means it. */
  async say(words: string): Promise<void> {
    await this.page.locator(".quick-input-widget .quick-input-box input:focus").waitFor(); // else the editor gets the words
    await this.type(words);
    await this.sees(".quick-input-list .monaco-list-row", words);
    await this.press("Enter");
  }

  /**
   * Chooses an entry of the light bulb's menu. VS Code looks for the bulb a quarter of a second after the cursor has
   * moved, and drops a menu that was asked for meanwhile: whoever is told nothing presses the key again.
   */
  async choose(title: string): Promise<void> {
    const row = this.page.locator(".action-widget .monaco-list-row", { hasText: title });
    await until(`${title} is chosen`, async () => {
      if (!(await row.isVisible())) await this.press("Control+.");
      await row.click({ timeout: 1000 });
      return true;
    });
  }

  /** Clicks a code lens until what it does has happened: a lens that is drawn anew under the mouse takes no click. */
  async lens(title: string, done: () => Promise<boolean>): Promise<void> {
    const lens = this.page.locator(".codelens-decoration a", { hasText: title }).first();
    await until(`${title} is done`, async () => {
      await lens.click({ timeout: 1000 });
      return this.soon(done);
    });
  }

  /** Waits until the page shows a piece of text in an element. */
  async sees(selector: string, text: string | RegExp): Promise<void> {
    await this.page.locator(selector).filter({ hasText: text }).first().waitFor();
  }

  async gone(selector: string): Promise<void> {
    await until(`${selector} is gone`, async () => (await this.page.locator(selector).count()) === 0);
  }

  /** What decorations draw between the text: it is in style sheets, so no locator sees it. */
  drawn(): Promise<string[]> {
    return this.page.evaluate(() =>
      [...document.querySelectorAll(".view-line span")].flatMap((e) => {
        const drawn = ["::before", "::after"].map((pseudo) => getComputedStyle(e, pseudo).content);
        return drawn.filter((s) => /^"./.test(s)).map((s) => s.slice(1, -1));
      }),
    );
  }

  /** Waits until ghost text says this. It comes in pieces, with spaces that do not break, and more lines below. */
  async ghost(want: string): Promise<void> {
    let last = "";
    await until(
      `ghost text says ${JSON.stringify(want)}`,
      async () => {
        last = await this.page.evaluate(() =>
          [...document.querySelectorAll(".ghost-text-decoration, .ghost-text, .suggest-preview-text .view-line")]
            .map((e) => e.textContent ?? "")
            .join("")
            .replaceAll("\u00a0", " "),
        );
        return want === "" ? last === "" : last.includes(want);
      },
      () => `it says ${JSON.stringify(last)}`,
    );
  }

  /** How many undo steps lead from the present text back to another. */
  async undosTo(text: string): Promise<number> {
    for (let n = 0; n < 30; n++) {
      const now = await this.text();
      if (now === text) return n;
      await this.press("Control+z");
      await until("undo has done something", async () => (await this.text()) !== now);
    }
    throw new Error("thirty undo steps are not enough");
  }

  /** Runs a test's steps, and keeps a picture of where they failed. */
  steps(f: () => Promise<void>): () => Promise<void> {
    return async () => {
      try {
        await f();
      } catch (err) {
        await this.picture(`failed-${this.name}-${++this.failures}`);
        await this.command("notifications.showList").catch(() => undefined);
        await this.picture(`failed-${this.name}-${this.failures}-messages`);
        await this.command("notifications.hideList").catch(() => undefined);
        throw err;
      }
    };
  }

  picture(name: string): Promise<unknown> {
    return this.page.screenshot({ path: join(installed.kept, `${name}.png`) });
  }

  /** The processes of a program under this workbench. */
  servers(): number[] {
    try {
      const out = execFileSync("pgrep", ["-f", `${this.dir}/extensions/.*/spark-lsp --stdio`], { encoding: "utf8" });
      return out.trim().split("\n").map(Number);
    } catch {
      return [];
    }
  }

  async stop(): Promise<void> {
    await this.browser?.close();
    this.kill();
    rmSync(this.dir, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
  }

  private kill(): void {
    for (const child of this.children.splice(0)) {
      try {
        // code-server is in no hurry when it is asked nicely.
        if (child.pid) process.kill(child.spawnargs.includes(installed.codeServer) ? -child.pid : child.pid, "SIGKILL");
      } catch {
        // it has ended by itself
      }
    }
  }
}

/** Waits for a fact; what fails meanwhile is asked again. */
export async function until(what: string, fact: () => Promise<boolean>, but: () => string = () => ""): Promise<void> {
  const end = Date.now() + patience;
  let failure: unknown;
  for (;;) {
    try {
      if (await fact()) return;
      failure = undefined;
    } catch (err) {
      failure = err;
    }
    if (Date.now() > end) throw new Error(`waited in vain until ${what} ${failure ?? but()}`);
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const address = server.address();
      server.close(() =>
        address && typeof address === "object" ? resolve(address.port) : reject(new Error("no port")),
      );
    });
  });
}

/** The environment without what this machine's user has told spark-lsp. */
function clean(environment: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(environment).filter(([name]) => !/^(SPARK_|OPENAI_|XDG_|VSCODE_)/.test(name)),
  );
}

const flags = (dir: string, port: number) => [
  "--auth=none",
  `--bind-addr=127.0.0.1:${port}`,
  `--user-data-dir=${dir}/user`,
  `--extensions-dir=${dir}/extensions`,
  `--config=${dir}/config.yaml`,
  "--disable-telemetry",
  "--disable-update-check",
  "--disable-getting-started-override",
  "--disable-proxy",
];

const browserFlags = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--disable-dev-shm-usage",
  "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
];

const quiet = {
  "chat.disableAIFeatures": true,
  "workbench.startupEditor": "none",
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "workbench.tips.enabled": false,
  "extensions.autoUpdate": false,
  "remote.autoForwardPorts": false,
  "git.enabled": false,
  "editor.wordBasedSuggestions": "off",
  "editor.quickSuggestions": { other: "off", comments: "off", strings: "off" },
  "editor.autoClosingBrackets": "never",
  "editor.autoIndent": "none",
  "editor.minimap.enabled": false,
  "editor.fontFamily": "DejaVu Sans Mono",
  "files.autoSave": "off",
};
