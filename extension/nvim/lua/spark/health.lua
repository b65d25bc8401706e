-- :checkhealth spark. It asks what a person would ask first; 'spark-lsp doctor' goes the whole way to the model.
local M = {}

function M.check()
  local health = vim.health
  health.start('spark')
  if vim.fn.has('nvim-0.12') == 1 then
    health.ok('Neovim ' .. tostring(vim.version()))
  else
    health.error('Neovim ' .. tostring(vim.version()) .. ' is too old', 'Ghost text needs Neovim 0.12')
  end

  local command = (vim.lsp.config.spark or {}).cmd
  local program = type(command) == 'table' and command[1] or 'spark-lsp'
  local path = vim.fn.exepath(program)
  if path == '' then
    health.error(program .. ' is not on the PATH that Neovim was started with', {
      'go install github.com/spark-lsp/spark-lsp@latest',
      'and put the directory that `go env GOPATH` names, with /bin behind it, on your PATH',
    })
  else
    local said = vim.system({ path, '--version' }, { text = true }):wait(5000)
    health.ok(path .. ': ' .. vim.trim(said.stdout or ''))
  end

  local clients = vim.tbl_filter(function(client)
    return client.server_info and client.server_info.name == 'spark-lsp'
  end, vim.lsp.get_clients())
  if #clients == 0 then
    health.warn('no buffer has it', "Is vim.lsp.enable('spark') in your init.lua, and a file open?")
  end
  for _, client in ipairs(clients) do
    local buffers = vim.tbl_count(client.attached_buffers)
    health.ok(('%s serves %d buffer%s'):format(client.name, buffers, buffers == 1 and '' or 's'))
    local status = require('spark').status(client.id)
    if status and status.provider == 'offline' then
      health.info('The embedded engine answers: it completes, and edits need a model. In a terminal: spark-lsp login')
    elseif status then
      (status.state == 'ok' and health.ok or health.warn)(status.summary, 'In a terminal: spark-lsp doctor')
    end
    if client.handlers['workspace/applyEdit'] == nil then
      health.info('Edits arrive in one piece: the handler that lets them stream is not in the configuration')
    end
  end
  if vim.lsp.inline_completion.is_enabled() then
    health.ok('ghost text is on')
  else
    health.warn('ghost text is off', 'vim.lsp.inline_completion.enable()')
  end
end

return M
