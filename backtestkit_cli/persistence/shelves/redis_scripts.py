"""What Redis does in one step: scripts that find out whose lease it is, and then do what they are asked.

Of all of them `KEYS[1]` is the hash of leases, of which the fields are subjects and the values are, with blanks
between them, when the lease ends (ms of the server's clock), its fence, and its tenant. A lease stays there when it
has ended: its fence must be known to the next one. The leases of one prefix and its records need one server.
"""

_OWNED = """
if ARGV[1] ~= '' then
  local found = redis.call('HGET', KEYS[1], ARGV[1])
  local owner = found and string.match(found, '^%d+ (.*)$') or ''
  if owner ~= ARGV[2] then return {owner} end
end
"""
"""Ends with whose lease on the subject `ARGV[1]` it is, if not that of `ARGV[2]`, its fence and tenant."""

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

PUT = f"""{_OWNED}
for i = 2, #KEYS do
  local content, ttl = ARGV[i * 2 - 1], tonumber(ARGV[i * 2])
  if ttl > 0 then redis.call('SET', KEYS[i], content, 'PX', ttl)
  elseif ttl == 0 then redis.call('SET', KEYS[i], content)
  else redis.call('DEL', KEYS[i]) end
end
return #KEYS - 1
"""
"""For each further key its content and after how many ms it ends: 0 for never, below 0 to remove it."""

DELETE = f"""{_OWNED}
local count = 0
for i = 2, #KEYS, 2 do
  if redis.call('DEL', KEYS[i], KEYS[i + 1]) > 0 then count = count + 1 end
end
return count
"""
"""Each record has two keys; returns how many records there were."""

SET_ASIDE = f"""{_OWNED}
for i = 3, 4 do
  local content = redis.call('GET', KEYS[i])
  if content then
    if redis.sha1hex(content) ~= ARGV[3] then return 0 end
    redis.call('RENAME', KEYS[i], KEYS[2])
    redis.call('DEL', KEYS[3], KEYS[4])
    redis.call('PERSIST', KEYS[2])
    return 1
  end
end
return 0
"""
"""Moves the content with the SHA-1 `ARGV[3]` from the two keys of a record, `KEYS[3]` and `[4]`, to `KEYS[2]`."""

TAKE = f"""{_NOW}
local ends, fence, tenant = '0', '0', nil
local found = redis.call('HGET', KEYS[1], ARGV[1])
if found then ends, fence, tenant = string.match(found, '^(%d+) (%d+) (.*)$') end
if tenant and tenant ~= ARGV[2] and tonumber(ends) > now and fence ~= ARGV[4] then return fence .. ' ' .. tenant end
local lease = string.format('%.0f', tonumber(fence) + 1) .. ' ' .. ARGV[2]
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now + ARGV[3]) .. ' ' .. lease)
return lease
"""
"""Subject, tenant, how long in ms, and which fence is ousted; returns the fence and tenant of the lease in force."""

RENEW = f"""{_OWNED}{_NOW}
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now + ARGV[3]) .. ' ' .. ARGV[2])
return 1
"""
"""Subject, fence and tenant, and how long in ms from now; 0 ends the lease."""

LEASES = f"""{_NOW}
local all, found = redis.call('HGETALL', KEYS[1]), {{}}
for i = 1, #all, 2 do
  local ends, lease = string.match(all[i + 1], '^(%d+) (.*)$')
  if tonumber(ends) > now then found[#found + 1] = all[i]; found[#found + 1] = lease end
end
return found
"""
"""Returns subject, and fence and tenant, of each lease in force."""
