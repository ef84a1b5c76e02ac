#!lua flags=no-writes,allow-oom
-- What all living nodes keep in a table. KEYS[1]: the life. ARGV: table. Returns {{node, {name, text, …}}, …}.
local p = string.sub(KEYS[1], 1, -5)
local out = {}
for _, node in ipairs(redis.call('ZRANGE', p .. 'nodes', 0, -1)) do
  local texts = redis.call('HGETALL', p .. 't:' .. node .. ':' .. ARGV[1])
  if #texts > 0 then out[#out + 1] = {node, texts} end
end
return out
