"""What Redis does in one step: scripts that find out whose lease it is, and then do what they are asked.

Of all of them `KEYS[1]` is the hash of leases, of which the fields are subjects and the values are, with blanks
between them, when the lease ends (ms of the server's clock), its fence, and its tenant. A lease stays there when it
has ended: its fence must be known to the next one. The leases of one prefix and its records need one server.

A command can arrive when its sender has long given it up, and sent newer ones. So each change under a lease has a
number, higher than those before it, and `KEYS[2]` is a sorted set of the names below the subject by the number of the
change that came last, also if that removed the record. An older change of a name is passed over as if it had come in
time: that nobody would see any more. The set keeps the `_KEPT` names changed last, and whatever is older than all of
them is refused, for it could be late; who is still there to hear of it asks again. A new lease begins an empty set:
what is sent under the earlier one is refused anyway.
"""

TOO_OLD = -1
_KEPT = 10_000

_OWNED = """
if ARGV[1] ~= '' then
  local found = redis.call('HGET', KEYS[1], ARGV[1])
  local owner = found and string.match(found, '^%d+ (.*)$') or ''
  if owner ~= ARGV[2] then return {owner} end
end
"""
"""Ends with whose lease on the subject `ARGV[1]` it is, if not that of `ARGV[2]`, its fence and tenant."""

_IN_ORDER = f"""
local number = ARGV[1] ~= '' and tonumber(ARGV[3])
if number and redis.call('ZCARD', KEYS[2]) >= {_KEPT} then
  if number < tonumber(redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2]) then return {TOO_OLD} end
end
local function is_late(name)
  local last = number and redis.call('ZSCORE', KEYS[2], (string.gsub(name, '%+$', '')))
  return last and tonumber(last) > number
end
local function done(name)
  if number then
    redis.call('ZADD', KEYS[2], ARGV[3], (string.gsub(name, '%+$', '')))
    redis.call('ZREMRANGEBYRANK', KEYS[2], 0, {-_KEPT - 1})
  end
end
"""
"""Ends with `TOO_OLD` if the change of the number `ARGV[3]` is too old to tell whether it is late.

Both names of a record count as one. What is `done` is noted afterwards, for then a server that is full takes it too.
"""

_NOW = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
"""

PUT = f"""{_OWNED}{_IN_ORDER}
for i = 3, #KEYS do
  local content, ttl = ARGV[i * 2 - 2], tonumber(ARGV[i * 2 - 1])
  if not is_late(KEYS[i]) then
    if ttl > 0 then redis.call('SET', KEYS[i], content, 'PX', ttl)
    elseif ttl == 0 then redis.call('SET', KEYS[i], content)
    else redis.call('DEL', KEYS[i]) end
    done(KEYS[i])
  end
end
return #KEYS - 2
"""
"""For each further key its content and after how many ms it ends: 0 for never, below 0 to remove it."""

DELETE = f"""{_OWNED}{_IN_ORDER}
local count = 0
for i = 3, #KEYS, 2 do
  if not is_late(KEYS[i]) then
    if redis.call('DEL', KEYS[i], KEYS[i + 1]) > 0 then count = count + 1 end
    done(KEYS[i])
  end
end
return count
"""
"""Each record has two keys; returns how many records there were."""

SET_ASIDE = f"""{_OWNED}{_IN_ORDER}
for i = 4, 5 do
  local content = not is_late(KEYS[4]) and redis.call('GET', KEYS[i])
  if content then
    if redis.sha1hex(content) ~= ARGV[4] then return 0 end
    redis.call('RENAME', KEYS[i], KEYS[3])
    redis.call('DEL', KEYS[4], KEYS[5])
    redis.call('PERSIST', KEYS[3])
    done(KEYS[4])
    return 1
  end
end
return 0
"""
"""Moves the content with the SHA-1 `ARGV[4]` from the two keys of a record, `KEYS[4]` and `[5]`, to `KEYS[3]`."""

TAKE = f"""{_NOW}
local ends, fence, tenant = '0', '0', nil
local found = redis.call('HGET', KEYS[1], ARGV[1])
if found then ends, fence, tenant = string.match(found, '^(%d+) (%d+) (.*)$') end
local is_in_force = tenant and tonumber(ends) > now and fence ~= ARGV[4]
if is_in_force and tenant ~= ARGV[2] then return fence .. ' ' .. tenant end
if not is_in_force then
  fence = string.format('%.0f', tonumber(fence) + 1)
  redis.call('DEL', KEYS[2])
end
local lease = fence .. ' ' .. ARGV[2]
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now + ARGV[3]) .. ' ' .. lease)
return lease
"""
"""Subject, tenant, how long in ms, and which fence is ousted; returns the fence and tenant of the lease in force.

Who has it keeps his fence: the first of two calls can arrive after the second.
"""

RENEW = f"""{_OWNED}{_NOW}
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', now + ARGV[4]) .. ' ' .. ARGV[2])
return 1
"""
"""Subject, fence and tenant, a number, and how long in ms from now; 0 ends the lease."""

LEASES = f"""{_NOW}
local all, found = redis.call('HGETALL', KEYS[1]), {{}}
for i = 1, #all, 2 do
  local ends, lease = string.match(all[i + 1], '^(%d+) (.*)$')
  if tonumber(ends) > now then found[#found + 1] = all[i]; found[#found + 1] = lease end
end
return found
"""
"""Returns subject, and fence and tenant, of each lease in force."""
