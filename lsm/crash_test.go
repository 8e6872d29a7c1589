package lsm

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

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

// crashCall is one call of a history.
type crashCall struct {
	start, end int    // disk operations before and after it
	content    string // of the store when it has returned
	durable    bool   // once it has returned, it survives, and all before it
}

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
	w      *witness
	o      Options
	batch  int  // changes in a batch
	held   bool // snapshots are, most of the time
	rising bool // keys are, and never deleted

	db       *DB
	now      map[string]string
	calls    []crashCall
	snapshot *Snapshot
}

// do runs one call; change tells what it does to the map.
func (h *crashHistory) do(durable bool, change func(), call func() error) {
	c := crashCall{start: h.w.Ops(), durable: durable || h.o.Durability == wal.Synced}
	var mem *memtable
	if h.db != nil {
		mem = h.db.state.Load().mem
	}
	require.NoError(h.t, call())
	change()
	c.end, c.content = h.w.Ops(), contentOfMap(h.now)
	h.calls = append(h.calls, c)
	if mem != nil && mem != h.db.state.Load().mem {
		h.w.during(rotates, c)
	}
}

func (h *crashHistory) open() {
	h.do(true, func() {}, func() error {
		h.db = opened(h.t, h.o)
		return nil
	})
	h.w.during(reopens, h.calls[len(h.calls)-1])
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
	h.calls = []crashCall{{durable: true}}
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

// legal returns what the store may hold after a power cut at a point: the contents
// from the last durable call on to the last call that had begun.
func (h *crashHistory) legal(point int) []string {
	durable, issued := 0, 0
	for i, c := range h.calls {
		if c.end <= point && c.durable {
			durable = i
		}
		if c.start < point {
			issued = i
		}
	}
	var contents []string
	for _, c := range h.calls[durable : max(issued, durable)+1] {
		contents = append(contents, c.content)
	}
	return contents
}

// happening names what a disk operation is a part of.
type happening int

const (
	logs       happening = iota // a batch is written to the log
	seals                       // the log begins another segment
	rotates                     // a memtable is full, and an empty one takes its place
	flushes                     // a memtable becomes a table, up to the manifest's record of it
	compacts                    // tables become others, up to the manifest's record of it
	moves                       // a table goes to another level as it is
	switches                    // the manifest begins anew with a whole version
	removes                     // a table is deleted
	forgets                     // the log is truncated
	reopens                     // the store is opened
	happenings                  // the number of them
)

func (h happening) String() string {
	return [...]string{"write of the log", "rotation of the log's segment", "rotation of the memtable", "flush", "compaction",
		"move", "switch of the manifest", "deletion of a table", "truncation of the log", "reopening"}[h]
}

// witness is a Recorder that knows what its operations are about: from the names and
// categories of files, and from the frames that the logs write.
type witness struct {
	*vfs.Recorder

	mu    sync.Mutex
	at    []map[happening]bool // by point: what a power cut there may interrupt
	first [2]uint64            // record of the log and of the manifest, as they have said last
}

// note says what the last operation was about. Power cuts may come before and after it.
func (w *witness) note(what happening) {
	ops := w.Ops()
	w.mark(what, ops-1, ops)
}

// during says what happens in a call.
func (w *witness) during(what happening, c crashCall) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mark(what, c.start, c.end)
}

func (w *witness) mark(what happening, from, to int) {
	for len(w.at) <= to {
		w.at = append(w.at, map[happening]bool{})
	}
	for point := from; point <= to; point++ {
		w.at[point][what] = true
	}
}

func (w *witness) Open(name string, mode vfs.Mode, c vfs.Category) (vfs.File, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f, err := w.Recorder.Open(name, mode, c)
	return &witnessed{f, w, name, c}, err
}

func (w *witness) Remove(name string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.Recorder.Remove(name)
	if strings.HasSuffix(name, ".table") {
		w.note(removes)
	}
	return err
}

func (w *witness) Rename(oldname, newname string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Recorder.Rename(oldname, newname)
}

func (w *witness) SyncDir(dir string) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.Recorder.SyncDir(dir)
}

// witnessed is a file of a witness.
type witnessed struct {
	vfs.File
	w    *witness
	name string
	c    vfs.Category
}

func (f *witnessed) WriteAt(p []byte, off int64) (int, error) {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	n, err := f.File.WriteAt(p, off)
	switch {
	case f.c == categoryFlush:
		f.w.note(flushes)
	case f.c == categoryCompact:
		f.w.note(compacts)
	case f.c == wal.Category && off > 0:
		f.w.frames(p, strings.HasPrefix(f.name, filepath.Join("db", "manifest")))
	}
	return n, err
}

func (f *witnessed) Truncate(size int64) error {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	return f.File.Truncate(size)
}

