// Package memory keeps what is written to the wallet in the instance's own memory: it is lost with
// the process, and no other instance sees it.
package memory

import (
	"strings"
	"sync"

	"twinload/wallet"
)

// Journal is a wallet.Journal in memory. Reads wait for no fold: a write decides under the writers'
// lock alone and takes the readers' lock only to append. Entries and outcomes are kept as long as
// the process lives, so its memory grows with every write.
type Journal struct {
	written  *wallet.Written
	writers  sync.Mutex
	outcomes map[string]outcome // guarded by writers
}

type outcome struct {
	digest [32]byte
	wallet.Outcome
}

var _ wallet.Journal = (*Journal)(nil)

// NewJournal returns an empty journal that goes on from the mark of the loaded ledger.
func NewJournal(mark wallet.Mark) *Journal {
	return &Journal{written: wallet.NewWritten(mark), outcomes: make(map[string]outcome)}
}

// Store says that writes are kept nowhere else.
func (j *Journal) Store() wallet.StoreState { return wallet.NoStore }

// View returns the rows written for the user and the mark, both of one moment.
func (j *Journal) View(user uint32) (wallet.Rows, wallet.Mark) { return j.written.View(user) }

// Write runs one write and remembers its outcome under the request's key.
func (j *Journal) Write(request wallet.Request, payer uint32, decide wallet.Decide) (wallet.Outcome, bool, error) {
	j.writers.Lock()
	defer j.writers.Unlock()
	if first, seen := j.outcomes[request.Key]; seen {
		if first.digest != request.Digest {
			return wallet.Outcome{}, false, wallet.ErrKeyReused
		}
		return first.Outcome, true, nil
	}
	written, mark := j.View(payer)
	postings, err := decide(written, mark)
	if err != nil {
		return wallet.Outcome{}, false, err
	}
	result := wallet.Outcome{Refused: len(postings) == 0, Mark: mark}
	if !result.Refused {
		result.Seq, result.TimeMs = postings[0].Entry.Seq, postings[0].Entry.TimeMs
		result.Mark = j.written.Append(postings)
	}
	// The key is a piece of the request's memory; the copy keeps the rest of it from living on.
	j.outcomes[strings.Clone(request.Key)] = outcome{request.Digest, result}
	return result, false, nil
}
