-- Gives publications their places, stores them and tells them. KEYS[1]: the life.
-- ARGV: life, how many publications, and per publication how many arguments and these: idempotency key ('' is none), its ms,
--       id, mode ('t' transient, 'k' kept), retain key ('' is none), its ms, whether all nodes hear of it ('1'), the body,
--       how many streams, per stream: name, size, age in ms (0: no history); then names of streams that hear of it without a
--       place in them.
-- Several are a batch: the first that is refused ends it, and none behind it is tried.
-- Returns {0, life} another life | {1, {1, number, told} placed | {2, "id:recipients"} repeated ('-' while they are being counted) | {3, error} refused, …}.
local life = ARGV[1]
local p = string.sub(KEYS[1], 1, -5)
local is_life = redis.call('HGET', KEYS[1], 'l')
if is_life ~= life then return {0, is_life or ''} end

local function publish(b, to)
  if ARGV[b] ~= '' then
    local had = redis.call('SET', p .. 'k:' .. ARGV[b], ARGV[b + 2] .. ':-', 'NX', 'GET', 'PX', ARGV[b + 1])
    if had then return {2, had} end
  end
  local seq = string.format('%.0f', redis.call('HINCRBY', KEYS[1], 's', 1))
  local count = tonumber(ARGV[b + 8])
  local last = b + 8 + 3 * count
  local transient = ARGV[b + 3] == 't'
  local message
  local keep = 0
  local now = 0
  if transient or count == 0 then
    message = 'E' .. seq .. '\n' .. ARGV[b + 7]
  else
    local t = redis.call('TIME')
    now = t[1] * 1000 + math.floor(t[2] / 1000)
    if ARGV[b + 4] ~= '' then keep = tonumber(ARGV[b + 5]) end
    local head, offsets = {}, {}
    -- Each stream is known for as long as the event is kept in any of them: it names the others' places.
    local oldest = 0
    for i = b + 9, last, 3 do oldest = math.max(oldest, tonumber(ARGV[i + 2])) end
    for i = b + 9, last, 3 do
      local name = ARGV[i]
      local meta = redis.call('GET', p .. 'm:' .. name)
      local epoch, offset, states
      if meta then
        local l, e, o, _, r = string.match(meta, '^(%d+):(%d+):(%d+):(%d+):(%d+)')
        if l == life then
          epoch, offset, states = e, tonumber(o) + 1, tonumber(r)
        end
      end
      if not epoch then
        local made = redis.call('HINCRBY', KEYS[1], 'e', 1)
        local digest = redis.sha1hex(life .. ':' .. made .. ':' .. name)
        epoch, offset, states = string.format('%.0f', tonumber(string.sub(digest, 1, 12), 16)), 1, 0
        redis.call('UNLINK', p .. 'h:' .. name, p .. 'r:' .. name, p .. 'o:' .. name, p .. 'z:' .. name)
      end
      offset = string.format('%.0f', offset)
      if keep > 0 and now + keep > states then states = now + keep end
      local know = 86400000 + math.max(oldest, states - now)
      redis.call('SET', p .. 'm:' .. name,
        life .. ':' .. epoch .. ':' .. offset .. ':' .. seq .. ':' .. string.format('%.0f', states),
        'PX', string.format('%.0f', know))
      offsets[i] = offset
      head[#head + 1] = epoch .. ':' .. offset
    end
    message = 'E' .. seq .. ' ' .. table.concat(head, ' ') .. '\n' .. ARGV[b + 7]
    local time = string.format('%.0f', now)
    for i = b + 9, last, 3 do
      local size = tonumber(ARGV[i + 1])
      if size > 0 then
        local log = p .. 'h:' .. ARGV[i]
        local age = tonumber(ARGV[i + 2])
        redis.call('XADD', log, 'MAXLEN', '~', size, offsets[i] .. '-' .. seq, time, message)
        redis.call('PEXPIRE', log, ARGV[i + 2])
        if tonumber(offsets[i]) % 8 == 0 then
          local first = redis.call('XRANGE', log, '-', '+', 'COUNT', 1)[1]
          if first and tonumber(first[2][1]) < now - age then
            for _, entry in ipairs(redis.call('XRANGE', log, '-', '+', 'COUNT', 16)) do
              if tonumber(entry[2][1]) >= now - age then break end
              redis.call('XDEL', log, entry[1])
            end
          end
        end
      end
      if keep > 0 then
        local states, order, ends = p .. 'r:' .. ARGV[i], p .. 'o:' .. ARGV[i], p .. 'z:' .. ARGV[i]
        local over = redis.call('ZRANGE', ends, '-inf', time, 'BYSCORE')
        redis.call('HSET', states, ARGV[b + 4], string.format('%.0f', now + keep) .. ':' .. message)
        redis.call('ZADD', order, seq, ARGV[b + 4])
        redis.call('ZADD', ends, now + keep, ARGV[b + 4])
        for _, key in ipairs(over) do
          if key ~= ARGV[b + 4] then
            redis.call('HDEL', states, key)
            redis.call('ZREM', order, key)
            redis.call('ZREM', ends, key)
          end
        end
        while redis.call('ZCARD', order) > 100 do
          local key = redis.call('ZPOPMIN', order)[1]
          redis.call('HDEL', states, key)
          redis.call('ZREM', ends, key)
        end
        if redis.call('PTTL', states) < keep then
          redis.call('PEXPIRE', states, ARGV[b + 5])
          redis.call('PEXPIRE', order, ARGV[b + 5])
          redis.call('PEXPIRE', ends, ARGV[b + 5])
        end
      end
    end
  end
  local told = 0
  for i = b + 9, last, 3 do
    told = told + redis.call('SPUBLISH', p .. 'c:' .. ARGV[i], message)
  end
  for i = last + 1, to do
    told = told + redis.call('SPUBLISH', p .. 'c:' .. ARGV[i], message)
  end
  if ARGV[b + 6] == '1' then told = told + redis.call('SPUBLISH', p .. 'n', message) end
  return {1, seq, told}
end

-- What fails in the middle has no key: whoever repeats it is not told that it is there.
local function undo(b)
  local key = p .. 'k:' .. ARGV[b]
  if ARGV[b] ~= '' and redis.pcall('GET', key) == ARGV[b + 2] .. ':-' then redis.pcall('UNLINK', key) end
end

local count = tonumber(ARGV[2])
if count == 1 then
  local done, result = pcall(publish, 4, #ARGV)
  if done then return {1, result} end
  undo(4)
  if type(result) == 'table' then return result end
  return redis.error_reply(tostring(result))
end
local results, at = {1}, 3
for _ = 1, count do
  local to = at + tonumber(ARGV[at])
  local done, result = pcall(publish, at + 1, to)
  if not done then
    undo(at + 1)
    results[#results + 1] = {3, type(result) == 'table' and result.err or tostring(result)}
    break
  end
  results[#results + 1] = result
  at = to + 1
end
return results
