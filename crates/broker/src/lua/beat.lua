#!lua flags=allow-oom
-- A node lives. KEYS[1]: the life. ARGV: node, ms without a sign of life after which a node is dead, the server's run.
-- Finds those that died, and clears away what they leased, a part each time.
-- Returns {life, whether the node was still held to live, seconds, µs, living nodes, connections for channels of those that died now}.
local p = string.sub(KEYS[1], 1, -5)
local node = ARGV[1]
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local beat = tonumber(redis.call('GET', p .. 'beat') or '0')
local lived = redis.call('ZSCORE', p .. 'nodes', node)
if now - beat > 3000 or now < beat then
  for _, one in ipairs(redis.call('ZRANGE', p .. 'nodes', 0, -1)) do
    redis.call('ZADD', p .. 'nodes', now, one)
  end
end
redis.call('SET', p .. 'beat', string.format('%.0f', now))
if lived then redis.call('ZADD', p .. 'nodes', now, node) end
local dead = redis.call('ZRANGE', p .. 'nodes', '-inf', string.format('%.0f', now - tonumber(ARGV[2])), 'BYSCORE')
local lines = {}
for _, one in ipairs(dead) do
  redis.call('ZREM', p .. 'nodes', one)
  redis.call('SADD', p .. 'dead', one)
  local run, id = string.match(redis.call('HGET', p .. 'lines', one) or '', '^(%S+) (%d+)$')
  if run == ARGV[3] then lines[#lines + 1] = id end
  redis.call('HDEL', p .. 'lines', one)
end
if #dead > 0 then redis.call('SPUBLISH', p .. 'n', 'N') end
local one = redis.call('SRANDMEMBER', p .. 'dead')
if one then
  local names = redis.call('SPOP', p .. 'ts:' .. one, 500)
  for _, name in ipairs(names) do redis.call('UNLINK', p .. 't:' .. one .. ':' .. name) end
  if #names < 500 then redis.call('SREM', p .. 'dead', one) end
end
redis.call('PEXPIRE', p .. 'open:' .. node, 130000)
redis.call('ZADD', p .. 'opens', now + 130000, node)
redis.call('ZREMRANGEBYSCORE', p .. 'opens', '-inf', string.format('%.0f', now))
return {redis.call('HGET', KEYS[1], 'l') or '', lived and 1 or 0, t[1], t[2], redis.call('ZRANGE', p .. 'nodes', 0, -1), lines}
