// Runs functions that a test sends, in the extension host, with VS Code's API. The socket lies in a directory that only
// the test's user may enter.
const fs = require("node:fs");
const http = require("node:http");
const vscode = require("vscode");

exports.activate = () => {
  fs.rmSync(process.env.SPARK_DRIVER, { force: true }); // of the extension host before a reload
  http
    .createServer(async (request, response) => {
      let body = "";
      for await (const chunk of request) body += chunk;
      try {
        const { source, args } = JSON.parse(body);
        // biome-ignore lint/security/noGlobalEval: this is what a driver is for
        const value = await eval(`(${source})`)(vscode, ...args);
        response.end(JSON.stringify({ value }));
      } catch (err) {
        response.end(JSON.stringify({ error: String(err?.stack ?? err) }));
      }
    })
    .listen(process.env.SPARK_DRIVER);
};
