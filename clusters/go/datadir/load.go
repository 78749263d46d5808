// Package datadir reads a wallet from a data directory: userpool.csv, whose rows are the users, and
// ledger/*.npy, the flat columns of their entries.
package datadir

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"twinload/wallet"
)

// Load reads and checks the directory. Errors name the file, what is wrong with it and the remedy.
func Load(dir string) (*wallet.Ledger, error) {
	ids, err := readIDs(filepath.Join(dir, "userpool.csv"))
	if err != nil {
		return nil, err
	}
	users, err := wallet.NewUsers(ids)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; write the pool again", filepath.Join(dir, "userpool.csv"), err)
	}
	ledgerDir := filepath.Join(dir, "ledger")
	offsets, rows, err := readColumns(ledgerDir)
	if err != nil {
		return nil, err
	}
	ledger, err := wallet.NewLedger(users, offsets, rows)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; write the ledger again with the pool", ledgerDir, err)
	}
	return ledger, nil
}

func readColumns(dir string) (offsets []int64, rows wallet.Rows, err error) {
	name := func(column string) string { return filepath.Join(dir, column+".npy") }
	err = errors.Join(
		readInto(&offsets, name("offsets"), "<i8"),
		readInto(&rows.Seq, name("seq"), "<u4"),
		readInto(&rows.TimeMs, name("time_ms"), "<i8"),
		readInto(&rows.Kind, name("kind"), "|u1"),
		readInto(&rows.Amount, name("amount"), "<u4"),
		readInto(&rows.Party, name("party"), "<u4"),
		readInto(&rows.Ref, name("ref"), "<u4"),
	)
	return offsets, rows, err
}

// notThere adds the remedy to the error of a file that cannot be opened.
func notThere(err error) error {
	return fmt.Errorf("%w; name a directory that a pool was written to", err)
}

func readInto[T number](column *[]T, path, descr string) (err error) {
	*column, err = readColumn[T](path, descr)
	return err
}

// readIDs returns the first field of every line behind the header line, in order.
func readIDs(path string) ([]string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, notThere(err)
	}
	if len(text) == 0 || text[len(text)-1] != '\n' {
		return nil, fmt.Errorf("%s: the last line is cut off; write the pool again", path)
	}
	lines := bytes.Split(text[:len(text)-1], []byte{'\n'})[1:]
	// All ids share one string, so that the file's text is not kept.
	packed := make([]byte, 0, len(text)/2)
	ends := make([]int, len(lines))
	for i, line := range lines {
		id, _, _ := bytes.Cut(line, []byte{','})
		packed = append(packed, id...)
		ends[i] = len(packed)
	}
	all, start := string(packed), 0
	ids := make([]string, len(lines))
	for i, end := range ends {
		ids[i], start = all[start:end], end
	}
	return ids, nil
}
