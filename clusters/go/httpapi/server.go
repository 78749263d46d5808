// Package httpapi answers the wallet's requests over HTTP/1.1. Paths and queries are matched as raw
// bytes, bodies are appended by hand into pooled buffers, and every answer has a Content-Length.
package httpapi

import (
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"twinload/wallet"
)

// maxBodyBytes is the largest request body, declared or read.
const maxBodyBytes = 65536

// unreadBodyWait is how long a refused body may still arrive before the connection is closed.
const unreadBodyWait = 500 * time.Millisecond

// Server answers requests. Until Ready is called it has no bank and answers no /v1 request.
type Server struct {
	serve   Serve
	store   Store
	logger  *slog.Logger
	bank    atomic.Pointer[wallet.Bank]
	metrics metrics
	buffers sync.Pool
}

var _ http.Handler = (*Server)(nil)

// Store is the kind of store that writes are shared in, as /version tells it.
type Store string

// The kinds of store.
const (
	NoStore    Store = "none"
	RedisStore Store = "redis"
)

// NewServer returns a server that is not ready.
func NewServer(serve Serve, store Store, logger *slog.Logger) *Server {
	return &Server{serve: serve, store: store, logger: logger, buffers: sync.Pool{New: func() any { return new(buffers) }}}
}

// Ready gives the server its bank; from now on it answers every endpoint.
func (s *Server) Ready(bank *wallet.Bank) { s.bank.Store(bank) }

// buffers is the scratch memory of one request.
type buffers struct {
	body       []byte
	balance    wallet.Balance
	statistics wallet.Statistics
	page       wallet.Page
}

// call is one request on its way to an answer.
type call struct {
	*buffers
	request *http.Request
	bank    *wallet.Bank // nil until the server is ready
	path    string
	query   string
	userID  string
	user    uint32
	input   []byte // the request's body, for writes
	answer  answer
}

// answer is the answer's status and headers; its body is in the call's buffers.
type answer struct {
	status      int
	contentType string
	hasMark     bool
	mark        wallet.Mark
	replayed    bool
	allow       string
	close       bool
}

const (
	typeJSON    = "application/json"
	typeProblem = "application/problem+json"
	typeMetrics = "text/plain; version=0.0.4"
	typeBinary  = "application/octet-stream"
)

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	scratch := s.buffers.Get().(*buffers)
	defer s.buffers.Put(scratch)
	scratch.body = scratch.body[:0]
	c := call{buffers: scratch, request: r, bank: s.bank.Load()}
	c.path, c.query = splitTarget(r.RequestURI)
	e, userID := match(c.path)
	c.userID = userID
	c.answer = answer{status: http.StatusOK, contentType: typeJSON}
	if f := s.dispatch(&c, e, w); f != nil {
		c.body, c.answer.status = appendProblem(c.body[:0], f)
		c.answer.contentType, c.answer.hasMark = typeProblem, false
	}
	s.metrics.count(e, c.answer.status)
	s.send(w, &c)
}

// dispatch checks what all endpoints check, in the contract's order, and runs the endpoint.
func (s *Server) dispatch(c *call, e endpoint, w http.ResponseWriter) *fault {
	if c.request.ContentLength > maxBodyBytes {
		c.answer.close = true
		// The body is not read; without a deadline an absent one would hold the connection.
		if err := http.NewResponseController(w).SetReadDeadline(time.Now().Add(unreadBodyWait)); err != nil {
			s.logger.Warn("cannot set a read deadline", "error", err)
		}
		return &fault{slug: slugBodyTooLarge}
	}
	if c.request.ContentLength != 0 && !e.takesPost() {
		// A body nobody asked for is read before the answer: net/http would reset a connection that it
		// closes over unread bytes. Errors show when the next request is read.
		_, _ = io.CopyN(io.Discard, c.request.Body, maxBodyBytes)
	}
	if c.bank == nil && strings.HasPrefix(c.path, apiPrefix) {
		return &fault{slug: slugNotReady}
	}
	if e == epOther || !s.serve.has(e) {
		return &fault{slug: slugNotFound}
	}
	if allow, ok := allowed(e, c.request.Method); !ok {
		c.answer.allow = allow
		return &fault{slug: slugMethod}
	}
	switch e {
	case epBalance:
		return s.balance(c)
	case epStatistics:
		return s.statistics(c)
	case epTransactions:
		return s.transactions(c)
	case epRecharges, epGifts, epWithdrawals:
		return s.write(c, e)
	case epFib:
		return s.fib(c)
	case epHealthz:
		c.body = append(c.body, `{"status":"ok"}`...)
		return nil
	case epReadyz:
		return s.readyz(c)
	case epVersion:
		return s.version(c)
	case epMetrics:
		return s.exposition(c)
	default:
		return s.profile(c, w)
	}
}

func allowed(e endpoint, method string) (allow string, ok bool) {
	if e.takesPost() {
		return "POST", method == http.MethodPost
	}
	return "GET, HEAD", method == http.MethodGet || method == http.MethodHead
}

// send writes the answer. Header names are in canonical form, so they are set directly.
func (s *Server) send(w http.ResponseWriter, c *call) {
	header, a := w.Header(), &c.answer
	header["Content-Type"] = []string{a.contentType}
	header["Content-Length"] = []string{strconv.Itoa(len(c.body))}
	if a.hasMark {
		header["Ledger-As-Of"] = []string{strconv.FormatUint(uint64(a.mark.Seq), 10)}
	}
	if a.replayed {
		header["Idempotency-Replayed"] = []string{"true"}
	}
	if a.allow != "" {
		header["Allow"] = []string{a.allow}
	}
	if a.close {
		header["Connection"] = []string{"close"}
	}
	w.WriteHeader(a.status)
	if c.request.Method != http.MethodHead {
		// A failed write means that the client has gone; net/http closes the connection.
		_, _ = w.Write(c.body)
	}
}

// findUser looks up the path's user.
func (c *call) findUser() *fault {
	user, ok := c.bank.Users().Find(c.userID)
	if !ok {
		return &fault{slug: slugUnknownUser}
	}
	c.user = user
	return nil
}

func (c *call) setMark(mark wallet.Mark) { c.answer.hasMark, c.answer.mark = true, mark }
