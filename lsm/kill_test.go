package lsm

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/internal/kill"
	"github.com/plinth-go/plinth/internal/seed"
	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// A process that works on a store on the real file system, killed with SIGKILL at
// any moment, again and again on the same directory: what it had acknowledged, by
// writing so into a pipe, is there, in order, batches whole; and the directory holds
// tables that the manifest knows, undamaged, and nothing else.

// killWork is what each writer does: a batch is a transaction of it.
func killWork() kill.Work {
	return kill.Work{Writers: 3, Groups: 40, Size: func(n int) int { return n * 31 % 200 }}
}

// killOptions make a store that flushes and compacts all the time.
func killOptions(d wal.Durability) Options {
	return Options{
		Durability: d, MemTableSize: 8 << 10, TableSize: 4 << 10, BlockSize: 512, Compression: S2,
		Policy: Leveled{Growth: 3, Level0: 2}, segmentSize: 32 << 10, maxEdits: 8,
	}
}

func killBatch(writer, n int) *Batch {
	var b Batch
	for key, value := range killWork().Changes(writer, n) {
		if value == nil {
			b.Delete(key)
		} else {
			b.Put(key, value)
		}
	}
	return &b
}

// killReader is a store or a snapshot of one.
type killReader interface {
	Get(key []byte) ([]byte, error)
	NewIterator(o IterOptions) *Iterator
}

// killCheck compares all keys with the last batches of the writers, by Get and by a
// walk, and returns the numbers of those.
func killCheck(r killReader) ([]int, error) {
	last, err := killWork().Numbers(r.Get, ErrNotFound)
	if err != nil {
		return last, err
	}
	want := killWork().Holds(last)
	for key := range killWork().Keys() {
		v, err := r.Get(key)
		expected, ok := want[string(key)]
		if ok && (err != nil || string(v) != expected) || !ok && !errors.Is(err, ErrNotFound) {
			return last, fmt.Errorf("at batches %d: %s is %q (%w), want %q, %t", last, key, v, err, expected, ok)
		}
	}
	it := r.NewIterator(IterOptions{})
	defer it.Close()
	n := 0
	for it.First(); it.Valid(); it.Next() {
		if v, ok := want[string(it.Key())]; !ok || v != string(it.Value()) {
			return last, fmt.Errorf("at batches %d: a walk finds %q at %q, want %q", last, it.Value(), it.Key(), v)
		}
		n++
	}
	if it.Err() == nil && n != len(want) {
		return last, fmt.Errorf("at batches %d: a walk finds %d keys, want %d", last, n, len(want))
	}
	return last, it.Err()
}

// TestKillChild is the process that TestKill kills.
func TestKillChild(t *testing.T) {
	child, ok := kill.Self()
	if !ok {
		return // only as the child of TestKill
	}
	durability, err := strconv.Atoi(child.Setting)
	require.NoError(t, err)
	kill.Say(kill.Opens, 0, 0)
	db, err := Open(child.Dir, killOptions(wal.Durability(durability)))
	require.NoError(t, err)
	var wg sync.WaitGroup
	for w := range killWork().Writers {
		wg.Go(func() { killWrite(db, w) })
	}
	for {
		snapshot := db.Snapshot()
		if _, err := killCheck(snapshot); err != nil {
			panic(err)
		}
		snapshot.Close()
		kill.Say(kill.Saw, 0, 0)
	}
}

// killWrite applies batches until the process dies. One of the writers flushes and
// compacts besides.
func killWrite(db *DB, writer int) {
	n, err := killWork().Number(db.Get, ErrNotFound, writer)
	for n++; err == nil; n++ {
		kill.Say(kill.Begins, uint64(writer), uint64(n))
		if err = db.Apply(killBatch(writer, n)); err != nil {
			break
		}
		kill.Say(kill.Acknowledged, uint64(writer), uint64(n))
		switch {
		case writer == 0 && n%40 == 39:
			err = db.Flush()
		case writer == 1 && n%100 == 99:
			group := n % killWork().Groups
			err = db.Compact(context.Background(), killWork().Key(0, group, 1), killWork().Key(0, group, 3))
		}
	}
	panic(err)
}

// TestKill kills a process that uses a store, and looks at what it has left. Planted
// and caught: a batch acknowledged before the log has written it; a flush that
// truncates the log before the manifest knows the table; tables of a compaction removed
// before the manifest knows the new ones; an Open that does not remove what nobody
// mentions, or forgets the last record of the log; half a batch that readers see.
func TestKill(t *testing.T) {
	times := 12
	if form.Raced() {
		times = 9 // of 6, all lives together are too short in one run of some five thousand
	}
	if form.Long() {
		times = 60
	}
	for _, d := range []wal.Durability{wal.Synced, wal.Flushed} {
		t.Run(d.String(), func(t *testing.T) {
			claims := kill.NewClaims(killWork().Writers)
			kill.Loop{
				Test: "TestKillChild", Setting: strconv.Itoa(int(d)), Times: times, Lines: 800, Hear: claims.Hear,
				Check: func(dir string) { require.NoError(t, claims.Check(killLeft(t, dir, killOptions(d)))) },
			}.Run(t, seed.New(t))
			t.Logf("killed %d times; %d batches acknowledged, %d begun, %d snapshots were right", times, claims.Acknowledged, claims.Begun, claims.Seen)
			require.Greater(t, claims.Acknowledged[0]+claims.Acknowledged[1]+claims.Acknowledged[2], 4*killWork().Groups)
			require.Positive(t, claims.Seen)
		})
	}
}

// killLeft opens the store as the next process would, and returns the last batches.
func killLeft(t *testing.T, dir string, o Options) []int {
	db, err := Open(dir, o)
	require.NoError(t, err)
	last, err := killCheck(db)
	require.NoError(t, err)
	require.NoError(t, db.Close())
	require.NoError(t, leftovers(vfs.OS(), dir, db))
	require.NoError(t, Verify(dir, o))
	return last
}
