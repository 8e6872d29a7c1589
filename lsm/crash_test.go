package lsm

import (
	"context"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// The test that the store stands on: a history of calls, and a power cut after each
// of its disk operations, leaving each state that the disk could be in. From every
// such state the store must come back with what the first so many calls had made of
// it, where that includes every call that had been acknowledged; what is in the
// directory then is what the store needs, and it takes another change.

// crashCall is one call of a history.
type crashCall struct {
	start, end int    // disk operations before and after it
	content    string // of the store when it has returned
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

// crashHistory runs calls on a recording disk and returns them.
func crashHistory(t *testing.T, r *vfs.Recorder, o Options) []crashCall {
	o.FS = r
	db := opened(t, o)
	now := map[string]string{}
	calls := []crashCall{{0, r.Ops(), ""}}
	do := func(change func(), call func() error) {
		c := crashCall{start: r.Ops()}
		require.NoError(t, call())
		change()
		c.end, c.content = r.Ops(), contentOfMap(now)
		calls = append(calls, c)
	}
	for i := range 120 {
		key, value := fmt.Sprintf("k%02d", i*7%30), fmt.Sprintf("%d|%s", i, strings.Repeat("x", i*13%90))
		switch {
		case i%20 == 19:
			do(func() {}, db.Flush)
		case i%41 == 40:
			do(func() {}, func() error { return db.Compact(context.Background(), nil, nil) })
		case i%35 == 34:
			do(func() {}, func() error {
				err := db.Close()
				db = opened(t, o)
				return err
			})
		case i%5 == 4:
			do(func() { delete(now, key) }, func() error { return db.Delete([]byte(key)) })
		case i%7 == 6:
			var b Batch
			b.Put([]byte(key), []byte(value))
			b.Delete([]byte("k03"))
			b.Put([]byte("k04"), []byte(value))
			do(func() {
				now[key] = value
				delete(now, "k03")
				now["k04"] = value
			}, func() error { return db.Apply(&b) })
		default:
			do(func() { now[key] = value }, func() error { return db.Put([]byte(key), []byte(value)) })
		}
	}
	do(func() {}, db.Close)
	return calls
}

// TestCrash goes through all crash states of some histories: every operation is a
// crash point. The short form takes a part of the states of each point. Planted and
// caught: a flush that truncates the log before the manifest knows the table, a
// table whose name is not synced before the manifest mentions it, one that is not
// synced itself, an Open that does not remove what nobody mentions, a log that does
// not begin behind what is in tables.
func TestCrash(t *testing.T) {
	long := os.Getenv("PLINTH_LONG") != ""
	total := 0
	for name, o := range map[string]Options{
		"synced":  {Durability: wal.Synced, MemTableSize: 1 << 10, TableSize: 1 << 10, BlockSize: 200, Policy: Leveled{Growth: 3, Level0: 2}, segmentSize: 8 << 10, maxEdits: 4},
		"flushed": {Durability: wal.Flushed, MemTableSize: 2 << 10, TableSize: 1 << 10, Compression: S2, Policy: Leveled{Growth: 3, Level0: 2}, segmentSize: 8 << 10, maxEdits: 4},
	} {
		t.Run(name, func(t *testing.T) {
			r := vfs.Record(vfs.NewMem())
			calls := crashHistory(t, r, o)
			states := 0
			for point := range r.Ops() + 1 {
				n := 0
				for c := range r.Crashes(point) {
					if n++; !long && n%8 != point%8 {
						continue
					}
					states++
					recovered(t, c, calls, o)
				}
			}
			t.Logf("%d states of %d operations", states, r.Ops())
			total += states
		})
	}
	t.Logf("%d states", total)
}

// recovered opens the store on a disk that a crash has left.
func recovered(t *testing.T, c vfs.Crash, calls []crashCall, o Options) {
	acknowledged, issued := 0, 0
	for i, call := range calls {
		if call.end <= c.Point && (o.Durability == wal.Synced || i == 0) {
			acknowledged = i
		}
		if call.start <= c.Point {
			issued = i
		}
	}
	o.FS = c.Disk
	db, err := Open("db", o)
	require.NoError(t, err, "%v", c)
	got, err := contentOf(db)
	require.NoError(t, err, "%v", c)
	found := false
	for _, call := range calls[acknowledged : issued+1] {
		found = found || call.content == got
	}
	require.True(t, found, "%v: of calls %d to %d, none leaves\n%s", c, acknowledged, issued, got)
	require.NoError(t, db.Put([]byte("k00"), []byte("again")), "%v", c)
	v, err := db.Get([]byte("k00"))
	require.NoError(t, err, "%v", c)
	require.Equal(t, "again", string(v))
	require.NoError(t, db.Close(), "%v", c)
	checkDirectory(t, c, db)
}

// checkDirectory looks for files that nobody needs.
func checkDirectory(t *testing.T, c vfs.Crash, db *DB) {
	used := map[string]bool{"LOCK": true, "log": true, "manifest": true}
	for _, tables := range db.state.Load().version.levels {
		for _, table := range tables {
			used[tableName(table.number)] = true
		}
	}
	entries, err := c.Disk.List("db")
	require.NoError(t, err)
	for _, e := range entries {
		require.True(t, used[e.Name], "%v: %s is left", c, e.Name)
	}
}
