-- The least a user writes for spark-lsp in Neovim 0.12. The server is not told that it may stream.
vim.lsp.config('spark', {
  cmd = { 'spark-lsp', '--stdio', '--log', vim.env.SPARK_TEST_LOG },
  filetypes = { 'go' },
  root_markers = { '.git' },
})
vim.lsp.enable('spark')
vim.lsp.inline_completion.enable()
vim.keymap.set('i', '<Tab>', function()
  if not vim.lsp.inline_completion.get() then return '<Tab>' end
end, { expr = true })
