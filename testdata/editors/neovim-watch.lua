-- Loaded before the user's configuration: keeps what the tests wait for, and changes nothing.
vim.g.loaded_python3_provider = 0 -- its probe alone takes a second
vim.o.swapfile = false            -- a killed run leaves nothing behind
vim.o.columns, vim.o.lines = 120, 40

spark_watch = { attached = false, progress = {} }

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
  callback = function(event) table.insert(spark_watch.progress, event.data.params.value.kind) end,
})
