package httpapi

import "strings"

// endpoint is one resource of the service; its string is the name in metrics.
type endpoint uint8

const (
	epOther endpoint = iota // no such resource
	epBalance
	epStatistics
	epTransactions
	epRecharges
	epGifts
	epWithdrawals
	epFib
	epHealthz
	epReadyz
	epVersion
	epMetrics
	epProfile

	endpointCount
)

func (e endpoint) String() string {
	return [endpointCount]string{
		"other", "balance", "statistics", "transactions", "recharges", "gifts", "withdrawals",
		"fib", "healthz", "readyz", "version", "metrics", "profile",
	}[e]
}

// takesPost reports whether the resource answers POST; all others answer GET and HEAD.
func (e endpoint) takesPost() bool {
	return e == epRecharges || e == epGifts || e == epWithdrawals
}

// Serve says which endpoints an instance has.
type Serve string

// The choices of Serve.
const (
	ServeHot Serve = "hot" // balance, statistics, fib and operations
	ServeAll Serve = "all"
)

func (s Serve) has(e endpoint) bool {
	return s == ServeAll || (e != epTransactions && !e.takesPost())
}

// splitTarget cuts the request target into its raw path and raw query. Neither is decoded. In the
// absolute form the scheme and authority are dropped.
func splitTarget(target string) (path, query string) {
	path, query, _ = strings.Cut(target, "?")
	if strings.HasPrefix(path, "/") {
		return path, query
	}
	if _, rest, absolute := strings.Cut(path, "://"); absolute {
		slash := strings.IndexByte(rest, '/')
		if slash < 0 {
			return "/", query
		}
		return rest[slash:], query
	}
	return path, query
}

const apiPrefix = "/v1/"

// match finds the resource of a raw path, byte for byte, and the user id in it.
func match(path string) (e endpoint, userID string) {
	if rest, ok := strings.CutPrefix(path, "/v1/users/"); ok {
		return matchUser(rest)
	}
	switch path {
	case "/v1/gifts":
		return epGifts, ""
	case "/fib":
		return epFib, ""
	case "/healthz":
		return epHealthz, ""
	case "/readyz":
		return epReadyz, ""
	case "/version":
		return epVersion, ""
	case "/metrics":
		return epMetrics, ""
	case "/debug/pprof/profile":
		return epProfile, ""
	}
	return epOther, ""
}

func matchUser(rest string) (endpoint, string) {
	userID, resource, _ := strings.Cut(rest, "/")
	if userID == "" {
		return epOther, ""
	}
	switch resource {
	case "balance":
		return epBalance, userID
	case "statistics":
		return epStatistics, userID
	case "transactions":
		return epTransactions, userID
	case "recharges":
		return epRecharges, userID
	case "withdrawals":
		return epWithdrawals, userID
	}
	return epOther, ""
}
