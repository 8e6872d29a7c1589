package lsm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/internal/form"
	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

var errBroken = errors.New("broken")

// TestEveryOperationFailsOnce makes each operation of the disk fail once, in the
// ways that vfs knows. The call that meets it, or a later one, says so; reading goes
// on; Close returns; and when the store is opened again everything is there that was
// acknowledged, in order, and nothing that was never issued. Planted and caught: a Put
// that acknowledges what the log has refused; an error of a flush that is forgotten,
// by hanging.
func TestEveryOperationFailsOnce(t *testing.T) {
	stride := 7
	if form.Long() {
		stride = 1
	}
	for _, then := range []vfs.Aftermath{vfs.Recover, vfs.Persist, vfs.Pretend} {
		for _, short := range []bool{false, true} {
			for at := 1; ; at += stride {
				mem := vfs.NewMem()
				in := vfs.Inject(mem, vfs.Fault{At: at, Err: errBroken, Short: short, Then: then})
				acknowledged, issued := faultHistory(t, in)
				if !in.Fired() {
					require.Greater(t, at, 100)
					break
				}
				checkAfterFault(t, mem, acknowledged, issued, at)
			}
		}
	}
}

// TestRefusedWithoutWaiting makes each operation of the log fail once, under batches that
// do not wait for the disk: the one whose turn it was is refused all the same, and so
// are all after it. Planted and caught: a batch that is acknowledged because it need not
// be on the disk, although the log has no place for it.
func TestRefusedWithoutWaiting(t *testing.T) {
	history := func(at int) (in *vfs.Injector, opened int) {
		in = vfs.Inject(vfs.NewMem(), vfs.Fault{At: at, Err: errBroken})
		db, err := Open("db", Options{FS: in, segmentSize: 8 << 10})
		require.NoError(t, err)
		opened = in.Ops()
		var b Batch
		b.Put([]byte("k"), make([]byte, 1500))
		for range 20 {
			if err := db.ApplyWith(&b, wal.Buffered); in.Fired() {
				require.ErrorIs(t, err, ErrFailed, "operation %d", at)
				require.ErrorIs(t, err, errBroken)
			} else {
				require.NoError(t, err)
			}
		}
		_ = db.Close()
		return in, opened
	}
	_, opened := history(0)
	for at := opened + 1; at < opened+60; at++ {
		in, _ := history(at)
		require.True(t, in.Fired())
	}
}

// faultHistory works on a store until something fails, and returns how many changes
// were acknowledged and issued. Change i sets key i%40 to i.
func faultHistory(t *testing.T, fsys vfs.FS) (acknowledged, issued int) {
	o := tiny(fsys)
	o.Durability = wal.Synced
	db, err := Open("db", o)
	if err != nil {
		require.ErrorIs(t, err, errBroken)
		return 0, 0
	}
	defer func() { _ = db.Close() }()
	for i := range 150 {
		issued = i + 1
		if err := db.Put(fmt.Appendf(nil, "%02d", i%40), faultValue(i)); err != nil {
			require.ErrorIs(t, err, errBroken)
			require.ErrorIs(t, err, ErrFailed)
			require.ErrorIs(t, db.Put([]byte("x"), nil), ErrFailed, "an error is final")
			for e, err := range db.Scan(nil, nil) { // reads go on, but for what is broken still
				if err == nil {
					require.Len(t, e.Key, 2)
				}
			}
			return acknowledged, issued
		}
		acknowledged = issued
		if i == 90 {
			if err := db.Compact(context.Background(), nil, nil); err != nil {
				require.ErrorIs(t, err, errBroken)
			}
		}
	}
	return acknowledged, issued
}

func faultValue(i int) []byte {
	return append(fmt.Appendf(nil, "%d|", i), bytes.Repeat([]byte("x"), 60)...)
}

// checkAfterFault opens the store on a disk that works again. Of each key, the last
// acknowledged value must be there or a later one that was issued.
func checkAfterFault(t *testing.T, mem *vfs.Mem, acknowledged, issued, at int) {
	db, err := Open("db", tiny(mem))
	require.NoError(t, err, "operation %d", at)
	defer db.Close()
	newest := -1
	for k := range 40 {
		v, err := db.Get(fmt.Appendf(nil, "%02d", k))
		last := -1
		if err == nil {
			_, err = fmt.Sscanf(string(v), "%d|", &last)
			require.NoError(t, err)
			require.Equal(t, faultValue(last), v)
			require.Equal(t, k, last%40)
		} else {
			require.ErrorIs(t, err, ErrNotFound)
		}
		newest = max(newest, last)
	}
	require.GreaterOrEqual(t, newest, acknowledged-1, "operation %d", at)
	require.Less(t, newest, max(issued, 1), "operation %d", at)
	for i := max(0, newest-39); i <= newest; i++ { // no hole
		v, err := db.Get(fmt.Appendf(nil, "%02d", i%40))
		require.NoError(t, err, "operation %d", at)
		require.Equal(t, faultValue(i), v, "operation %d", at)
	}
}
