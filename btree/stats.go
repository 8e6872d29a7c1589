package btree

import (
	"log/slog"
	"sync/atomic"
)

// Stats is what a store has done since Open, and what it is like now. It is a plain
// value, a copy: safe for concurrent use as long as nobody changes it. The fields have
// names for JSON, so that expvar can publish them:
//
//	expvar.Publish("store", expvar.Func(func() any { return db.Stats() }))
type Stats struct {
	Entries  uint64 `json:"entries"`
	PageSize int    `json:"page_size"`
	Height   int    `json:"height"` // levels of pages, 0 if there are no entries

	// Pages of the file: all, those of them that are free, and those that are not in
	// the tree any more and still held, by readers or for the sake of the last checkpoint.
	Pages     int `json:"pages"`
	FreePages int `json:"free_pages"`
	HeldPages int `json:"held_pages"`

	// Readers: how many there are, how many transactions the oldest one is behind, and
	// how many of the held pages are held for readers only.
	Readers       int    `json:"readers"`
	OldestBehind  uint64 `json:"oldest_behind"`
	HeldByReaders int    `json:"held_by_readers"`

	ChangedPages int `json:"changed_pages"` // in memory and not on the disk
	CachedPages  int `json:"cached_pages"`  // in memory and on the disk

	// Since Open. UserBytes are those of keys and values that were put or deleted, LogBytes
	// those of the records, without the framing of the log.
	Commits      uint64 `json:"commits"`
	Checkpoints  uint64 `json:"checkpoints"`
	UserBytes    uint64 `json:"user_bytes"`
	LogBytes     uint64 `json:"log_bytes"`
	PagesRead    uint64 `json:"pages_read"`
	PagesWritten uint64 `json:"pages_written"` // without the meta pages
	MetasWritten uint64 `json:"metas_written"`
}

// FileSize returns the size of the file, in bytes, once all pages are on the disk.
func (s Stats) FileSize() int64 { return int64(s.Pages) * int64(s.PageSize) }

// WriteAmplification is how many bytes were written to the disk for each that was put,
// with the log and without; 0 if nothing was put.
func (s Stats) WriteAmplification() (all, tree float64) {
	if s.UserBytes == 0 {
		return 0, 0
	}
	user := float64(s.UserBytes)
	written := float64(s.PagesWritten)*float64(s.PageSize) + float64(s.MetasWritten)*metaSize
	return (written + float64(s.LogBytes)) / user, written / user
}

// LogValue makes a group of it in a slog record.
func (s Stats) LogValue() slog.Value {
	all, tree := s.WriteAmplification()
	return slog.GroupValue(
		slog.Uint64("entries", s.Entries),
		slog.Int("height", s.Height),
		slog.Int("pages", s.Pages),
		slog.Int("free_pages", s.FreePages),
		slog.Int("held_pages", s.HeldPages),
		slog.Int("readers", s.Readers),
		slog.Uint64("oldest_behind", s.OldestBehind),
		slog.Uint64("commits", s.Commits),
		slog.Uint64("checkpoints", s.Checkpoints),
		slog.Float64("write_amplification", all),
		slog.Float64("write_amplification_tree", tree),
	)
}

// counters are what Stats sums up. They are safe for concurrent use.
type counters struct {
	user, log, commits, checkpoints       atomic.Uint64
	pagesRead, pagesWritten, metasWritten atomic.Uint64
}

// Stats returns the counters, and what the store is like now. It waits for the
// transaction that writes.
func (d *DB) Stats() Stats {
	c := &d.counters
	s := Stats{
		PageSize:     d.options.PageSize,
		Commits:      c.commits.Load(),
		Checkpoints:  c.checkpoints.Load(),
		UserBytes:    c.user.Load(),
		LogBytes:     c.log.Load(),
		PagesRead:    c.pagesRead.Load(),
		PagesWritten: c.pagesWritten.Load(),
		MetasWritten: c.metasWritten.Load(),
		ChangedPages: int(d.clock.changed.Load()),
		CachedPages:  d.clock.size(),
	}
	d.turn.Lock()
	defer d.turn.Unlock()
	d.reclaim()
	s.Entries = d.latest.entries
	s.Pages = int(d.space.high)
	s.FreePages = s.Pages - d.space.count
	s.HeldPages = d.space.held
	s.HeldByReaders = d.heldByReaders()
	d.readers.each(func(tx uint64) {
		s.Readers++
		s.OldestBehind = max(s.OldestBehind, d.latest.tx-min(tx, d.latest.tx))
	})
	if root := d.latest.root; root != 0 {
		if p, err := d.page(root); err == nil {
			s.Height = p.level() + 1
		}
	}
	return s
}

// heldByReaders counts the pages that no checkpoint holds. The caller holds turn.
func (d *DB) heldByReaders() (n int) {
	durable, underway := d.durable.Load(), d.underway.Load()
	for _, h := range d.space.holders {
		for _, f := range h.pages {
			checkpoint := f.born <= durable && durable < f.gone || f.born <= underway && underway < f.gone
			if !checkpoint {
				n++
			}
		}
	}
	return n
}
