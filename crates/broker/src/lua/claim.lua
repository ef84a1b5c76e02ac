#!lua flags=allow-oom
-- Looks for a connection, and hands it over. KEYS[1]: the life. ARGV: connection, user as in the entry, how ('t' by a token,
-- 'i' by its id, 's' as a socket), generation and node of the token, the node that asks.
-- A node without a sign of life for two and a half seconds is not asked any more, though it may not be held to be dead yet. It may
-- come back, and tell of a connection that was handed over meanwhile: that is known to be taken for five minutes, or until
-- that node itself asks for it.
-- An entry begins with "version node generation kind user\n", where the kind is the way in which it can be asked for. Returns {0} nothing | {1, entry} | {2, node, entry} open.
local p = string.sub(KEYS[1], 1, -5)
local connection, user, how = ARGV[1], ARGV[2], ARGV[3]
local function is_meant(entry)
  local node, generation, kind, whose = string.match(entry, '^%d+ (%d+) (%d+) (%a) ([^\n]*)\n')
  if not node or whose ~= user then return false end
  if how == 't' then return generation == ARGV[4] and node == ARGV[5] end
  return how == kind
end
local taken = p .. 'taken:' .. connection
if how ~= 'i' and redis.call('GET', taken) == ARGV[6] then redis.call('UNLINK', taken) end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local gone
for _, node in ipairs(redis.call('ZRANGE', p .. 'opens', 0, -1)) do
  local entry = redis.call('HGET', p .. 'open:' .. node, connection)
  if entry and is_meant(entry) then
    local sign = redis.call('ZSCORE', p .. 'nodes', node)
    if sign and now - tonumber(sign) < 2500 then return {2, node, entry} end
    gone = {node, entry}
  end
end
local function take_from(node)
  redis.call('HDEL', p .. 'open:' .. node, connection)
  if node ~= ARGV[6] then redis.call('SET', taken, node, 'PX', 300000) end
end
local parked = p .. 'parked:' .. connection
local entry = redis.call('GET', parked)
if entry and is_meant(entry) then
  if how ~= 'i' then
    redis.call('UNLINK', parked)
    if gone then take_from(gone[1]) end
  end
  return {1, entry}
end
if gone then
  if how ~= 'i' then take_from(gone[1]) end
  return {1, gone[2]}
end
return {0}
