package datadir

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
)

// number is what a column may hold.
type number interface{ ~uint8 | ~uint32 | ~int64 }

// npyHeader is the text that NumPy writes for a one-dimensional array. Keys are always in this order.
var npyHeader = regexp.MustCompile(`^\{'descr': '([^']*)', 'fortran_order': (True|False), 'shape': \(([^)]*)\), \} *\n$`)

const npyMagic = "\x93NUMPY\x01\x00"

// readColumn reads a NumPy 1.0 file with a one-dimensional array of the given dtype.
func readColumn[T number](path, descr string) ([]T, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, notThere(err)
	}
	defer file.Close()
	column, err := decodeColumn[T](file, descr)
	if err != nil {
		return nil, fmt.Errorf("%s: %w; write the ledger again with the pool", path, err)
	}
	return column, nil
}

func decodeColumn[T number](file *os.File, descr string) ([]T, error) {
	count, headerBytes, err := readHeader(file, descr)
	if err != nil {
		return nil, err
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	itemBytes := int64(descr[2] - '0')
	if have := info.Size() - headerBytes; have%itemBytes != 0 || have/itemBytes != count {
		return nil, fmt.Errorf("has %d bytes of data for %d values of %s", have, count, descr)
	}
	column := make([]T, 0, count)
	chunk := make([]byte, 1<<16)
	for int64(len(column)) < count {
		part := chunk[:min(int64(len(chunk)), (count-int64(len(column)))*itemBytes)]
		if _, err := io.ReadFull(file, part); err != nil {
			return nil, fmt.Errorf("cannot be read after %d values: %w", len(column), err)
		}
		column = appendNumbers(column, part, itemBytes)
	}
	return column, nil
}

// readHeader returns the number of values and the length of the header.
func readHeader(r io.Reader, descr string) (count, headerBytes int64, err error) {
	start := make([]byte, len(npyMagic)+2)
	if _, err := io.ReadFull(r, start); err != nil || string(start[:len(npyMagic)]) != npyMagic {
		return 0, 0, fmt.Errorf("is not a file of NumPy format 1.0")
	}
	text := make([]byte, binary.LittleEndian.Uint16(start[len(npyMagic):]))
	if _, err := io.ReadFull(r, text); err != nil {
		return 0, 0, fmt.Errorf("ends inside its header")
	}
	parts := npyHeader.FindSubmatch(text)
	switch {
	case parts == nil:
		return 0, 0, fmt.Errorf("has the header %q, which is not NumPy's", text)
	case string(parts[1]) != descr:
		return 0, 0, fmt.Errorf("has the dtype %q, needs %q", parts[1], descr)
	case string(parts[2]) != "False":
		return 0, 0, fmt.Errorf("is in Fortran order, needs C order")
	}
	shape := string(parts[3])
	if n := len(shape); n < 2 || shape[n-1] != ',' {
		return 0, 0, fmt.Errorf("has the shape (%s), needs one dimension", shape)
	}
	count, err = strconv.ParseInt(shape[:len(shape)-1], 10, 64)
	if err != nil || count < 0 {
		return 0, 0, fmt.Errorf("has the shape (%s), needs one dimension", shape)
	}
	return count, int64(len(start) + len(text)), nil
}

func appendNumbers[T number](column []T, data []byte, itemBytes int64) []T {
	switch itemBytes {
	case 1:
		for _, b := range data {
			column = append(column, T(b))
		}
	case 4:
		for ; len(data) >= 4; data = data[4:] {
			column = append(column, T(binary.LittleEndian.Uint32(data)))
		}
	case 8:
		for ; len(data) >= 8; data = data[8:] {
			column = append(column, T(binary.LittleEndian.Uint64(data)))
		}
	}
	return column
}
