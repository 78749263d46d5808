package httpapi

import (
	"bytes"
	"net/http"
	"runtime"
	"runtime/debug"
	"runtime/pprof"
	"strconv"
	"time"

	"twinload/wallet"
)

// readyz says whether requests should come here. An instance whose store is gone answers reads as
// well as before; one whose store has lost what it knows would part from the others.
func (s *Server) readyz(c *call) *fault {
	if c.bank == nil {
		return &fault{slug: slugNotReady}
	}
	if c.bank.Store() == wallet.StoreLost {
		return &fault{slug: slugStoreLost}
	}
	c.body = append(c.body, `{"status":"ready"}`...)
	return nil
}

// version tells what runs here. Until the ledger is loaded its sizes are null.
func (s *Server) version(c *call) *fault {
	c.body = append(c.body, `{"service":"wallet","twin":"go","build":`...)
	c.body = strconv.AppendQuote(c.body, build())
	c.body = append(c.body, `,"runtime":`...)
	c.body = strconv.AppendQuote(c.body, runtime.Version())
	c.body = append(c.body, `,"store":`...)
	c.body = strconv.AppendQuote(c.body, string(s.store))
	if c.bank == nil {
		c.body = append(c.body, `,"users":null,"entries":null`...)
	} else {
		c.body = appendMember(c.body, `,"users":`, c.bank.Users().Len())
		c.body = appendMember(c.body, `,"entries":`, c.bank.Entries())
	}
	c.body = append(c.body, `,"serves":[`...)
	for e := epBalance; e < endpointCount; e++ {
		if s.serve.has(e) {
			c.body = append(strconv.AppendQuote(c.body, e.String()), ',')
		}
	}
	c.body = append(c.body[:len(c.body)-1], "]}"...)
	return nil
}

// build returns the commit the binary was built from, or the module's version where none is stamped.
func build() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, setting := range info.Settings {
		if setting.Key == "vcs.revision" {
			return setting.Value
		}
	}
	return info.Main.Version
}

func (s *Server) exposition(c *call) *fault {
	body, err := s.metrics.append(c.body)
	if err != nil {
		return s.internal(c, err)
	}
	if c.bank != nil && s.store != NoStore {
		body = appendStore(body, c.bank)
	}
	c.body, c.answer.contentType = body, typeMetrics
	return nil
}

const (
	defaultProfileS = 30
	maxProfileS     = 300
)

// profile answers a CPU profile of the coming seconds. It stands in for net/http/pprof, which sends
// its answer in chunks. The profile ends early when the client goes.
func (s *Server) profile(c *call, w http.ResponseWriter) *fault {
	seconds := parameter{name: "seconds"}
	if f := lookup(c.query, &seconds); f != nil {
		return f
	}
	lengthS := uint64(defaultProfileS)
	if seconds.times > 0 {
		var ok bool
		if lengthS, ok = digits(seconds.value, 3); !ok || lengthS < 1 || lengthS > maxProfileS {
			return badParameter("seconds", "seconds must be an integer from 1 to 300.")
		}
	}
	length := time.Duration(lengthS) * time.Second
	if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(length + writeTimeout)); err != nil {
		s.logger.Warn("cannot set a write deadline", "error", err)
	}
	var profile bytes.Buffer
	if err := pprof.StartCPUProfile(&profile); err != nil {
		return &fault{slug: slugProfileBusy}
	}
	select {
	case <-time.After(length):
	case <-c.request.Context().Done():
	}
	pprof.StopCPUProfile()
	c.body = append(c.body, profile.Bytes()...)
	c.answer.contentType = typeBinary
	return nil
}
