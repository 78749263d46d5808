package wallet

import "sync"

// Written is what was written since the ledger was loaded, by user, and the mark it has come to. Any
// number of goroutines may read while one appends. The zero value has no mark: see NewWritten.
type Written struct {
	mu   sync.RWMutex
	rows map[uint32]*Rows
	mark Mark
}

// NewWritten returns an empty one that goes on from the mark of the loaded ledger.
func NewWritten(mark Mark) *Written {
	return &Written{rows: make(map[uint32]*Rows), mark: mark}
}

// View returns the rows written for the user and the mark, both of one moment.
func (w *Written) View(user uint32) (Rows, Mark) {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if rows := w.rows[user]; rows != nil {
		return *rows, w.mark
	}
	return Rows{}, w.mark
}

// Append makes all postings visible at one moment and returns the new mark.
func (w *Written) Append(postings []Posting) Mark {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, p := range postings {
		rows := w.rows[p.User]
		if rows == nil {
			rows = new(Rows)
			w.rows[p.User] = rows
		}
		rows.Append(p.Entry)
		w.mark = Mark{Seq: p.Entry.Seq, TimeMs: p.Entry.TimeMs}
	}
	return w.mark
}
