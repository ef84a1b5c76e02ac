#!lua flags=allow-oom
-- Keeps a text of a node in a table, as long as the node lives. KEYS[1]: the life. ARGV: node, table, name, what ('p' keep,
-- 'd' delete), the text.
local p = string.sub(KEYS[1], 1, -5)
local key = p .. 't:' .. ARGV[1] .. ':' .. ARGV[2]
if ARGV[4] == 'p' then
  redis.call('HSET', key, ARGV[3], ARGV[5])
  redis.call('SADD', p .. 'ts:' .. ARGV[1], ARGV[2])
else
  redis.call('HDEL', key, ARGV[3])
  if redis.call('EXISTS', key) == 0 then redis.call('SREM', p .. 'ts:' .. ARGV[1], ARGV[2]) end
end
return 1
