#!lua flags=allow-oom
-- A node goes, and says so. KEYS[1]: the life. ARGV: node. What it noted stays for two minutes more.
local p = string.sub(KEYS[1], 1, -5)
local node = ARGV[1]
if redis.call('ZREM', p .. 'nodes', node) == 1 then
  redis.call('SADD', p .. 'dead', node)
  redis.call('HDEL', p .. 'lines', node)
  redis.call('PEXPIRE', p .. 'open:' .. node, 120000)
  redis.call('SPUBLISH', p .. 'n', 'N')
end
return 1