func (f *witnessed) Sync() error {
	f.w.mu.Lock()
	defer f.w.mu.Unlock()
	return f.File.Sync()
}

// frames notes what is written to one of the logs; wal/frame.go says how it looks.
func (w *witness) frames(b []byte, manifest bool) {
	log := 0
	if manifest {
		log = 1
	}
	for len(b) >= 24 {
		size := binary.LittleEndian.Uint32(b[8:])
		switch kind, data := b[16], b[24:][:size]; {
		case kind == 1 && manifest:
			w.edit(data)
		case kind == 1:
			w.note(logs)
		case kind == 3 && binary.LittleEndian.Uint64(data) > w.first[log]: // and not only closed
			w.first[log] = binary.LittleEndian.Uint64(data)
			w.note([]happening{forgets, switches}[log])
		case kind == 4 && !manifest:
			w.note(seals)
		}
		b = b[min(len(b), int(24+size+7)&^7):]
	}
}

// edit notes what a record of the manifest is about.
func (w *witness) edit(data []byte) {
	e, err := decodeEdit(data)
	switch {
	case err != nil:
		panic(err)
	case e.whole:
		w.note(switches)
	case len(e.gone) == 0:
		w.note(flushes)
	case len(e.come) > 0 && e.come[0].table.number == e.gone[0].table.number:
		w.note(moves)
	default:
		w.note(compacts)
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
	var during [happenings]int
	seen, second := map[vfs.Event]int{}, map[vfs.Event]int{}
	total, again := 0, 0
	for name, h := range crashCases() {
		t.Run(name, func(t *testing.T) {
			h.t, h.w = t, &witness{Recorder: vfs.Record(vfs.NewMem())}
			h.run(calls)
			states := 0
			rare := func(point int) bool {
				return point < len(h.w.at) && slices.ContainsFunc(slices.Collect(maps.Keys(h.w.at[point])), func(what happening) bool { return during[what] < 20 })
			}
			for point := range h.w.Ops() + 1 {
				legal := h.legal(point)
				n := 0
				for c := range h.w.Crashes(point) {
					if n++; n%stride != point%stride && seen[c.Event] >= 10 && !rare(point) {
						continue
					}
					states++
					seen[c.Event]++
					if point < len(h.w.at) {
						for what := range h.w.at[point] {
							during[what]++
						}
					}
					if states%twice == 0 {
						require.NoError(t, recoveredTwice(c.Disk, legal, h.o, states/twice%4 == 0, func(e vfs.Event) { second[e]++ }), "%v", c)
					}
					if states%8 == 0 {
						require.NoError(t, Verify("db", Options{FS: c.Disk}), "%v", c)
					}
					_, err := recovered(c.Disk, legal, h.o, true)
					require.NoError(t, err, "%v", c)
					if states%8 == 0 {
						require.NoError(t, Verify("db", Options{FS: c.Disk}), "%v", c)
					}
				}
			}
			t.Logf("%d calls, %d operations, %d states", len(h.calls), h.w.Ops(), states)
			total += states
		})
	}
	for what, n := range during {
		t.Logf("%7d states during: %v", n, happening(what))
		require.NotZero(t, n, "%v", happening(what))
	}
	for _, e := range vfs.Events() {
		t.Logf("%7d states, and %7d after a second cut: %v", seen[e], second[e], e)
		require.NotZero(t, seen[e], "%v", e)
		again += second[e]
	}
	t.Logf("%d states, and %d after a second cut", total, again)
	if form.Long() {
		require.GreaterOrEqual(t, total, 20_000)
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
func recoveredTwice(disk *vfs.Mem, legal []string, o Options, goOn bool, seen func(vfs.Event)) error {
	r := vfs.Record(disk)
	o.FS = r
	db, err := Open("db", o)
	if err != nil {
		return err
	}
	opened := r.Ops()
	got, err := contentOf(db)
	if err == nil && goOn {
		err = db.Put([]byte("zz"), []byte("second"))
	}
	put := r.Ops()
	if err == nil && goOn {
		err = db.Flush()
	}
	flushed := r.Ops()
	if err = errors.Join(err, db.Close()); err != nil {
		return err
	}
	after := got
	if goOn {
		after += "zz=second\n"
	}
	for point := range r.Ops() + 1 {
		second := legal
		switch {
		case point >= flushed || point >= put && o.Durability == wal.Synced:
			second = []string{after}
		case point > opened:
			second = []string{got, after}
		case point == opened:
			second = []string{got}
		}
		var c vfs.Crash
		n := 0
		for c = range r.Crashes(point) {
			if n++; n > point*7%20 {
				break
			}
		}
		seen(c.Event)
		if _, err := recovered(c.Disk, second, o, point%8 == 0); err != nil {
			return fmt.Errorf("second cut, of %d operations (opened after %d): %v: %w", r.Ops(), opened, c, err)
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
