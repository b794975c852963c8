"""What runs within Redis: scripts that touch one key each, so that they run in a cluster.

A *slot* (an account in a window) is a hash: ``u`` is stored, ``h`` held by all together, and
``r:<id>`` is what one reservation holds, ``<amount>:<owner>``, or ``<amount>:0`` if an upload
session holds it. ``<amount>:<owner>:`` is due. What a dead owner held becomes
``0:<owner>:<since>``: it holds nothing, and says that it was not settled yet; ``b:<id>`` is what
of it was booked since it was due. To settle removes both, so that a second time does nothing. Where
something may still arrive that would hold it again, ``0:1:<since>`` is left and keeps it out.
Versions that know nothing of this see what is due as held by its owner, and release it.

The *owners* are a hash: ``<renewed>:<lease>`` by the number of each. Numbers never come twice,
and grow; ``last`` is the greatest.

An upload *session* is a hash: ``n`` the note (until it expired or ended), ``w`` when it was
renewed, ``t`` its ttl, ``d`` bytes due, ``i`` the id under which it holds, ``x`` what it holds,
``f`` with what it ended.

A *notice* is a string: until when it is up, a space, and its text.

Every script's first argument is the time in seconds; empty for the server's own. Amounts are
below 2**53, so that Lua counts them exactly; they are formatted, since it writes 1e+15 by itself.
"""

from hashlib import sha1
from typing import NamedTuple


class Script(NamedTuple):
    text: str
    sha: str


_NOW = """
local key = KEYS[1]
local now = tonumber(ARGV[1])
if not now then
  local t = redis.call('TIME')
  now = tonumber(t[1]) + tonumber(t[2]) / 1000000
end
"""
_HELD = """
local function hold(amount)
  if amount ~= 0 and redis.call('HINCRBY', key, 'h', string.format('%.0f', amount)) == 0 then
    redis.call('HDEL', key, 'h')
  end
end
local function read(id)
  local held = redis.call('HGET', key, 'r:' .. id)
  if not held then
    return nil
  end
  local amount, owner, since = string.match(held, '^(%d+):(%d+):?(%d*)$')
  return tonumber(amount), owner, since ~= ''
end
local function take_back(id)
  local booked = redis.call('HGET', key, 'b:' .. id)
  if booked then
    local used = tonumber(redis.call('HGET', key, 'u') or 0)
    redis.call('HSET', key, 'u', string.format('%.0f', math.max(used - tonumber(booked), 0)))
    redis.call('HDEL', key, 'b:' .. id)
  end
end
local function keep()
  local ends = tonumber(ARGV[2])
  if ends then
    redis.call('EXPIRE', key, string.format('%.0f', math.max(ends - now, 0) + 172800))
  end
end
"""


def _script(*parts: str) -> Script:
    text = "".join((_NOW, *parts))
    return Script(text, sha1(text.encode()).hexdigest())  # noqa: S324 - Redis names scripts so


# Slots. The second argument is when the window ends; empty if never.

