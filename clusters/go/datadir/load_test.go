package datadir

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"twinload/wallet"
)

// npy returns a NumPy 1.0 file, padded as NumPy pads it.
func npy(descr, order, shape string, data []byte) []byte {
	header := fmt.Sprintf("{'descr': '%s', 'fortran_order': %s, 'shape': %s, }", descr, order, shape)
	header += strings.Repeat(" ", 63-(len(npyMagic)+2+len(header))%64) + "\n"
	file := binary.LittleEndian.AppendUint16([]byte(npyMagic), uint16(len(header)))
	return append(append(file, header...), data...)
}

func column[T number](descr string, values ...T) []byte {
	var data []byte
	for _, v := range values {
		switch descr {
		case "|u1":
			data = append(data, byte(v))
		case "<u4":
			data = binary.LittleEndian.AppendUint32(data, uint32(v))
		default:
			data = binary.LittleEndian.AppendUint64(data, uint64(v))
		}
	}
	return npy(descr, "False", fmt.Sprintf("(%d,)", len(values)), data)
}

// writeDir writes a good data directory, then the changed files over it.
func writeDir(t *testing.T, changed map[string][]byte) string {
	t.Helper()
	files := map[string][]byte{
		"userpool.csv":       []byte("id,tier\nann,fan\nbob,host\n"),
		"ledger/offsets.npy": column[int64]("<i8", 0, 1, 3),
		"ledger/seq.npy":     column[uint32]("<u4", 2, 1, 4_000_000_000),
		"ledger/time_ms.npy": column[int64]("<i8", 20, 10, 1_750_000_000_000),
		"ledger/kind.npy":    column[uint8]("|u1", 2, 3, 8),
		"ledger/amount.npy":  column[uint32]("<u4", 5, 5, 9),
		"ledger/party.npy":   column[uint32]("<u4", 1, 0, wallet.NoParty),
		"ledger/ref.npy":     column[uint32]("<u4", 7, 7, 24),
	}
	for name, text := range changed {
		files[name] = text
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "ledger"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range files {
		if text == nil {
			continue
		}
		if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func TestADataDirectoryLoadsAsWritten(t *testing.T) {
	ledger, err := Load(writeDir(t, nil))
	if err != nil {
		t.Fatal(err)
	}
	if ledger.Users().Len() != 2 || ledger.Users().ID(1) != "bob" || ledger.Len() != 3 {
		t.Errorf("%d users, %d entries; want 2 and 3", ledger.Users().Len(), ledger.Len())
	}
	want := wallet.Entry{Seq: 4_000_000_000, TimeMs: 1_750_000_000_000, Kind: wallet.Bonus, Amount: 9, Party: wallet.NoParty, Ref: 24}
	if got := ledger.Rows(1).At(1); got != want {
		t.Errorf("the last entry is %+v; want %+v", got, want)
	}
}

func TestAColumnLongerThanAChunkLoadsWhole(t *testing.T) {
	values := make([]uint32, 100_000)
	for i := range values {
		values[i] = uint32(i * 7)
	}
	path := filepath.Join(t.TempDir(), "x.npy")
	if err := os.WriteFile(path, column("<u4", values...), 0o644); err != nil {
		t.Fatal(err)
	}
	got, err := readColumn[uint32](path, "<u4")
	if err != nil || len(got) != len(values) || got[99_999] != values[99_999] || got[20_000] != values[20_000] {
		t.Errorf("%d values, %v; want those written", len(got), err)
	}
}

func TestAMissingFileIsNamedWithTheRemedy(t *testing.T) {
	full := writeDir(t, nil)
	if err := os.Remove(filepath.Join(full, "ledger", "kind.npy")); err != nil {
		t.Fatal(err)
	}
	for dir, file := range map[string]string{t.TempDir(): "userpool.csv", full: "kind.npy"} {
		_, err := Load(dir)
		if err == nil || !strings.Contains(err.Error(), file) || !strings.Contains(err.Error(), "name a directory") {
			t.Errorf("Load gave %v; want %s and what to do", err, file)
		}
	}
}

func TestABadFileIsNamedWithItsFault(t *testing.T) {
	seq := column[uint32]("<u4", 2, 1, 3)
	cases := map[string]struct {
		file string
		text []byte
		want string
	}{
		"missing":         {"ledger/seq.npy", nil, "seq.npy"},
		"not NumPy":       {"ledger/seq.npy", []byte("hello, I am text"), "is not a file of NumPy format 1.0"},
		"another version": {"ledger/seq.npy", append([]byte("\x93NUMPY\x02\x00"), seq[8:]...), "is not a file of NumPy format 1.0"},
		"cut header":      {"ledger/seq.npy", seq[:40], "ends inside its header"},
		"another dtype":   {"ledger/seq.npy", column[int64]("<i8", 2, 1, 3), `has the dtype "<i8", needs "<u4"`},
		"big-endian":      {"ledger/seq.npy", npy(">u4", "False", "(3,)", make([]byte, 12)), `has the dtype ">u4"`},
		"Fortran order":   {"ledger/seq.npy", npy("<u4", "True", "(3,)", make([]byte, 12)), "Fortran order"},
		"two dimensions":  {"ledger/seq.npy", npy("<u4", "False", "(3, 1)", make([]byte, 12)), "needs one dimension"},
		"no dimension":    {"ledger/seq.npy", npy("<u4", "False", "()", make([]byte, 4)), "needs one dimension"},
		"cut data":        {"ledger/seq.npy", seq[:len(seq)-1], "has 11 bytes of data for 3 values"},
		"more data":       {"ledger/seq.npy", append(seq[:len(seq):len(seq)], 0, 0, 0, 0), "has 16 bytes of data for 3 values"},
		"a huge shape":    {"ledger/seq.npy", npy("<u4", "False", "(9223372036854775807,)", nil), "has 0 bytes of data"},
		"rows differ":     {"ledger/ref.npy", column[uint32]("<u4", 1), "ref has 1 values, seq has 3"},
		"a repeated id":   {"userpool.csv", []byte("id\nann\nann\n"), "the same id"},
		"a quoted id":     {"userpool.csv", []byte("id\n\"ann\"\nbob\n"), "an id is"},
		"a cut line":      {"userpool.csv", []byte("id\nann\nbob"), "cut off"},
		"an empty file":   {"userpool.csv", []byte(""), "cut off"},
		"more users":      {"userpool.csv", []byte("id\nann\nbob\neve\n"), "offsets has 3 values for 3 users"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			_, err := Load(writeDir(t, map[string][]byte{c.file: c.text}))
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("Load gave %v; want one line with %q in it", err, c.want)
			}
		})
	}
}
