package httpapi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
)

// gate is a handler that says when a request has come and answers when it may.
type gate struct {
	entered chan struct{}
	open    chan struct{}
}

func (g *gate) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	g.entered <- struct{}{}
	<-g.open
	w.Header().Set("Content-Length", "4")
	_, _ = io.WriteString(w, "done")
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	return listener
}

func dial(t *testing.T, listener net.Listener, request string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

func TestADrainFinishesRequestsAndClosesIdleConnections(t *testing.T) {
	listener := listen(t)
	g := &gate{entered: make(chan struct{}), open: make(chan struct{})}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, listener, g, slog.New(slog.DiscardHandler)) }()

	const request = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
	_, idle := dial(t, listener, request)
	<-g.entered
	g.open <- struct{}{}
	if _, err := http.ReadResponse(idle, nil); err != nil {
		t.Fatal(err)
	}
	if _, err := io.CopyN(io.Discard, idle, 4); err != nil {
		t.Fatal(err)
	}
	_, busy := dial(t, listener, request)
	<-g.entered

	stop()
	if _, err := idle.ReadByte(); !errors.Is(err, io.EOF) {
		t.Errorf("the idle connection gave %v; want its end", err)
	}
	if conn, err := net.Dial("tcp", listener.Addr().String()); err == nil {
		_ = conn.Close()
		t.Error("a new connection was taken during the drain")
	}
	g.open <- struct{}{}
	response, err := http.ReadResponse(busy, nil)
	if err != nil {
		t.Fatal("the request in flight failed:", err)
	}
	if body, _ := io.ReadAll(response.Body); string(body) != "done" {
		t.Errorf("the request in flight answered %q; want done", body)
	}
	if err := <-ended; err != nil {
		t.Errorf("Run gave %v after a drain; want nil", err)
	}
}

func TestAnswersOnTheWireHaveALengthAndNoChunks(t *testing.T) {
	listener := listen(t)
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- Run(ctx, listener, newServer(t, ServeAll), slog.New(slog.DiscardHandler)) }()
	for _, line := range []string{
		"GET /v1/users/ann/balance", "HEAD /v1/users/ann/balance", "GET /v1/users/zoe/balance", "OPTIONS *",
		"GET /metrics", "GET /debug/pprof/profile?seconds=1",
	} {
		_, reader := dial(t, listener, fmt.Sprintf("%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", line))
		raw, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		head, body, _ := strings.Cut(string(raw), "\r\n\r\n")
		if strings.Contains(head, "Transfer-Encoding") || !strings.Contains(head, "\r\nContent-Length: ") {
			t.Errorf("%s: %s; want a Content-Length", line, head)
		}
		if want := fmt.Sprintf("\r\nContent-Length: %d", len(body)); !strings.HasPrefix(line, "HEAD") && !strings.Contains(head, want) {
			t.Errorf("%s: %s; want %s", line, head, want)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
