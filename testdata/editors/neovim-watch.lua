-- Loaded before the user's configuration: keeps what the tests wait for, and changes nothing.
vim.g.loaded_python3_provider = 0 -- its probe alone takes a second
vim.o.swapfile = false            -- a killed run leaves nothing behind
vim.o.columns, vim.o.lines = 120, 40

spark_watch = { attached = false, progress = {}, ended = 0, applied = 0, dropped = 0 }

vim.api.nvim_create_autocmd('LspAttach', {
  callback = function()
    -- Neovim sets up ghost text in a callback that it schedules after this event. Keys that come before that
    -- would be typed without it.
    vim.schedule(function()
      vim.schedule(function() spark_watch.attached = true end)
    end)
  end,
})

vim.api.nvim_create_autocmd('LspProgress', {
  callback = function(event)
    local kind = event.data.params.value.kind
    table.insert(spark_watch.progress, kind)
    if kind == 'end' then spark_watch.ended = spark_watch.ended + 1 end
  end,
})

-- The answer says "applied" also of an edit for an old version, which Neovim drops; so the buffer is asked.
local apply_edit = vim.lsp.handlers['workspace/applyEdit']
vim.lsp.handlers['workspace/applyEdit'] = function(...)
  local before = vim.b.changedtick
  local answer = apply_edit(...)
  local name = vim.b.changedtick ~= before and 'applied' or 'dropped'
  spark_watch[name] = spark_watch[name] + 1
  return answer
end
