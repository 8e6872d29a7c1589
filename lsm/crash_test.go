package lsm

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/crash"
	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// The test that the store stands on: a history of calls, and a power cut after each
// of its disk operations, leaving each state that the disk could be in. From every
// such state the store must come back with what the first so many calls had made of
// it, where that includes every call that had been acknowledged; what is in the
// directory then is what the store needs, and it takes another change. Then the same
// again, with a second power cut while it recovers and goes on.

// contentOf is what a scan of the store yields.
func contentOf(db *DB) (string, error) {
	var b strings.Builder
	for e, err := range db.Scan(nil, nil) {
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "%s=%s\n", e.Key, e.Value)
	}
	return b.String(), nil
}

func contentOfMap(m map[string]string) string {
	var b strings.Builder
	for _, k := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&b, "%s=%s\n", k, m[k])
	}
	return b.String()
}

// crashHistory is calls on a store on a recording disk, and on a map.
type crashHistory struct {
	t      *testing.T
	w      *crash.Witness
	o      Options
	batch  int  // changes in a batch
	held   bool // snapshots are, most of the time
	rising bool // keys are, and never deleted

	db       *DB
	now      map[string]string
	calls    []crash.Call[string]
	snapshot *Snapshot
}

// do runs one call; change tells what it does to the map.
func (h *crashHistory) do(durable bool, change func(), call func() error) {
	c := crash.Call[string]{Start: h.w.Ops(), Durable: durable || h.o.Durability == wal.Synced}
	var mem *memtable
	if h.db != nil {
		mem = h.db.state.Load().mem
	}
	require.NoError(h.t, call())
	change()
	c.End, c.After = h.w.Ops(), contentOfMap(h.now)
	h.calls = append(h.calls, c)
	if mem != nil && mem != h.db.state.Load().mem {
		h.w.During(rotates, c.Start, c.End)
	}
}

func (h *crashHistory) open() {
	h.do(true, func() {}, func() error {
		h.db = opened(h.t, h.o)
		return nil
	})
	opened := h.calls[len(h.calls)-1]
	h.w.During(reopens, opened.Start, opened.End)
}

func (h *crashHistory) close() {
	if h.snapshot != nil {
		h.snapshot.Close()
		h.snapshot = nil
	}
	h.do(true, func() {}, h.db.Close)
	h.db = nil
}

// apply applies changes together; a nil value deletes.
func (h *crashHistory) apply(d wal.Durability, changes ...Entry) {
	var b Batch
	for _, c := range changes {
		if c.Value == nil {
			b.Delete(c.Key)
		} else {
			b.Put(c.Key, c.Value)
		}
	}
	h.do(d == wal.Synced, func() {
		for _, c := range changes {
			if c.Value == nil {
				delete(h.now, string(c.Key))
			} else {
				h.now[string(c.Key)] = string(c.Value)
			}
		}
	}, func() error { return h.db.ApplyWith(&b, d) })
}

// run makes a history of n calls, all kinds among them.
func (h *crashHistory) run(n int) {
	h.o.FS, h.now = h.w, map[string]string{}
	h.calls = []crash.Call[string]{{Durable: true}}
	h.open()
	for i := range n {
		key, value := fmt.Appendf(nil, "k%02d", i*7%30), fmt.Appendf(nil, "%d|%s", i, strings.Repeat("x", i*13%90))
		if h.rising {
			key = fmt.Appendf(nil, "r%03d", i)
		}
		if h.held && h.snapshot == nil {
			h.snapshot = h.db.Snapshot()
		}
		switch {
		case i%20 == 19:
			h.do(true, func() {}, h.db.Flush)
		case i%41 == 40, h.rising && i%41 == 1: // soon again, a table just moves
			h.do(true, func() {}, func() error { return h.db.Compact(context.Background(), nil, nil) })
		case i%35 == 34:
			h.close()
			h.open()
		case i%17 == 16:
			h.apply(wal.Synced, Entry{key, value})
		case i%5 == 4 && !h.rising:
			h.apply(h.o.Durability, Entry{key, nil})
		case i%7 == 6 && !h.rising:
			changes := []Entry{{key, value}, {[]byte("k03"), nil}, {[]byte("k04"), value}}
			for j := len(changes); j < h.batch; j++ {
				changes = append(changes, Entry{fmt.Appendf(nil, "k%02d", (i+j*11)%40), value})
			}
			h.apply(h.o.Durability, changes...)
		default:
			h.apply(h.o.Durability, Entry{key, value})
		}
	}
	h.close()
}

