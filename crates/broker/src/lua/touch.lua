#!lua flags=allow-oom
-- Streams that somebody follows stay known, though nothing happens in them. KEYS[1]: the life. ARGV: per stream name and ms.
local p = string.sub(KEYS[1], 1, -5)
for i = 1, #ARGV, 2 do redis.call('PEXPIRE', p .. 'm:' .. ARGV[i], ARGV[i + 1], 'GT') end
return 1
