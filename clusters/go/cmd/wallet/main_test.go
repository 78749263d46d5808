package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestBadFlagsAreNamedWithTheirValue(t *testing.T) {
	cases := map[string]struct {
		args []string
		want string
	}{
		"no data":         {nil, "--data is missing"},
		"another serve":   {[]string{"--data", "x", "--serve", "cold"}, `--serve is "cold"; give hot or all`},
		"unknown flag":    {[]string{"--port", "1"}, "-port"},
		"an argument":     {[]string{"--data", "x", "extra"}, `unexpected argument "extra"`},
		"a bad address":   {[]string{"--data", "x", "--listen", "nowhere"}, `cannot listen on "nowhere"`},
		"no such data":    {[]string{"--data", "/does/not/exist"}, "/does/not/exist/userpool.csv"},
		"a foreign place": {[]string{"--data", "x", "--listen", "192.0.2.1:1"}, "give a free address to --listen"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			err := run(context.Background(), c.args, io.Discard)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("run gave %v; want %q in it", err, c.want)
			}
		})
	}
}

func TestATakenPortIsAnError(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	err = run(context.Background(), []string{"--data", "x", "--listen", listener.Addr().String()}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "address already in use") {
		t.Errorf("run gave %v; want the address in use", err)
	}
}

func TestHelpIsPrintedOnStdout(t *testing.T) {
	var stdout bytes.Buffer
	if err := run(context.Background(), []string{"-h"}, &stdout); err != nil || !strings.Contains(stdout.String(), "-listen") {
		t.Errorf("run -h gave %v and %q; want the flags", err, stdout.String())
	}
}

func TestTheBoundAddressIsPrintedAndTheEndOfTheContextEndsTheRun(t *testing.T) {
	dir := t.TempDir()
	writeEmptyLedger(t, dir)
	ctx, stop := context.WithCancel(context.Background())
	reader, writer := io.Pipe()
	ended := make(chan error, 1)
	go func() { ended <- run(ctx, []string{"--data", dir, "--listen", "127.0.0.1:0"}, writer) }()
	line, err := bufio.NewReader(reader).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimSuffix(strings.TrimPrefix(line, "listening "), "\n")
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatalf("the printed address %q takes no connection: %v", line, err)
	}
	_ = conn.Close()
	stop()
	if err := <-ended; err != nil {
		t.Errorf("run gave %v after its context ended; want nil", err)
	}
}

// writeEmptyLedger writes one user without entries.
func writeEmptyLedger(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(dir, "ledger"), 0o755); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{"userpool.csv": "id\nann\n", "ledger/offsets.npy": emptyColumn("<i8", 2) + strings.Repeat("\x00", 16)}
	for name, descr := range map[string]string{"seq": "<u4", "time_ms": "<i8", "kind": "|u1", "amount": "<u4", "party": "<u4", "ref": "<u4"} {
		files["ledger/"+name+".npy"] = emptyColumn(descr, 0)
	}
	for name, text := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// emptyColumn returns the header of a NumPy file with count values.
func emptyColumn(descr string, count int) string {
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': False, 'shape': (%d,), }\n", descr, count)
	return "\x93NUMPY\x01\x00" + string([]byte{byte(len(header)), 0}) + header
}
