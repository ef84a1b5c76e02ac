#!lua flags=allow-oom
-- Takes a node in. KEYS[1]: the life. ARGV: node, the server's run, whether what was taken survived its last restart ('1'),
-- the life that the node knows ('' is none), its last number, the secret that it knows ('' is none), a new life, a new secret,
-- the run in which it saw that number, the id of its connection for channels.
-- A new life begins where there is none, where the node saw a greater number in this one, or in an earlier run of the server a
-- greater one than that with which this run began (others may have gone on from there since), and where the server is another run
-- that may have lost something. Returns {life, number, secret, time in µs, living nodes}.
local p = string.sub(KEYS[1], 1, -5)
local node, run = ARGV[1], ARGV[2]
local had = redis.call('HMGET', KEYS[1], 'l', 's', 'run', 'x', 'began')
local life, number = had[1], had[2] or '0'
local function less(a, b)
  if #a ~= #b then return #a < #b end
  return a < b
end
local began = had[3] == run and had[5] or number
local is_behind = ARGV[4] == life and (less(number, ARGV[5]) or (ARGV[9] ~= run and less(began, ARGV[5])))
if not life or is_behind or (had[3] ~= run and ARGV[3] ~= '1') then
  life = ARGV[7]
  -- Above all that any node has seen: those began with the time, too.
  local t = redis.call('TIME')
  local least = math.max(tonumber(t[1]) * 1000000 + tonumber(t[2]), tonumber(number), tonumber(ARGV[5]) + 1000000)
  number = string.format('%.0f', least)
  redis.call('HSET', KEYS[1], 'l', life, 's', number)
end
local secret = had[4]
if not secret then
  secret = ARGV[6]
  if secret == '' then secret = ARGV[8] end
  redis.call('HSET', KEYS[1], 'x', secret)
end
if had[3] ~= run then redis.call('HSET', KEYS[1], 'run', run, 'began', number) end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
for _, name in ipairs(redis.call('SMEMBERS', p .. 'ts:' .. node)) do
  redis.call('UNLINK', p .. 't:' .. node .. ':' .. name)
end
redis.call('UNLINK', p .. 'ts:' .. node)
redis.call('SREM', p .. 'dead', node)
-- Where nobody was heard for a while it was Redis that was away: nobody is held to be dead for that.
local beat = tonumber(redis.call('GET', p .. 'beat') or '0')
if now - beat > 3000 or now < beat then
  for _, one in ipairs(redis.call('ZRANGE', p .. 'nodes', 0, -1)) do
    redis.call('ZADD', p .. 'nodes', now, one)
  end
end
redis.call('SET', p .. 'beat', string.format('%.0f', now))
local is_new = redis.call('ZADD', p .. 'nodes', now, node)
redis.call('ZADD', p .. 'opens', now + 130000, node)
redis.call('HSET', p .. 'lines', node, run .. ' ' .. ARGV[10])
if is_new == 1 then redis.call('SPUBLISH', p .. 'n', 'N') end
return {life, number, secret, t[1], t[2], redis.call('ZRANGE', p .. 'nodes', 0, -1)}
