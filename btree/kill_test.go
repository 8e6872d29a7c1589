package btree

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
)

// A process that works on a store on the real file system, killed with SIGKILL at any
// moment, again and again on the same directory: what it had acknowledged, by writing so
// into a pipe, is there, in order, and transactions are whole.

// killWork is what each writer does. Some values do not fit into a leaf, and of some a
// transaction does not fit into the log.
func killWork() kill.Work {
	return kill.Work{Writers: 3, Groups: 40, Size: func(n int) int { return n * 31 % 400 * (1 + n%10/9*9) }}
}

// killOptions make a store that makes checkpoints and begins segments all the time.
func killOptions(noWAL bool) Options {
	return Options{NoWAL: noWAL, CacheSize: 64 << 10, CheckpointSize: 16 << 10, segmentSize: 32 << 10, maxRecord: 8 << 10}
}

func killChange(tx *Tx, writer, n int) error {
	err := error(nil)
	for key, value := range killWork().Changes(writer, n) {
		if value == nil {
			err = errors.Join(err, tx.Delete(key))
		} else {
			err = errors.Join(err, tx.Put(key, value))
		}
	}
	return err
}

// killCheck compares all keys with the last transactions of the writers, and returns the
// numbers of those.
func killCheck(tx *Tx) ([]int, error) {
	last, err := killWork().Numbers(tx.Get, ErrNotFound)
	if err != nil {
		return last, err
	}
	want := killWork().Holds(last)
	n := 0
	for e, err := range tx.Scan(nil, nil) {
		if err != nil {
			return last, err
		}
		if v, ok := want[string(e.Key)]; !ok || v != string(e.Value) {
			return last, fmt.Errorf("at transactions %d: %q has %d bytes, want %d", last, e.Key, len(e.Value), len(v))
		}
		n++
	}
	if n != len(want) {
		err = fmt.Errorf("at transactions %d: %d keys, want %d", last, n, len(want))
	}
	return last, err
}

// TestKillChild is the process that TestKill kills.
func TestKillChild(t *testing.T) {
	child, ok := kill.Self()
	if !ok {
		return // only as the child of TestKill
	}
	kill.Say(kill.Opens, 0, 0)
	db, err := Open(child.Dir, killOptions(child.Setting == "true"))
	require.NoError(t, err)
	var wg sync.WaitGroup
	for w := range killWork().Writers {
		wg.Go(func() { killWrite(db, w) })
	}
	for {
		if err := db.View(func(tx *Tx) error { _, err := killCheck(tx); return err }); err != nil {
			panic(err)
		}
		kill.Say(kill.Saw, 0, 0)
	}
}

// killWrite makes transactions until the process dies.
func killWrite(db *DB, writer int) {
	n, err := killWork().Number(db.Get, ErrNotFound, writer)
	for n++; err == nil; n++ {
		kill.Say(kill.Begins, uint64(writer), uint64(n))
		if err = db.Update(func(tx *Tx) error { return killChange(tx, writer, n) }); err != nil {
			break
		}
		kill.Say(kill.Acknowledged, uint64(writer), uint64(n))
		switch {
		case writer == 0 && n%20 == 19:
			err = db.Checkpoint()
		case writer == 1 && n%50 == 49:
			err = db.Compact(context.Background())
		}
	}
	panic(err)
}

// TestKill kills a process that uses a store, and looks at what it has left. Planted and
// caught: a meta page before the pages; a log that is truncated before the meta page;
// readers whose pages are used again.
func TestKill(t *testing.T) {
	times := 8
	if form.Long() {
		times = 50
	}
	for _, noWAL := range []bool{false, true} {
		t.Run(fmt.Sprintf("NoWAL=%t", noWAL), func(t *testing.T) {
			claims := kill.NewClaims(killWork().Writers)
			kill.Loop{
				Test: "TestKillChild", Setting: strconv.FormatBool(noWAL), Times: times, Lines: 500, Hear: claims.Hear,
				Check: func(dir string) {
					begun := claims.Begun[0] > 0 // else there may be no store yet
					require.NoError(t, claims.Check(killLeft(t, dir, killOptions(noWAL), begun)))
				},
			}.Run(t, seed.New(t))
			t.Logf("killed %d times; %d transactions acknowledged, %d begun, %d readers were right", times, claims.Acknowledged, claims.Begun, claims.Seen)
			require.Greater(t, claims.Acknowledged[0]+claims.Acknowledged[1]+claims.Acknowledged[2], 2*killWork().Groups)
			require.Positive(t, claims.Seen)
		})
	}
}

// killLeft opens the store as the next process would, and returns the last transactions.
func killLeft(t *testing.T, dir string, o Options, begun bool) (last []int) {
	if begun {
		require.NoError(t, Verify(dir, o))
	}
	db, err := Open(dir, o)
	require.NoError(t, err)
	require.NoError(t, db.View(func(tx *Tx) (err error) { last, err = killCheck(tx); return err }))
	invariant(t, db)
	require.NoError(t, db.Close())
	require.NoError(t, Verify(dir, o))
	return last
}
