package btree

import (
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/vfs"
)

// A process that dies leaves to the next one what it has written and not synced: the next
// one sees it, and a power cut takes it away. So here a store dies at each of its
// operations, is opened again on what the operating system has, goes on, and then the
// power fails at each operation of that second life. Planted and caught: an Open that
// does not sync the file before it cuts the log by what its meta page says.
func TestDeathThenPowerCut(t *testing.T) {
	for _, o := range []Options{{}, {NoWAL: true}} {
		for at := 1; ; at++ {
			recorder := vfs.Record(vfs.NewMem())
			in := vfs.Inject(recorder, vfs.Fault{At: at, Err: errBroken, Then: vfs.Persist})
			acked := livesAndDies(o.on(in))
			if !in.Fired() {
				require.Greater(t, at, 20)
				break
			}
			secondLife(t, o, recorder, acked)
		}
	}
}

// livesAndDies returns the keys whose Put was acknowledged.
func livesAndDies(o Options) (acked []string) {
	db, err := Open("db", o)
	if err != nil {
		return nil
	}
	for i := range 12 {
		key := fmt.Sprintf("first %02d", i)
		if db.Put([]byte(key), make([]byte, 700)) == nil {
			acked = append(acked, key)
		}
		if i%5 == 3 && db.Checkpoint() != nil {
			break
		}
	}
	_ = db.Close()
	return acked
}

// secondLife opens what the first one has left, goes on, and cuts the power.
func secondLife(t *testing.T, o Options, disk *vfs.Recorder, acked []string) {
	first := disk.Ops()
	db, err := Open("db", o.on(disk))
	require.NoError(t, err)
	since := map[string]int{} // from which operation on a key must be there
	for _, key := range acked {
		since[key] = 0
	}
	for i := range 4 {
		key := fmt.Sprintf("second %d", i)
		require.NoError(t, db.Put([]byte(key), make([]byte, 700)))
		since[key] = disk.Ops()
		if i == 2 {
			require.NoError(t, db.Checkpoint())
		}
	}
	step := 3
	if form.Long() {
		step = 1
	}
	for point := first; point <= disk.Ops(); point += step {
		n := 0
		for c := range disk.Crashes(point) {
			if n++; n > 2+4/step {
				break
			}
			again, err := Open("db", o.on(c.Disk))
			require.NoError(t, err, "%v", c)
			for key, from := range since {
				_, err := again.Get([]byte(key))
				require.True(t, err == nil || from > point && errors.Is(err, ErrNotFound), "%v: %s: %v", c, key, err)
			}
			require.NoError(t, again.Close())
		}
	}
	require.NoError(t, db.Close())
}

// What has begun before a checkpoint fails does not commit on top of it: the checkpoint
// has taken pages and not written them. Planted and caught: a large transaction that
// writes its own checkpoint then, and cuts the log.
func TestCommitBehindAFailedCheckpoint(t *testing.T) {
	for name, o := range map[string]Options{"large": {maxRecord: 100}, "small": {}, "no log": {NoWAL: true}} {
		t.Run(name, func(t *testing.T) {
			o.FS = vfs.NewMem()
			db := opened(t, o)
			require.NoError(t, db.Put([]byte("a"), nil))
			tx, err := db.Begin(true)
			require.NoError(t, err)
			require.NoError(t, tx.Put([]byte("b"), make([]byte, 200)))
			before := db.durable.Load()
			_ = db.fail(errBroken)
			require.ErrorIs(t, tx.Commit(), ErrFailed)
			require.Equal(t, before, db.durable.Load())
			_, err = db.Get([]byte("b"))
			require.ErrorIs(t, err, ErrNotFound)
			require.ErrorIs(t, db.Close(), ErrFailed)
			db = opened(t, o)
			_, err = db.Get([]byte("a"))
			require.NoError(t, err)
			require.NoError(t, db.Close())
		})
	}
}
