-- What a configuration alone cannot do for spark-lsp in Neovim; |spark.txt| says how it is used. It draws nothing and
-- decides nothing that the server could decide.
local M = {}

-- What each server has told last, by its client's number: { status = spark/status, words = { [token] = message } }.
local told = {}

local function of(client_id)
  told[client_id] = told[client_id] or { words = {} }
  return told[client_id]
end

-- The client is known by what its server calls itself: users name it as they like, 'spark_copilot' for sidekick.nvim.
local function client_of(buffer)
  for _, client in ipairs(vim.lsp.get_clients({ bufnr = buffer })) do
    if client.server_info and client.server_info.name == 'spark-lsp' then return client end
  end
end

local function warn(text) vim.notify('spark: ' .. text, vim.log.levels.WARN) end

--- Runs a command of the server for a buffer. done gets its result.
local function execute(buffer, name, argument, done)
  local client = client_of(buffer)
  if not client then return warn('no spark-lsp is attached to this buffer (:checkhealth vim.lsp)') end
  client:exec_cmd({ title = name, command = 'spark-lsp.' .. name, arguments = { argument } }, { bufnr = buffer }, function(err, result)
    if err then return warn(err.message) end
    if done then done(result) end
  end)
end

-- Of the answers only a refusal, of steering an edit, is for a person.
local function refused(result)
  if type(result) == 'table' and result.outcome == 'refused' then warn(result.reason or 'refused') end
end

--- Runs one of accept, reject, retry, rest and cancel for the current buffer, or for all.
function M.run(name, argument, everywhere)
  local buffer = vim.api.nvim_get_current_buf()
  argument = argument or {}
  if not everywhere then argument.uri = vim.uri_from_bufnr(buffer) end
  execute(buffer, name, next(argument) and argument or nil, refused)
end

-- Whether an edit is being written into a buffer.
local function writes(buffer)
  local client = client_of(buffer)
  local status = client and of(client.id).status
  for _, edit in ipairs(status and status.edits or {}) do
    if vim.uri_to_bufnr(edit.uri) == buffer then return true end
  end
  return false
end

local function carry_out(buffer, instruction, lines, position)
  if not lines and instruction ~= '' and writes(buffer) then
    return execute(buffer, 'steer', { uri = vim.uri_from_bufnr(buffer), instruction = instruction }, refused)
  end
  local range = { start = position, ['end'] = position }
  if lines then range = { start = { line = lines[1] - 1, character = 0 }, ['end'] = { line = lines[2], character = 0 } } end
  execute(buffer, 'edit', {
    uri = vim.uri_from_bufnr(buffer),
    range = range,
    instruction = instruction ~= '' and instruction or nil,
  })
end

--- Carries out an instruction on lines { first, last }, from 1. Without lines it steers what is being written into the
--- buffer, or else means the block at the cursor. An empty instruction is asked for; if that stays empty, a spark:
--- comment there says it.
function M.spark(instruction, lines)
  local buffer = vim.api.nvim_get_current_buf()
  local client = client_of(buffer)
  local position = client and vim.lsp.util.make_position_params(0, client.offset_encoding).position
  if instruction ~= '' then return carry_out(buffer, instruction, lines, position) end
  vim.ui.input({ prompt = 'spark: ' }, function(text)
    if text then carry_out(buffer, text, lines, position) end
  end)
end

--- Takes the ghost text, and says what else the key is to do: for an expression mapping of a key.
--- Neovim 0.12.4 leaves what was typed since the ghost text appeared behind it; here it goes.
function M.tab(key)
  local taken = vim.lsp.inline_completion.get({
    on_accept = function(item)
      if item.range then
        local _, _, row, column = item.range:to_extmark()
        local cursor = vim.api.nvim_win_get_cursor(0)
        if cursor[1] == row + 1 and cursor[2] > column then
          vim.api.nvim_buf_set_text(0, row, column, row, cursor[2], {})
        end
      end
      return item
    end,
  })
  return taken and '' or key or '<Tab>'
end

--- What the server has told last of itself (spark/status in docs/extensions.md), nil before it did.
function M.status(client_id) return of(client_id).status end

--- What goes on in one or two words, for the statusline: who answers, how far an edit is, or why nothing happens. It is
--- empty in a buffer without spark-lsp.
function M.statusline()
  local client = client_of(0)
  if not client then return '' end
  local known = of(client.id)
  local status = known.status
  if not status then return 'spark' end
  -- The first of "12 lines, 340 tokens, 900 tok/s, ...": all of it would push the file's name off a narrow window.
  for _, word in pairs(known.words) do return 'spark ' .. word:match('^[^,]*') end
  if #status.edits > 0 then return 'spark writes' end
  if status.state == 'ok' then return 'spark ' .. status.model end
  if status.state == 'ready' then return 'spark offline' end
  return 'spark ' .. status.state
end

--- Keeps what the server says of an edit's progress.
function M.progress(client_id, params)
  local client = vim.lsp.get_client_by_id(client_id)
  if not (client and client.server_info and client.server_info.name == 'spark-lsp') then return end
  local word = params.value.message
  if params.value.kind == 'end' then word = nil end
  of(client_id).words[params.token] = word
  vim.cmd.redrawstatus()
end

--- For vim.lsp.config: the menu of code actions tells spark-lsp what is wrong. Neovim hands a server only the diagnostics
--- that it has reported itself, and spark-lsp reports none: it fixes what others report.
function M.on_init(client)
  local request = client.request
  client.request = function(self, method, params, ...)
    if method == 'textDocument/codeAction' and #params.context.diagnostics == 0 then
      local buffer = vim.uri_to_bufnr(params.textDocument.uri)
      local here = vim.tbl_filter(function(diagnostic)
        local last = diagnostic.end_lnum or diagnostic.lnum
        return diagnostic.lnum <= params.range['end'].line and last >= params.range.start.line
      end, vim.diagnostic.get(buffer))
      params.context.diagnostics = vim.lsp.diagnostic.from(here)
    end
    return request(self, method, params, ...)
  end
end

local last = {}

--- For vim.lsp.config: one undo step for each edit, and the status.
M.handlers = {
  -- What arrives is joined to what arrived before, unless the user has typed in between. The label carries the edit's
  -- number; Neovim would print it.
  ['workspace/applyEdit'] = function(err, params, ctx)
    local edit = (params.label or ''):match('^spark:(.+)')
    params.label = nil
    local change = (params.edit.documentChanges or {})[1]
    local buffer = change and change.textDocument and vim.uri_to_bufnr(change.textDocument.uri) or 0
    if edit and edit == last.edit and buffer == last.buffer and vim.b[buffer].changedtick == last.tick then
      vim.api.nvim_buf_call(buffer, function() pcall(vim.cmd.undojoin) end)
    end
    local answer = vim.lsp.handlers['workspace/applyEdit'](err, params, ctx)
    last = { edit = edit, buffer = buffer, tick = vim.b[buffer].changedtick }
    return answer
  end,
  ['spark/status'] = function(_, status, ctx)
    of(ctx.client_id).status = status
    vim.cmd.redrawstatus()
  end,
}

return M