RESERVE = _script(
    _HELD,
    """
local id, owner, amount, limit = ARGV[3], ARGV[4], ARGV[5], tonumber(ARGV[6])
local found = redis.call('HMGET', key, 'u', 'h', 'r:' .. id)
local taken = tonumber(found[1] or 0) + tonumber(found[2] or 0)
if found[3] or taken + tonumber(amount) > limit then
  return {0, taken}
end
redis.call('HSET', key, 'r:' .. id, amount .. ':' .. owner)
hold(tonumber(amount))
keep()
return {1, taken + tonumber(amount)}
""",
)
"""Grants ``amount`` to an owner, with a colon if it is due, if it fits.

Returns whether, and what is taken then.
"""
SETTLE = _script(
    _HELD,
    """
local id, charge, final = ARGV[3], ARGV[4], ARGV[5]
local amount, owner, lapsed = read(id)
if owner == '1' or not (amount or final) then
  return 0
end
-- First, since a hash without fields is gone, and its expiry with it.
if amount and charge ~= '0' then
  redis.call('HINCRBY', key, 'u', charge)
end
if lapsed then
  take_back(id)
end
hold(-(amount or 0))
if final then
  redis.call('HSET', key, 'r:' .. id, string.format('0:1:%.0f', now))
  keep()
else
  redis.call('HDEL', key, 'r:' .. id)
end
return 1
""",
)
"""Books ``charge`` in place of what ``id`` holds, if it does; ``final`` if it must not again."""
ADOPT = _script(
    _HELD,
    """
local id, owner, amount = ARGV[3], ARGV[4], ARGV[5]
local before, holder, lapsed = read(id)
if holder == '1' then
  return 0
end
if lapsed then
  take_back(id)
end
hold(tonumber(amount) - (before or 0))
redis.call('HSET', key, 'r:' .. id, amount .. ':' .. owner)
keep()
return 1
""",
)
"""``owner``, with a colon if it is due, holds ``amount`` as ``id``, whoever did before."""
HAND_OVER = _script(
    """
local id, session, owner = ARGV[3], ARGV[4], ARGV[5]
local amount, holder = string.match(redis.call('HGET', key, 'r:' .. id) or '', '^(%d+):(%d+)')
if holder ~= owner then
  return 0
end
redis.call('HDEL', key, 'r:' .. id)
redis.call('HSET', key, 'r:' .. session, amount .. ':0')
return 1
""",
)
"""A session holds under another id what ``owner`` holds."""
LAPSE = _script(
    _HELD,
    """
local id = ARGV[3]
local amount = string.match(redis.call('HGET', key, 'r:' .. id) or '', '^(%d+):')
if amount then
  hold(-tonumber(amount))
  redis.call('HSET', key, 'r:' .. id, string.format('0:0:%.0f', now))
end
return 1
""",
)
"""A session holds nothing any more, and can still be settled."""
RELEASE = _script(
    _HELD,
    """
local newest, living, booked = tonumber(ARGV[3]), {}, 0
for i = 4, #ARGV do
  living[ARGV[i]] = true
end
local all = redis.call('HGETALL', key)
for i = 1, #all, 2 do
  if string.sub(all[i], 1, 2) == 'r:' then
    local amount, owner, since = string.match(all[i + 1], '^(%d+):(%d+):?(%d*)$')
    if since ~= '' then
      if now - tonumber(since) > 2678400 then
        redis.call('HDEL', key, all[i], 'b:' .. string.sub(all[i], 3))
      end
    elseif owner ~= '0' and not living[owner] and tonumber(owner) <= newest then
      if string.sub(all[i + 1], -1) == ':' then
        booked = booked + tonumber(amount)
        redis.call('HINCRBY', key, 'u', amount)
        redis.call('HSET', key, 'b:' .. string.sub(all[i], 3), amount)
      end
      hold(-tonumber(amount))
      redis.call('HSET', key, all[i], string.format('0:%s:%.0f', owner, now))
    end
  end
end
local found = redis.call('HMGET', key, 'u', 'h')
return {tonumber(found[1] or 0), tonumber(found[2] or 0), booked}
""",
)
"""Owners up to ``newest`` that do not live hold nothing, and what was due from them is booked.

Returns what is used and held then, and what was booked.
"""
CORRECT = _script(
    _HELD,
    """
redis.call('HSET', key, 'u', ARGV[3])
-- What has lapsed counts in no other way any more.
for _, field in ipairs(redis.call('HKEYS', key)) do
  if string.sub(field, 1, 2) == 'b:' then
    redis.call('HDEL', key, field)
  end
end
keep()
return 1
""",
)

# Owners.

RENEW = _script(
    """
local owner, lease, former = ARGV[2], ARGV[3], ARGV[4]
local all, living, back = redis.call('HGETALL', key), {}, 0
local last, known = 0, 0
for i = 1, #all, 2 do
  if all[i] == 'last' then
    last = tonumber(all[i + 1])
  else
    local renewed, length = string.match(all[i + 1], '^([%d.]+):([%d.]+)$')
    if tonumber(renewed) > now then
      -- A clock that was put back must not make the leases of dead owners longer.
      back = 1
      renewed = string.format('%.6f', now)
      redis.call('HSET', key, all[i], renewed .. ':' .. length)
    end
    if tonumber(renewed) + tonumber(length) <= now or all[i] == former then
      redis.call('HDEL', key, all[i])
    elseif all[i] == owner then
      known = 1
    else
      living[#living + 1] = all[i]
    end
  end
end
if known == 0 then
  last = math.max(last + 1, math.floor(now * 1000))
  owner = string.format('%.0f', last)
  redis.call('HSET', key, 'last', owner)
end
redis.call('HSET', key, owner, string.format('%.6f:%s', now, lease))
living[#living + 1] = owner
return {known, owner, string.format('%.0f', last), back, string.format('%.6f', now), living}
""",
)
"""Renews the lease of an owner, or gives a new number; ends leases that ran out."""
LOOK = _script(
    """
local all, living, fine, last = redis.call('HGETALL', key), {}, 1, '0'
for i = 1, #all, 2 do
  if all[i] == 'last' then
    last = all[i + 1]
  else
    local renewed, length = string.match(all[i + 1], '^([%d.]+):([%d.]+)$')
    if tonumber(renewed) > now or tonumber(renewed) + tonumber(length) <= now then
      fine = 0
    end
    living[#living + 1] = all[i]
  end
end
return {fine, last, living}
""",
)
"""Who lives, and whether all leases run now."""

