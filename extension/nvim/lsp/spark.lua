-- What vim.lsp.enable('spark') starts. docs/editors/neovim.md has the same without this plugin, and says why.
---@type vim.lsp.Config
return {
  cmd = { 'spark-lsp', '--stdio' },
  root_markers = { '.git' },
  flags = { debounce_text_changes = 0 },
  init_options = { spark = { undojoin = true } },
  capabilities = { experimental = { sparkStatus = 1 } },
  handlers = require('spark').handlers,
  on_init = require('spark').on_init,
}
