package wallet

import "sort"

// Page is a run of one user's entries, newest first.
type Page struct {
	Entries []Entry
	Older   bool // the user has entries below the last listed one
}

// Read replaces the content of p by at most limit entries of the view with a seq below beforeSeq.
func (p *Page) Read(v View, beforeSeq uint64, limit int) {
	end := sort.Search(v.Len(), func(i int) bool { return uint64(v.at(i).Seq) >= beforeSeq })
	start := max(0, end-limit)
	p.Entries = p.Entries[:0]
	for i := end - 1; i >= start; i-- {
		p.Entries = append(p.Entries, v.at(i))
	}
	p.Older = start > 0 && len(p.Entries) > 0
}
