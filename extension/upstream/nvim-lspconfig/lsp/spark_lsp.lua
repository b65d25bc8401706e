---@brief
---
--- https://github.com/spark-lsp/spark-lsp
---
--- `spark-lsp` completes and edits with a very fast code model, in any language; without a model it completes from the
--- code of the workspace. It can be installed with `go install github.com/spark-lsp/spark-lsp@latest`.
---
--- Enable `:help lsp-inline-completion` to see completions as ghost text:
--- ```lua
--- vim.lsp.inline_completion.enable()
--- vim.keymap.set('i', '<Tab>', function()
---   if not vim.lsp.inline_completion.get() then
---     return '<Tab>'
---   end
--- end, { expr = true })
--- ```
---
--- Edits are code actions. They arrive in one piece; the server's documentation has a handler that lets them stream.

---@type vim.lsp.Config
return {
  cmd = { 'spark-lsp', '--stdio' },
  root_markers = { '.git' },
}
