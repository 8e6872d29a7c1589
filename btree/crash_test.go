package btree

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/cespare/xxhash/v2"
	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/crash"
	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// The test that the store stands on: a history of calls, and a power cut after each
// of its disk operations, leaving each state that the disk could be in. From every
// such state the store must come back with what the first so many calls had made of
// it, where that includes every call that had been acknowledged; Verify has nothing to
// say, before and after; each page is accounted for, and the store takes another change.
// Then the same again, with a second power cut while it recovers and goes on.

func entryLine(key, value []byte) string {
	return fmt.Sprintf("%s=%d:%x\n", key[max(0, len(key)-6):], len(value), xxhash.Sum64(value))
}

// contentOf is what a scan of the store yields; values are represented by their hashes.
func contentOf(db *DB) (string, error) {
	var b strings.Builder
	err := db.View(func(tx *Tx) error {
		for e, err := range tx.Scan(nil, nil) {
			if err != nil {
				return err
			}
			b.WriteString(entryLine(e.Key, e.Value))
		}
		return nil
	})
	return b.String(), err
}

func contentOfMap(m map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(m)) {
		b.WriteString(entryLine([]byte(k), []byte(m[k])))
	}
	return b.String()
}

// change sets a key, or deletes it if the value is nil.
type change struct{ key, value []byte }

// crashHistory is calls on a store on a recording disk, and on a map.
type crashHistory struct {
	t      *testing.T
	w      *crash.Witness
	o      Options
	turns  bool // the log is kept and not kept in turns
	prefix int  // what keys begin with: so many bytes, all the same
	value  int  // bytes, at most

	db    *DB
	now   map[string]string
	calls []crash.Call[string]
}

// do runs one call; its changes are those that the map gets.
func (h *crashHistory) do(durable bool, changes []change, call func() error) crash.Call[string] {
	c := crash.Call[string]{Start: h.w.Ops(), Durable: durable || h.o.Durability == wal.Synced}
	var before []int
	if len(changes) > 0 {
		before = h.shape()
	}
	require.NoError(h.t, call())
	for _, one := range changes {
		if one.value == nil {
			delete(h.now, string(one.key))
		} else {
			h.now[string(one.key)] = string(one.value)
		}
	}
	c.End, c.After = h.w.Ops(), contentOfMap(h.now)
	h.calls = append(h.calls, c)
	if before != nil {
		h.compare(before, h.shape(), c)
	}
	return c
}

// shape returns how many pages each level of the tree has, leaves first.
func (h *crashHistory) shape() []int {
	h.db.turn.Lock()
	defer h.db.turn.Unlock()
	levels := make([]int, 1, 8)
	var visit func(p *page)
	visit = func(p *page) {
		for len(levels) <= p.level() {
			levels = append(levels, 0)
		}
		levels[p.level()]++
		for i := 0; !p.isLeaf() && i <= p.count(); i++ {
			c, err := h.db.below(p, i)
			require.NoError(h.t, err)
			visit(c)
		}
	}
	if root := h.db.latest.root; root != 0 {
		p, err := h.db.page(root)
		require.NoError(h.t, err)
		visit(p)
	}
	return levels
}

func (h *crashHistory) compare(before, after []int, c crash.Call[string]) {
	switch {
	case len(after) > len(before):
		h.w.During(grows, c.Start, c.End)
	case len(after) < len(before):
		h.w.During(shrinks, c.Start, c.End)
	}
	switch {
	case after[0] > before[0]:
		h.w.During(splits, c.Start, c.End)
	case after[0] < before[0]:
		h.w.During(merges, c.Start, c.End)
	}
}

func (h *crashHistory) open() {
	c := h.do(true, nil, func() (err error) {
		h.db, err = Open("db", h.o)
		return err
	})
	h.w.During(reopens, c.Start, c.End)
}

func (h *crashHistory) close() {
	c := h.do(true, nil, h.db.Close)
	h.w.During(closes, c.Start, c.End)
	h.db = nil
}

