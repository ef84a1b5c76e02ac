#!lua flags=allow-oom
-- What is new of connections. KEYS[1]: the life. ARGV: node, then per change: what ('o' open, 'd' dropped, 'f' forgotten),
-- connection, entry ('' where it is forgotten), ms for which it is kept.
-- What is forgotten is forgotten at nodes, too, that gave no sign of life for more than a second: one that was asked for a
-- connection and did not answer is not believed to have it any more. What another node took from one that was silent is not
-- told anew by that.
local p = string.sub(KEYS[1], 1, -5)
local open = p .. 'open:' .. ARGV[1]
local silent
local function silent_nodes()
  local t = redis.call('TIME')
  local now = t[1] * 1000 + math.floor(t[2] / 1000)
  local nodes = {}
  for _, node in ipairs(redis.call('ZRANGE', p .. 'opens', 0, -1)) do
    local sign = redis.call('ZSCORE', p .. 'nodes', node)
    if node ~= ARGV[1] and (not sign or now - tonumber(sign) > 1200) then nodes[#nodes + 1] = node end
  end
  return nodes
end
local is_open = false
for i = 2, #ARGV, 4 do
  local what, connection = ARGV[i], ARGV[i + 1]
  local parked = p .. 'parked:' .. connection
  if what ~= 'f' and redis.call('GET', p .. 'taken:' .. connection) == ARGV[1] then
    redis.call('HDEL', open, connection)
  elseif what == 'o' then
    redis.call('HSET', open, connection, ARGV[i + 2])
    is_open = true
  elseif what == 'd' then
    redis.call('SET', parked, ARGV[i + 2], 'PX', ARGV[i + 3])
    redis.call('HDEL', open, connection)
  else
    redis.call('HDEL', open, connection)
    silent = silent or silent_nodes()
    for _, node in ipairs(silent) do redis.call('HDEL', p .. 'open:' .. node, connection) end
    local had = redis.call('GET', parked)
    if had and string.match(had, '^%d+ (%d+) ') == ARGV[1] then redis.call('UNLINK', parked) end
  end
end
if is_open then redis.call('PEXPIRE', open, 130000) end
return 1
