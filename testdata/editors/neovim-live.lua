-- The configuration that lets an edit stream into the buffer: exact versions (debounce 0), and one undo step for
-- all edits of a stream (the handler).
local last
vim.lsp.config('spark', {
  cmd = { 'spark-lsp', '--stdio', '--log', vim.env.SPARK_TEST_LOG },
  filetypes = { 'go' },
  root_markers = { '.git' },
  flags = { debounce_text_changes = 0 },
  init_options = { spark = { undojoin = true } },
  handlers = {
    ['workspace/applyEdit'] = function(err, params, ctx)
      local id = (params.label or ''):match('^spark:(.+)')
      params.label = nil
      if id and id == last then pcall(vim.cmd.undojoin) end
      last = id
      return vim.lsp.handlers['workspace/applyEdit'](err, params, ctx)
    end,
  },
})
vim.lsp.enable('spark')
vim.lsp.inline_completion.enable()
vim.keymap.set('i', '<Tab>', function()
  if not vim.lsp.inline_completion.get() then return '<Tab>' end
end, { expr = true })
