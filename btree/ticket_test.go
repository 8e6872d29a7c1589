package btree

import (
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// heldLog keeps the next sync of the log, if it is to, until it is told what comes of it.
type heldLog struct {
	vfs.FS
	next   atomic.Bool
	begun  chan struct{}
	result chan error
}

func newHeldLog(fsys vfs.FS) *heldLog {
	return &heldLog{FS: fsys, begun: make(chan struct{}), result: make(chan error)}
}

type heldFile struct {
	vfs.File
	log *heldLog
}

func (h *heldLog) Open(name string, m vfs.Mode, c vfs.Category) (vfs.File, error) {
	f, err := h.FS.Open(name, m, c)
	if err != nil || c != wal.Category {
		return f, err
	}
	return heldFile{f, h}, nil
}

func (f heldFile) Sync() error {
	if f.log.next.CompareAndSwap(true, false) {
		f.log.begun <- struct{}{}
		if err := <-f.log.result; err != nil {
			return err
		}
	}
	return f.File.Sync()
}

// TestCheckpointWaitsForLog begins a checkpoint while the log is not yet on the disk, and
// then the log fails: no reader sees the transaction that was refused. Planted and caught:
// a checkpoint that does not wait for the ticket of the version that it takes.
func TestCheckpointWaitsForLog(t *testing.T) {
	h := newHeldLog(vfs.NewMem())
	db := opened(t, Options{FS: h})
	h.next.Store(true)
	put, checkpoint := make(chan error), make(chan error)
	go func() { put <- db.Put([]byte("k"), []byte("v")) }()
	<-h.begun
	go func() { checkpoint <- db.Checkpoint() }()
	require.Eventually(t, func() bool {
		db.turn.Lock()
		defer db.turn.Unlock()
		return db.captured == db.latest.tx
	}, time.Minute, time.Millisecond)
	h.result <- errBroken
	require.ErrorIs(t, <-put, errBroken)
	require.ErrorIs(t, <-checkpoint, errBroken)
	_, err := db.Get([]byte("k"))
	require.ErrorIs(t, err, ErrNotFound)
	require.ErrorIs(t, db.Close(), errBroken)
}
