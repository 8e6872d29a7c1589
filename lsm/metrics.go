package lsm

import (
	"log/slog"
	"sync/atomic"
	"time"
)

// Metrics are what a store has done since Open, and what it is like now. They are a
// plain value, a copy: safe for concurrent use as long as nobody changes it. The
// fields have names for JSON, so that expvar can publish them:
//
//	expvar.Publish("store", expvar.Func(func() any { return db.Metrics() }))
type Metrics struct {
	Levels []LevelMetrics `json:"levels"`

	// Bytes, since Open: of keys and values that were put, of batches in the log, of
	// tables that were flushed, and of tables that compactions have read and written.
	UserBytes      uint64 `json:"user_bytes"`
	LogBytes       uint64 `json:"log_bytes"`
	FlushedBytes   uint64 `json:"flushed_bytes"`
	CompactedRead  uint64 `json:"compacted_read"`
	CompactedBytes uint64 `json:"compacted_bytes"`

	Flushes     uint64        `json:"flushes"`
	Compactions uint64        `json:"compactions"`
	Moves       uint64        `json:"moves"`   // of a table to the next level, without writing it
	Stalled     time.Duration `json:"stalled"` // time that the writer whose turn it was has waited for room

	MemTableBytes int64 `json:"memtable_bytes"` // of all memtables
	MemTables     int   `json:"memtables"`

	// Snapshots that are open, and how many changes the oldest one is behind: what
	// was overwritten or deleted since takes space as long as it is open.
	Snapshots      int    `json:"snapshots"`
	SnapshotBehind uint64 `json:"snapshot_behind"`

	BlocksCached int64 `json:"blocks_cached"` // bytes
}

// LevelMetrics are what a level is like. They are a plain value: safe for concurrent
// use.
type LevelMetrics struct {
	Tables  int    `json:"tables"`
	Bytes   int64  `json:"bytes"`
	Entries uint64 `json:"entries"`
	Deletes uint64 `json:"deletes"` // of the entries
}

// WriteAmplification is how many bytes were written to the disk for each that was
// put, without and with the log; 0 if nothing was put.
func (m Metrics) WriteAmplification() (tables, all float64) {
	if m.UserBytes == 0 {
		return 0, 0
	}
	user, written := float64(m.UserBytes), float64(m.FlushedBytes+m.CompactedBytes)
	return written / user, (written + float64(m.LogBytes)) / user
}

// LogValue makes a group of it in a slog record.
func (m Metrics) LogValue() slog.Value {
	tables, all := m.WriteAmplification()
	return slog.GroupValue(
		slog.Uint64("user_bytes", m.UserBytes),
		slog.Float64("write_amplification", all),
		slog.Float64("write_amplification_tables", tables),
		slog.Uint64("flushes", m.Flushes),
		slog.Uint64("compactions", m.Compactions),
		slog.Duration("stalled", m.Stalled),
		slog.Int("level0", m.Levels[0].Tables),
		slog.Int("snapshots", m.Snapshots),
		slog.Uint64("snapshot_behind", m.SnapshotBehind),
	)
}

// counters are what Metrics sums up. They are safe for concurrent use.
type counters struct {
	user, log, flushed, read, compacted atomic.Uint64
	flushes, compactions, moves         atomic.Uint64
	stalled                             atomic.Int64
}

// Metrics returns the counters, and what the store is like now.
func (d *DB) Metrics() Metrics {
	c := &d.counters
	m := Metrics{
		UserBytes:      c.user.Load(),
		LogBytes:       c.log.Load(),
		FlushedBytes:   c.flushed.Load(),
		CompactedRead:  c.read.Load(),
		CompactedBytes: c.compacted.Load(),
		Flushes:        c.flushes.Load(),
		Compactions:    c.compactions.Load(),
		Moves:          c.moves.Load(),
		Stalled:        time.Duration(c.stalled.Load()),
	}
	m.BlocksCached = d.blocks.cost()
	s := d.state.Load()
	m.MemTables, m.MemTableBytes = 1+len(s.full), s.mem.bytes.Load()
	for _, full := range s.full {
		m.MemTableBytes += full.bytes.Load()
	}
	for _, tables := range s.version.levels {
		l := LevelMetrics{Tables: len(tables), Bytes: size(tables)}
		for _, t := range tables {
			l.Entries += t.props.Entries
			l.Deletes += t.props.Deletes
		}
		m.Levels = append(m.Levels, l)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if m.Snapshots = len(d.snapshots); m.Snapshots > 0 {
		m.SnapshotBehind = d.visible.Load() - d.snapshots[0] // they are made in order
	}
	return m
}
