-- Stands between a Go test and a real, headless Neovim:   nvim -l bridge.lua ARGS...
-- One JSON line {"method", "params"} on stdin is one API call; one JSON line {"result"} or {"error"} is its answer.
--
-- A second Neovim rather than a MessagePack client in Go: what the test calls is Neovim's own API, spoken by Neovim
-- itself, with no library to follow its versions.
local child = vim.fn.jobstart(vim.list_extend({ vim.v.progpath, '--embed', '--headless' }, _G.arg), { rpc = true })

for line in io.lines() do
  local call = vim.json.decode(line)
  local ok, result = pcall(vim.rpcrequest, child, call.method, unpack(call.params))
  local answer = ok and { result = result == nil and vim.NIL or result } or { error = tostring(result) }
  io.stdout:write(vim.json.encode(answer), '\n')
  io.stdout:flush()
end

-- A child that was told to quit gets the time to end its language server properly.
pcall(vim.fn.chanclose, child)
local ended = vim.fn.jobwait({ child }, 10000)[1] ~= -1
if not ended then vim.fn.jobstop(child) end
os.exit(ended and 0 or 1)