// What a disk operation can be a part of.
const (
	logs     crash.Happening = "write of the log"              // of a batch
	seals    crash.Happening = "rotation of the log's segment" // the log begins another
	rotates  crash.Happening = "rotation of the memtable"      // it is full, and an empty one takes its place
	flushes  crash.Happening = "flush"                         // a memtable becomes a table, up to the manifest's record of it
	compacts crash.Happening = "compaction"                    // tables become others, up to the manifest's record of it
	moves    crash.Happening = "move"                          // a table goes to another level as it is
	switches crash.Happening = "switch of the manifest"        // it begins anew with a whole version
	removes  crash.Happening = "deletion of a table"
	forgets  crash.Happening = "truncation of the log"
	reopens  crash.Happening = "reopening"
)

func happenings() []crash.Happening {
	return []crash.Happening{logs, seals, rotates, flushes, compacts, moves, switches, removes, forgets, reopens}
}

// newWitness returns a disk that knows what its operations are about, from the names and
// categories of files, and from what the logs write.
func newWitness() *crash.Witness {
	var log, manifest crash.Log
	return crash.NewWitness(func(op crash.Op, note func(crash.Happening)) {
		switch {
		case op.Kind == vfs.OpRemove && strings.HasSuffix(op.Name, ".table"):
			note(removes)
		case op.Kind != vfs.OpWriteAt:
		case op.Category == categoryFlush:
			note(flushes)
		case op.Category == categoryCompact:
			note(compacts)
		case op.Category == wal.Category && strings.HasPrefix(op.Name, filepath.Join("db", "manifest")):
			for entry, data := range manifest.Entries(op) {
				switch entry {
				case crash.Record:
					note(edits(data))
				case crash.Truncation:
					note(switches)
				}
			}
		case op.Category == wal.Category:
			for entry := range log.Entries(op) {
				note(map[crash.Entry]crash.Happening{crash.Record: logs, crash.Truncation: forgets, crash.Rotation: seals}[entry])
			}
		}
	})
}

// edits returns what a record of the manifest is about.
func edits(data []byte) crash.Happening {
	e, err := decodeEdit(data)
	switch {
	case err != nil:
		panic(err)
	case e.whole:
		return switches
	case len(e.gone) == 0:
		return flushes
	case len(e.come) > 0 && e.come[0].table.number == e.gone[0].table.number:
		return moves
	default:
		return compacts
	}
}

// crashCases are the histories of TestCrash.
func crashCases() map[string]crashHistory {
	small := Options{MemTableSize: 1 << 10, TableSize: 1 << 10, BlockSize: 200, Policy: Leveled{Growth: 3, Level0: 2}, segmentSize: 8 << 10, maxEdits: 4}
	with := func(change func(*Options)) Options {
		o := small
		change(&o)
		return o
	}
	return map[string]crashHistory{
		"synced": {o: small},
		"flushed": {o: with(func(o *Options) {
			o.Durability, o.MemTableSize, o.BlockSize, o.Compression = wal.Flushed, 2<<10, 0, S2
		})},
		"buffered": {o: with(func(o *Options) { o.Durability, o.MemTableSize = wal.Buffered, 2<<10 })},
		"snapshots": {held: true, o: with(func(o *Options) {
			o.MemTableSize, o.Compression, o.BloomBitsPerKey = 2<<10, S2, -1
		})},
		"snapshots, flushed": {held: true, batch: 8, o: with(func(o *Options) {
			o.Durability, o.MemTableSize, o.TableSize = wal.Flushed, 3<<10, 1500
		})},
		"rising":  {rising: true, o: small},
		"batches": {batch: 14, o: with(func(o *Options) { o.MemTableSize, o.BlockCacheSize, o.maxEdits = 4<<10, -1, 3 })},
		"batches, flushed": {batch: 14, o: with(func(o *Options) {
			o.Durability, o.Compression, o.BloomBitsPerKey, o.Policy = wal.Flushed, S2, -1, Leveled{Growth: 2, Level0: 3}
		})},
	}
}

