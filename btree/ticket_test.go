package btree

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/plinth-go/plinth/vfs"
	"github.com/plinth-go/plinth/wal"
)

// heldLog keeps the next sync of the log until it is told what comes of it.
type heldLog struct {
	vfs.FS
	begun  chan struct{}
	result chan error
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
	select {
	case f.log.begun <- struct{}{}:
		if err := <-f.log.result; err != nil {
			return err
		}
	default: // nobody waits for it
	}
	return f.File.Sync()
}

// TestCheckpointWaitsForLog begins a checkpoint while the log is not yet on the disk, and
// then the log fails: no reader sees the transaction that was refused. Planted and caught:
// a checkpoint that does not wait for the ticket of the version that it takes.
func TestCheckpointWaitsForLog(t *testing.T) {
	h := &heldLog{vfs.NewMem(), make(chan struct{}), make(chan error)}
	db := opened(t, Options{FS: h})
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
