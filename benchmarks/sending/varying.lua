-- As little Lua as varies the user: one concatenation a request.
local n = 0
request = function()
  n = n + 1
  return "GET /u/" .. n % 16000 .. " HTTP/1.1\r\nHost: localhost\r\n\r\n"
end
