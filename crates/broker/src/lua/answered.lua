-- How many got a publication whose key is known. KEYS[1]: the life. ARGV: key, id, recipients ('' frees the key).
local p = string.sub(KEYS[1], 1, -5)
local had = redis.call('GET', p .. 'k:' .. ARGV[1])
if had and string.sub(had, 1, #ARGV[2]) == ARGV[2] then
  if ARGV[3] == '' then return redis.call('UNLINK', p .. 'k:' .. ARGV[1]) end
  redis.call('SET', p .. 'k:' .. ARGV[1], ARGV[2] .. ':' .. ARGV[3], 'XX', 'KEEPTTL')
end
return 1
