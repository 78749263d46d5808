# Turns the text of `go tool pprof -traces` into folded stacks (root first, then microseconds), which
# flame graph tools read:
#
#   curl -s 'http://ADDRESS/debug/pprof/profile?seconds=10' -o cpu.pprof
#   go tool pprof -traces BINARY cpu.pprof | awk -f folded.awk >cpu.folded
function flush(    i, stack) {
	if (frames) {
		stack = frame[frames]
		for (i = frames - 1; i > 0; i--) stack = stack ";" frame[i]
		total[stack] += value_us
	}
	frames = 0
}
/^-+\+/ { flush(); next }
/^ *[0-9.]+(us|ms|s) / {
	value_us = $1 + 0
	if ($1 ~ /ms$/) value_us *= 1e3
	else if ($1 ~ /[0-9.]s$/) value_us *= 1e6
	$1 = ""
	sub(/^ +/, "")
	sub(/ \(inline\)$/, "")
	frame[frames = 1] = $0
	next
}
frames && /^ +[^ ]/ { sub(/^ +/, ""); sub(/ \(inline\)$/, ""); frame[++frames] = $0 }
END { flush(); for (stack in total) printf "%s %d\n", stack, total[stack] }