// TestCrash goes through all crash states of some histories: every operation is a
// crash point, and so is, for some of the states, every operation of the recovery from
// them. The short form takes a part of the states of each point. What a store does is
// known to be cut: all of it, and all that vfs knows of what becomes of a disk.
//
// Planted and caught: a flush that truncates the log before the manifest knows the
// table, a table whose name is not synced before the manifest mentions it, one that is
// not synced itself, tables of a compaction removed before the manifest knows the new
// ones, a manifest that is not synced, or forgets the old before it has the whole
// version; an Open that does not remove what nobody mentions, that forgets in the new
// manifest how far the log is in tables or the number of the next table, or truncates
// the log that it has read; a log that does not begin behind what is in tables; a batch
// applied as Synced to a store that is not, and not synced. Not caught, since a store
// never repeats a batch to the byte: a log that does not erase its torn end, for which
// see the wal's own test.
func TestCrash(t *testing.T) {
	calls, stride, twice := 60, 16, 48
	if form.Long() {
		calls, stride, twice = 72, 1, 16
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
					require.NoError(t, recoveredTwice(c.Disk, legal, h.o, n/twice%4 == 0, tally), "%v", c)
				}
				if n%8 == 0 {
					if err := Verify("db", Options{FS: c.Disk}); c.Point > h.calls[1].End || !errors.Is(err, fs.ErrNotExist) {
						require.NoError(t, err, "%v", c)
					}
				}
				_, err := recovered(c.Disk, legal, h.o, true)
				require.NoError(t, err, "%v", c)
				if n%8 == 0 {
					require.NoError(t, Verify("db", Options{FS: c.Disk}), "%v", c)
				}
			}
			t.Logf("%d calls, %d operations, %d states", len(h.calls), h.w.Ops(), tally.Total()-before)
		})
	}
	tally.Report(t, happenings())
	if form.Long() {
		require.GreaterOrEqual(t, tally.Total(), 20_000)
	}
}

// recovered opens the store on a disk that a crash has left, and returns what it
// holds, which must be one of the legal contents. If it is to go on, it takes a change,
// flushes and closes, and the directory holds what it needs.
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
	if err = errors.Join(err, db.Close()); err == nil && goOn {
		err = leftovers(disk, "db", db)
	}
	return got, err
}

func usable(db *DB) error {
	if err := db.Put([]byte("k00"), []byte("again")); err != nil {
		return err
	}
	v, err := db.Get([]byte("k00"))
	if err == nil && string(v) != "again" {
		err = fmt.Errorf("k00 is %q after it was put", v)
	}
	if err == nil {
		err = db.Flush()
	}
	return err
}

// recoveredTwice recovers from the crash while recording, and closes, and cuts the
// power again after every operation of that, leaving one of the states. If it is to go
// on, it puts something and flushes before it closes.
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
		life.After += "zz=second\n"
	}
	put := r.Ops()
	if err == nil && goOn {
		err = db.Flush()
	}
	if life.Kept = r.Ops(); o.Durability == wal.Synced {
		life.Kept = put
	}
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	for c := range tally.Again(r, false) {
		if _, err := recovered(c.Disk, life.Legal(c.Point), o, c.Point%8 == 0); err != nil {
			return fmt.Errorf("second cut, of %d operations (opened after %d): %v: %w", r.Ops(), life.Opened, c, err)
		}
	}
	return nil
}

// leftovers returns an error if a closed store's directory has what it does not need,
// or lacks what it does.
func leftovers(fsys vfs.FS, dir string, db *DB) error {
	used := map[string]bool{"LOCK": true, "log": true, "manifest": true}
	for _, tables := range db.state.Load().version.levels {
		for _, table := range tables {
			used[tableName(table.number)] = true
		}
	}
	entries, err := fsys.List(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !used[e.Name] {
			return fmt.Errorf("%s is left in %s", e.Name, dir)
		}
		delete(used, e.Name)
	}
	if len(used) > 0 {
		return fmt.Errorf("missing in %s: %v", dir, used)
	}
	return nil
}
