package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestACheckTellsWhetherAnInstanceIsReady(t *testing.T) {
	for path, want := range map[string]string{
		"/readyz":  "",
		"/loading": "503",
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/readyz" {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}))
		err := run(context.Background(), []string{"--check", server.URL + path}, io.Discard)
		server.Close()
		if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("%s: run gave %v; want %q in it", path, err, want)
		}
	}
}

func TestACheckOfNobodyOrOfNoURLIsAFault(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	server.Close()
	for url, want := range map[string]string{
		server.URL + "/readyz": "does not answer",
		"http://%zz":           "is no URL",
	} {
		err := run(context.Background(), []string{"--check", url}, io.Discard)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: run gave %v; want %q in it", url, err, want)
		}
	}
}
