#!lua flags=allow-oom
-- Streams that a node follows no longer. One that nobody follows and in which nothing ever was is forgotten soon: else whoever asks for
-- many names would fill the memory with them. Who comes back later finds a new epoch, and has missed nothing.
-- KEYS[1]: the life. ARGV: ms, names.
local p = string.sub(KEYS[1], 1, -5)
for i = 2, #ARGV do
  local meta = redis.call('GET', p .. 'm:' .. ARGV[i])
  if meta and string.find(meta, '^%d+:%d+:0:') then
    local channel = p .. 'c:' .. ARGV[i]
    if redis.call('PUBSUB', 'SHARDNUMSUB', channel)[2] == 0 then
      redis.call('PEXPIRE', p .. 'm:' .. ARGV[i], ARGV[1], 'LT')
    end
  end
end
return 1