# Sessions.

_ALIVE = """
local function alive(of)
  return of[1] and tonumber(of[2]) + tonumber(of[3]) > now
end
"""
SESSION_OPEN = _script(
    """
local former = redis.call('HMGET', key, 'i', 'x')
redis.call('DEL', key)
redis.call('HSET', key, 'n', ARGV[2], 'w', string.format('%.6f', now), 't', ARGV[3], 'd', '0',
  'i', ARGV[4], 'x', ARGV[5])
redis.call('EXPIRE', key, ARGV[6])
return former
"""
)
"""Returns under which id a session of the same name held what."""
SESSION_NOTE = _script(
    _ALIVE,
    """
local found = redis.call('HMGET', key, 'n', 'w', 't')
return alive(found) and found[1]
""",
)
SESSION_KEEP = _script(
    _ALIVE,
    """
local found = redis.call('HMGET', key, 'n', 'w', 't')
if not alive(found) or (ARGV[3] ~= '' and found[1] ~= string.sub(ARGV[3], 2)) then
  return 0
end
redis.call('HSET', key, 'w', string.format('%.6f', now))
if ARGV[3] ~= '' then
  redis.call('HSET', key, 'n', ARGV[2])
  if ARGV[4] ~= '' then
    redis.call('HSET', key, 'd', ARGV[4])
  end
end
redis.call('EXPIRE', key, string.format('%.0f', tonumber(found[3]) + 2851200))
return 1
""",
)
"""Renews; and replaces the note, and what is due unless the fourth argument is empty, if the note
is the one after the ``=`` of the third."""
SESSION_END = _script(
    """
local found = redis.call('HMGET', key, 'i', 'x', 'f')
if not found[1] then
  return false
end
if not found[3] then
  found[3] = ARGV[2]
  redis.call('HSET', key, 'f', found[3])
  redis.call('HDEL', key, 'n')
end
return found
"""
)
"""Ends it with what was stored, unless it ended before: returns with what it did."""
SESSION_EXPIRE = _script(
    """
local found = redis.call('HMGET', key, 'n', 'w', 't', 'd', 'i', 'x', 'f')
if not found[5] then
  return {'gone'}
end
if found[1] then
  if tonumber(found[2]) > now then
    -- Likewise, a session's time does not get longer.
    found[2] = string.format('%.6f', now)
    redis.call('HSET', key, 'w', found[2])
  end
  local ends = tonumber(found[2]) + tonumber(found[3])
  if ends > now then
    return {'alive', string.format('%.6f', ends)}
  end
  redis.call('HDEL', key, 'n')
  if found[4] ~= '0' then
    found[7] = found[4] .. ':1'
    redis.call('HSET', key, 'f', found[7])
  end
end
if found[7] then
  return {'ended', found[5], found[6], found[7]}
end
return {'expired', found[5], found[6]}
"""
)
"""Looks whether its time is over, and ends it with what is due then."""

# Notices.

NOTICE_POST = _script(
    """
local ttl = tonumber(ARGV[3])
local text = string.format('%.6f ', now + ttl) .. ARGV[2]
redis.call('SET', key, text, 'PX', string.format('%.0f', ttl * 1000))
""",
)
NOTICE_READ = _script(
    """
local ends, text = string.match(redis.call('GET', key) or '', '^([%d.]+) (.*)$')
return ends and tonumber(ends) > now and text
""",
)
