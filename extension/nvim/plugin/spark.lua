-- The commands of |spark.txt|. They find the server when they are used, by what it calls itself.
if vim.g.loaded_spark then return end
vim.g.loaded_spark = true

vim.api.nvim_create_user_command('Spark', function(command)
  require('spark').spark(command.args, command.range > 0 and { command.line1, command.line2 } or nil)
end, { nargs = '*', range = true, desc = 'Say what spark is to do, or to do differently' })

for name, of in pairs({
  SparkAccept = { 'accept', "Make spark's latest edit your own" },
  SparkReject = { 'reject', "Take spark's latest edit back" },
  SparkRest = { 'rest', 'Insert what an edit that was stopped had to say' },
}) do
  vim.api.nvim_create_user_command(name, function() require('spark').run(of[1]) end, { desc = of[2] })
end

vim.api.nvim_create_user_command('SparkRetry', function(command)
  require('spark').run('retry', command.args ~= '' and { instruction = command.args } or {})
end, { nargs = '*', desc = "Let spark try its latest edit again, or go on with it as you say" })

vim.api.nvim_create_user_command('SparkStop', function(command)
  require('spark').run('cancel', {}, command.bang)
end, { bang = true, desc = 'Stop what spark writes in this buffer, or with ! everywhere' })

vim.api.nvim_create_autocmd('LspProgress', {
  group = vim.api.nvim_create_augroup('spark', {}),
  callback = function(event) require('spark').progress(event.data.client_id, event.data.params) end,
})