// apply makes changes in one transaction.
func (h *crashHistory) apply(changes ...change) {
	size := recordHeader
	for _, one := range changes {
		size += 16 + len(one.key) + len(one.value)
	}
	large := h.db.log != nil && size > h.o.maxRecord
	c := h.do(large, changes, func() error {
		return h.db.Update(func(tx *Tx) error {
			for _, one := range changes {
				err := error(nil)
				if one.value == nil {
					err = tx.Delete(one.key)
				} else {
					err = tx.Put(one.key, one.value)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
	if large {
		h.w.During(commitsLarge, c.Start, c.End)
	}
}

func (h *crashHistory) key(n int) []byte {
	return fmt.Appendf(nil, "%s%02d", strings.Repeat("p", h.prefix), n)
}

func (h *crashHistory) bytes(i, size int) []byte {
	return bytes.Repeat(fmt.Appendf(nil, "%d|", i), 1+size/2)[:size]
}

// keys is how many different ones a history has.
const crashKeys = 26

// run makes a history of n calls, all kinds among them.
func (h *crashHistory) run(n int) {
	h.o.FS, h.now = h.w, map[string]string{}
	h.calls = []crash.Call[string]{{Durable: true}}
	h.open()
	for i := range n {
		one := change{h.key(i * 7 % crashKeys), h.bytes(i, 1+i*131%h.value)}
		switch {
		case i%10 == 9:
			h.do(true, nil, h.db.Checkpoint)
		case i%29 == 28:
			var gone []change
			for k := range crashKeys - 2 {
				gone = append(gone, change{h.key((i + k) % crashKeys), nil})
			}
			h.apply(gone...)
		case i%29 == 1:
			c := h.do(true, nil, func() error { return h.db.Compact(context.Background()) })
			h.w.During(compacts, c.Start, c.End)
		case i%33 == 32:
			h.close()
			if h.turns {
				h.o.NoWAL = !h.o.NoWAL
			}
			h.open()
		case i%13 == 6:
			h.apply(one, change{h.key(i % crashKeys), h.bytes(i, 4056*(1+i%3)-i%2)}) // elsewhere
		case i%11 == 4, i < 3:
			var all []change
			for k := range crashKeys / 2 {
				all = append(all, change{h.key((i + 5*k) % crashKeys), h.bytes(i+k, h.value-k)})
			}
			h.apply(all...)
		case i%5 == 3:
			h.apply(change{one.key, nil})
		case i%7 == 5:
			h.apply(one, change{h.key(3), nil}, change{h.key(4), one.value}, change{h.key(4), nil}, change{h.key(5), one.value})
		default:
			h.apply(one)
		}
	}
	h.close()
}

// crashCases are the histories of TestCrash.
func crashCases() map[string]crashHistory {
	small := Options{segmentSize: 8 << 10, maxRecord: 6 << 10}
	with := func(change func(*Options)) Options {
		o := small
		change(&o)
		return o
	}
	return map[string]crashHistory{
		"synced":      {o: small, value: 1000},
		"deep":        {o: small, value: 200, prefix: 800},
		"flushed":     {o: with(func(o *Options) { o.Durability = wal.Flushed }), value: 900},
		"buffered":    {o: with(func(o *Options) { o.Durability, o.segmentSize = wal.Buffered, 16<<10 }), value: 700},
		"background":  {o: with(func(o *Options) { o.CheckpointSize, o.CacheSize = 3<<10, 1 }), value: 800},
		"no log":      {o: with(func(o *Options) { o.NoWAL = true }), value: 900},
		"in turns":    {o: small, turns: true, value: 600},
		"large pages": {o: with(func(o *Options) { o.PageSize, o.Fill = 8<<10, 0.7 }), value: 1900},
	}
}

// TestCrash goes through all crash states of some histories: every operation is a
// crash point, and so is, for some of the states, every operation of the recovery from
// them. The short form takes a part of the states of each point. What a store does is
// known to be cut: all of it, and all that vfs knows of what becomes of a disk.
//
// Planted and caught: a meta page that is written before the pages, or without a sync
// between, or is not synced itself; pages written over that the last checkpoint has; a
// log that is truncated before the meta page is on the disk; a new file whose name is
// synced neither when it is made nor by the next Open; pages that become one with the
// wrong key between.
func TestCrash(t *testing.T) {
	calls, stride, twice := 45, 60, 60
	switch {
	case form.Raced():
		calls, stride, twice = 45, 200, 150
	case form.Long():
		calls, stride, twice = 75, 4, 100
	}
	tally := crash.NewTally(stride)
	for name, h := range crashCases() {
		t.Run(name, func(t *testing.T) {
			h.t, h.w = t, newWitness()
			h.run(calls)
			before := tally.Total()
			for n, c := range tally.States(h.w) {
				legal := crash.Legal(h.calls, c.Point)
				if n%twice == 0 {
					require.NoError(t, recoveredTwice(c.Disk.Clone(), legal, h.o, n/twice%4 == 0, tally), "%v", c)
				}
				if err := Verify("db", Options{FS: c.Disk}); c.Point > h.calls[1].End || !errors.Is(err, fs.ErrNotExist) {
					require.NoError(t, err, "%v", c)
				}
				_, err := recovered(c.Disk, legal, h.o, n%4 == 0)
				require.NoError(t, err, "%v", c)
				require.NoError(t, Verify("db", Options{FS: c.Disk}), "%v", c)
			}
			t.Logf("%d calls, %d operations, %d states", len(h.calls), h.w.Ops(), tally.Total()-before)
		})
	}
	tally.Report(t, happenings(), vfs.DeleteUndone) // the log uses files again, and mostly removes none
	if form.Long() && !form.Raced() {
		require.GreaterOrEqual(t, tally.Total(), 20_000)
	}
}

// recovered opens the store on a disk that a crash has left, and returns what it
// holds, which must be one of the legal contents. If it is to go on, it takes changes
// and makes a checkpoint before it closes.
func recovered(disk *vfs.Mem, legal []string, o Options, goOn bool) (got string, err error) {
	o.FS = disk
	db, err := Open("db", o)
	if err != nil {
		return "", err
	}
	if got, err = contentOf(db); err == nil && !slices.Contains(legal, got) {
		err = fmt.Errorf("recovered\n%s\nwhich none of %d calls has left, the last one\n%s", got, len(legal), legal[len(legal)-1])
	}
	if err == nil && goOn {
		err = usable(db)
	}
	return got, errors.Join(err, db.Close())
}

// usable changes and changes back, through a checkpoint.
func usable(db *DB) error {
	key, value := []byte("another"), bytes.Repeat([]byte("again"), 2000)
	if err := db.Put(key, value); err != nil {
		return err
	}
	if err := db.Checkpoint(); err != nil {
		return err
	}
	v, err := db.Get(key)
	if err == nil && !bytes.Equal(v, value) {
		err = fmt.Errorf("%d bytes after %d were put", len(v), len(value))
	}
	if err == nil {
		err = db.Delete(key)
	}
	return err
}

// recoveredTwice recovers from the crash while recording, and closes, and cuts the
// power again after every operation of that, leaving one of the states. If it is to go
// on, it puts something and makes a checkpoint before it closes.
func recoveredTwice(disk *vfs.Mem, legal []string, o Options, goOn bool, tally *crash.Tally) error {
	r := vfs.Record(disk)
	o.FS = r
	db, err := Open("db", o)
	if err != nil {
		return err
	}
	life := crash.Recovery[string]{Before: legal, Opened: r.Ops()}
	life.Found, err = contentOf(db)
	life.After = life.Found
	if err == nil && goOn {
		err = db.Put([]byte("zz"), []byte("second"))
		life.After += entryLine([]byte("zz"), []byte("second"))
	}
	put := r.Ops()
	if err == nil && goOn {
		err = db.Checkpoint()
	}
	if life.Kept = r.Ops(); o.Durability == wal.Synced {
		life.Kept = put
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	for c := range tally.Again(r, false) {
		_, err := recovered(c.Disk, life.Legal(c.Point), o, c.Point%8 == 0)
		if err == nil {
			err = Verify("db", o.on(c.Disk))
		}
		if err != nil {
			return fmt.Errorf("second cut, of %d operations (opened after %d): %v: %w", r.Ops(), life.Opened, c, err)
		}
	}
	return nil
}

// on returns the same options for another disk.
func (o Options) on(fsys vfs.FS) Options {
	o.FS = fsys
	return o
}
