#!lua flags=allow-oom
-- Tells what streams have. Called on the connection that follows them, so that the answer stands in the line of their events.
-- KEYS[1]: the life. ARGV: life, most bytes, per stream: name, size, age in ms, epoch and offset that are there ('' is none).
-- Returns {0, life} another life | {1, number, streams}, where streams may be fewer than were asked for, and each is
-- {epoch, offset, number of the last, "offset-number" of the oldest, whether it is whole, messages, states}; a state is
-- {key, when it ends, message}. One that is not whole goes on behind its last message, and has no states yet.
-- It makes what it does not know even where the memory is full: a few bytes for each stream that somebody follows.
local life = ARGV[1]
local p = string.sub(KEYS[1], 1, -5)
local known = redis.call('HMGET', KEYS[1], 'l', 's')
if known[1] ~= life then return {0, known[1] or ''} end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local most = tonumber(ARGV[2])
local streams, bytes = {}, 0

local function read(name, size, age, after_epoch, after_offset)
  local epoch, offset, last, states
  local meta = redis.call('GET', p .. 'm:' .. name)
  if meta then
    local l, e, o, s, r = string.match(meta, '^(%d+):(%d+):(%d+):(%d+):(%d+)')
    if l == life then epoch, offset, last, states = e, tonumber(o), s, tonumber(r) end
  end
  local know = string.format('%.0f', 86400000 + math.max(age, (states or 0) - now))
  if epoch then
    redis.call('PEXPIRE', p .. 'm:' .. name, know, 'GT')
  else
    local made = redis.call('HINCRBY', KEYS[1], 'e', 1)
    local digest = redis.sha1hex(life .. ':' .. made .. ':' .. name)
    epoch, offset, last, states = string.format('%.0f', tonumber(string.sub(digest, 1, 12), 16)), 0, '0', 0
    redis.call('UNLINK', p .. 'h:' .. name, p .. 'r:' .. name, p .. 'o:' .. name, p .. 'z:' .. name)
    redis.call('SET', p .. 'm:' .. name, life .. ':' .. epoch .. ':0:0:0', 'PX', know)
  end
  local events, first, whole = {}, '', 1
  if size > 0 and offset > 0 then
    local log = p .. 'h:' .. name
    local oldest = math.max(offset - size + 1, 1)
    local from = oldest
    if after_epoch == epoch then
      local after = tonumber(after_offset)
      if after <= offset and after + 1 > from then from = after + 1 end
    end
    local head = redis.call('XRANGE', log, string.format('%.0f', oldest), '+', 'COUNT', 1)[1]
    if head and tonumber(head[2][1]) >= now - age then first = head[1] end
    local at, count = string.format('%.0f', from), 8
    while true do
      local page, before = redis.call('XRANGE', log, at, '+', 'COUNT', count), bytes
      for _, entry in ipairs(page) do
        if tonumber(entry[2][1]) >= now - age then
          events[#events + 1] = entry[2][2]
          bytes = bytes + #entry[2][2]
        end
        at = '(' .. entry[1]
      end
      if #page < count then break end
      if bytes >= most then
        whole = 0
        break
      end
      if bytes - before < 65536 then count = 64 else count = 8 end
    end
  end
  local kept = {}
  if whole == 1 and states > now then
    local keys = redis.call('ZREVRANGE', p .. 'o:' .. name, 0, -1)
    local weight = 0
    for _, key in ipairs(keys) do
      local state = redis.call('HGET', p .. 'r:' .. name, key)
      if state then
        local ends, at = string.match(state, '^(%d+):()')
        if tonumber(ends) > now then
          weight = weight + #state
          if weight > 8388608 then break end
          kept[#kept + 1] = {key, ends, string.sub(state, at)}
        end
      end
    end
    bytes = bytes + weight
  end
  return {epoch, string.format('%.0f', offset), last, first, whole, events, kept}
end

for i = 3, #ARGV, 5 do
  if bytes >= most then break end
  local name, size, age = ARGV[i], tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local done, state = pcall(read, name, size, age, ARGV[i + 3], ARGV[i + 4])
  if not done then
    -- Somebody else wrote under its names: it begins anew, and costs the others nothing.
    local why = type(state) == 'table' and state.err or tostring(state)
    if not (string.find(why, 'WRONGTYPE', 1, true) or string.find(why, 'user_script', 1, true)) then
      return redis.error_reply(why)
    end
    redis.call('UNLINK', p .. 'm:' .. name, p .. 'h:' .. name, p .. 'r:' .. name, p .. 'o:' .. name, p .. 'z:' .. name)
    state = read(name, size, age, '', '')
  end
  bytes = bytes + 64
  streams[#streams + 1] = state
end
return {1, known[2] or '0', streams}
